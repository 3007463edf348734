// Names everything that is missing for `npm run demo`, `npm test` or `npm run bench` in one line, with the Debian package.
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

/** command → Debian package that brings it. */
const packages = {
  ip: 'iproute2',
  tc: 'iproute2',
  ping: 'iputils-ping',
  nft: 'nftables',
  ethtool: 'ethtool',
  iperf3: 'iperf3',
};
const needs = {
  demo: { commands: ['ip', 'tc', 'ping', 'ethtool'], root: true },
  test: { commands: ['ip', 'tc', 'ping', 'nft', 'ethtool'], root: false },
  bench: { commands: ['ip', 'ping', 'ethtool', 'iperf3'], root: true },
};

function isInstalled(command) {
  return (process.env.PATH ?? '').split(':').some((folder) => {
    try {
      accessSync(path.join(folder, command), constants.X_OK);
      return true;
    } catch (error) {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'EACCES') return false;
      throw error;
    }
  });
}

function hasTun() {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

const purpose = process.argv[2] ?? '';
const need = needs[purpose];
if (need === undefined) {
  console.error(`usage: preflight.mjs ${Object.keys(needs).join('|')}`);
  process.exit(2);
}
const command = purpose === 'test' ? 'npm test' : `npm run ${purpose}`;
const isRoot = process.getuid?.() === 0;
const missing = need.commands.filter((name) => !isInstalled(name));
const problems = [];
if (missing.length > 0) {
  const install = [...new Set(missing.map((name) => packages[name]))].join(' ');
  problems.push(`${missing.join(', ')} missing: apt-get install -y ${install}`);
}
if (need.root && !isRoot) problems.push('not root: run it as root, it makes network namespaces');
if (need.root && isRoot && !hasTun()) problems.push('/dev/net/tun missing: modprobe tun');
if (problems.length > 0) {
  console.error(`${command} cannot run: ${problems.join('; ')}`);
  process.exit(1);
}
if (purpose === 'test' && !isRoot)
  console.log('npm test: not root, so tests that make network namespaces will be skipped');
