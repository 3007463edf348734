// Which Debian packages bring the shared libraries that a program needs, and from which version on: what its ELF headers say.
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import path from 'node:path';

/** Debian's name of a processor by ELF e_machine (elf.h), and Node's. */
const machines = new Map([
  [62, { deb: 'amd64', node: 'x64' }],
  [183, { deb: 'arm64', node: 'arm64' }],
]);

/** soname → the package of Debian 11 and newer. */
const packages = {
  'libc.so.6': 'libc6',
  'libm.so.6': 'libc6',
  'libdl.so.2': 'libc6',
  'libpthread.so.0': 'libc6',
  'librt.so.1': 'libc6',
  'ld-linux-x86-64.so.2': 'libc6',
  'ld-linux-aarch64.so.1': 'libc6',
  'libstdc++.so.6': 'libstdc++6',
  'libgcc_s.so.1': 'libgcc-s1',
  'libatomic.so.1': 'libatomic1',
};

/** Last symbol version of each release of GCC (its manual, "ABI Policy and Guidelines"). */
const libstdcxxReleases = [
  [21, '5'],
  [22, '6'],
  [24, '7'],
  [25, '8'],
  [27, '9'],
  [28, '10'],
  [29, '11'],
  [30, '12'],
  [32, '13'],
  [33, '14'],
  [34, '15'],
];

/** `{deb, node}` names of the processor that `program` is for. Throws what the file is instead. */
export function processorOf(program) {
  const head = Buffer.alloc(20);
  const fd = openSync(program, 'r');
  try {
    readSync(fd, head, 0, 20, 0);
  } finally {
    closeSync(fd);
  }
  const machine = head.toString('latin1', 1, 4) === 'ELF' ? machines.get(head.readUInt16LE(18)) : undefined;
  if (machine === undefined) throw new Error(`${program} is no program for x64 or arm64`);
  return machine;
}

/** `readelf -dV`: sonames and `GLIBC_2.28`-like versions. */
function read(program) {
  const run = spawnSync('readelf', ['-dV', program], { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (run.error) throw new Error('readelf is missing (apt-get install binutils)');
  const needed = [...run.stdout.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, soname]) => soname);
  const versions = [...run.stdout.matchAll(/Name: ([A-Z]+)_([0-9.]+)/g)].map(([, group, version]) => ({
    group,
    version,
  }));
  return { needed, versions };
}

const compare = (a, b) => {
  const [one, other] = [a, b].map((text) => text.split('.').map(Number));
  for (let at = 0; at < 4; at += 1) {
    const difference = (one[at] ?? 0) - (other[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};
const newest = (versions, group) =>
  versions
    .filter((one) => one.group === group)
    .map(({ version }) => version)
    .sort(compare)
    .at(-1);

/** `libstdc++6` from the release that had all those symbols; '' when any has them. */
function libstdcxxRelease(version) {
  const minor = Number(version?.split('.')[2] ?? 0);
  if (minor < libstdcxxReleases[0][0]) return '';
  const release = libstdcxxReleases.find(([last]) => minor <= last);
  if (release === undefined)
    throw new Error(`No release of libstdc++ is known for GLIBCXX_${version} (tools/package/libraries.mjs)`);
  return release[1];
}

/** A library that is none of the compiler's belongs to a package here, or the program cannot be carried to another host. */
function foreignPackage(program, soname) {
  const lines = (spawnSync('ldd', [program], { encoding: 'utf8' }).stdout ?? '').split('\n').map((one) => one.trim());
  const line = lines.find((one) => one.startsWith(`${soname} => `))?.split(' ');
  const file = line?.[2] ?? '';
  const owner = path.isAbsolute(file) ? spawnSync('dpkg', ['-S', file], { encoding: 'utf8' }) : undefined;
  if (owner?.status === 0) return owner.stdout.split(':')[0];
  throw new Error(
    `${program} needs ${soname}, which no Debian package here brings (name another Node by --node, such as that of nodejs.org)`,
  );
}

/** `libc6 (>= 2.28), …` for all `programs` together, sorted. Throws when one needs what no package brings. */
export function dependsOf(programs) {
  const least = new Map();
  const raise = (name, version) => {
    const before = least.get(name) ?? '';
    least.set(name, before === '' || (version !== '' && compare(version, before) > 0) ? version : before);
  };
  for (const program of programs) {
    const { needed, versions } = read(program);
    for (const soname of needed) {
      const name = packages[soname] ?? foreignPackage(program, soname);
      if (name === 'libc6') raise(name, newest(versions, 'GLIBC') ?? '');
      else if (name === 'libstdc++6') raise(name, libstdcxxRelease(newest(versions, 'GLIBCXX')));
      else raise(name, '');
    }
  }
  return [...least]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, version]) => (version === '' ? name : `${name} (>= ${version})`))
    .join(', ');
}
