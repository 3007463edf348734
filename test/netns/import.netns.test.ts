/**
 * A router's wg-quick file, imported and run: keys in files that PostUp names, Table and DNS. The handshake shows that both keys are
 * the right ones, the routes that nothing goes where the file did not send it.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { cliProgram, Daemon, runCli } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { buildWire, inside, outside, port } from '../support/pair.ts';
import { until } from '../support/until.ts';

const skip = skipReason();
t.setTimeout(240_000);

t.test(
  'an imported file routes what it says, with its keys and name servers',
  skip === false ? {} : { skip },
  async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const { a, b } = buildWire(lab);
    const [keysA, keysB] = [generateKeys(), generateKeys()];
    const presharedKey = generateKeys().privateKey;
    const hub = new Daemon(lab, b, {
      keys: keysB,
      addresses: [`${inside.b4}/24`],
      port,
      peers: [{ name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`], presharedKey }],
    });
    await hub.start();
    a.ip(`route add default via ${outside.b4}`);

    const folder = path.join(lab.folder, 'wg');
    const bin = path.join(lab.folder, 'bin');
    const calls = path.join(lab.folder, 'calls');
    for (const each of [folder, bin]) mkdirSync(each);
    writeFileSync(calls, '');
    // Whichever of them this host's programs are served by.
    for (const tool of ['resolvectl', 'resolvconf'])
      writeFileSync(path.join(bin, tool), `#!/bin/sh\necho "${tool} $*" >>${calls}\ncat >>${calls}\n`, { mode: 0o755 });
    writeFileSync(path.join(folder, 'edge.key'), `${keysA.privateKey}\n`, { mode: 0o600 });
    writeFileSync(path.join(folder, 'edge.psk'), `${presharedKey}\n`, { mode: 0o600 });
    const file = path.join(folder, 'edge.conf');
    const write = (table: string): void =>
      writeFileSync(
        file,
        `[Interface]
PostUp = wg set %i private-key ${folder}/%i.key peer ${keysB.publicKey} preshared-key "${folder}/%i.psk"
PostUp = ip address add ${inside.a4}/24 dev %i
DNS = ${inside.b4}, corp.example
Table = ${table}
[Peer]
PublicKey = ${keysB.publicKey}
AllowedIPs = 0.0.0.0/0
Endpoint = ${outside.b4}:${port}
PersistentKeepalive = 25
`,
      );
    const runDirectory = path.join(lab.folder, 'run-a');
    mkdirSync(runDirectory);
    const up = async (table: string) => {
      write(table);
      const imported = await runCli(['import', file, '--out', folder, '--force']);
      t.equal(imported.status, 0, imported.stderr);
      const yaml = path.join(folder, 'edge.yaml');
      appendFileSync(yaml, `runtime: { runDirectory: "${runDirectory}", stateDirectory: "${lab.folder}/state-a" }\n`);
      rmSync(calls);
      writeFileSync(calls, '');
      return start(a, yaml, bin);
    };
    const dnsSet = () => /resolvconf -a edge|resolvectl dns edge 10\.9\.0\.2/.test(readFileSync(calls, 'utf8'));
    const dnsGone = () => /resolvconf -d edge|resolvectl revert edge/.test(readFileSync(calls, 'utf8'));
    const wayOut = () => a.ip('route get 192.0.2.9').split('\n')[0] ?? '';
    const before = wayOut();

    const off = await up('off');
    await until('a ping through the tunnel', () => answersThrough(a, 'edge', inside.b4));
    t.equal(wayOut(), before, 'Table = off: the default route is the host’s');
    t.notMatch(a.ip('-4 route show table all'), /default dev edge/);
    await until('name servers of the host', dnsSet);
    t.notOk(dnsGone());
    off.kill('SIGKILL');
    await until('the end of the process', () => off.signalCode !== null);
    t.notOk(dnsGone(), 'a killed process takes nothing back');
    const release = [cliProgram, 'release', '--name', 'edge', '--interface', 'edge', '--run-directory', runDirectory];
    const released = a.run('env', [`PATH=${bin}:${process.env.PATH}`, process.execPath, ...release]);
    t.match(released, /removed name servers 10\.9\.0\.2 of edge/);
    t.ok(dnsGone());

    const numbered = await up('200');
    await until('a ping through the tunnel', () => answersThrough(a, 'edge', inside.b4));
    t.equal(wayOut(), before, 'Table = 200: who reads it is not ours to say');
    t.match(a.ip('route show table 200'), /^default dev edge/);
    await until('name servers of the host', dnsSet);
    numbered.kill('SIGTERM');
    await until('an orderly end', () => numbered.exitCode !== null);
    t.ok(dnsGone(), 'an orderly end takes them back');
    t.notOk(existsSync(path.join(runDirectory, '.edge.dns')));
    await hub.stop();
  },
);

/** By the interface alone: the hub would answer in the clear as well. */
function answersThrough(host: Host, interfaceName: string, address: string): boolean {
  const result = host.run('sh', ['-c', `ping -qc1 -W2 -I ${interfaceName} ${address} 2>&1 || true`]);
  return / 1 received/.test(result);
}

function start(host: Host, yaml: string, bin: string) {
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
  return host.spawn(process.execPath, [cliProgram, 'up', yaml], { stdio: 'ignore', env });
}
