// `npm run package`: hawser_VERSION_ARCH.deb, and hawser-VERSION-linux-ARCH.tar.gz for `hawser update`.
// --node FILE   the Node to take along (default: the one that runs this); its processor is the package's
// --out FOLDER  where to (default: build/package)
// --compression xz|gzip|none, of the .deb (default: xz)   --built: do not build first   --no-archive: the .deb alone
// --set-version VERSION  in place of package.json's, for trials of an upgrade
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { readCommands } from './package/commands.mjs';
import { makeDeb } from './package/deb.mjs';
import { dependsOf, processorOf } from './package/libraries.mjs';
import { debVersion, filesBelow, makeTree, run, setTimes, sourceEpochS } from './package/tree.mjs';

const root = path.resolve(import.meta.dirname, '..');
const { values } = parseArgs({
  options: {
    node: { type: 'string', default: process.execPath },
    out: { type: 'string', default: path.join(root, 'build/package') },
    compression: { type: 'string', default: 'xz' },
    built: { type: 'boolean', default: false },
    archive: { type: 'boolean', default: true },
    'set-version': { type: 'string' },
  },
  allowNegative: true,
});

function build() {
  for (const [command, args] of [
    ['npm', ['run', '--silent', 'build']],
    [process.execPath, ['tools/prebuild.mjs']],
  ]) {
    if (spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status !== 0)
      throw new Error(`${command} ${args.join(' ')} failed`);
  }
}

/** Sorted, of nobody's, of one time, and gzip without a name. */
function makeArchive(tree, version, archive, epochS) {
  const plain = archive.replace(/\.gz$/, '');
  const same = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--format=gnu', `--mtime=@${epochS}`];
  run('tar', [...same, `--transform=s,^\\.,hawser-${version},`, '-cf', plain, '-C', tree, '.']);
  run('gzip', ['-9nf', plain]);
}

function tell(file) {
  console.log(`${file} (${(statSync(file).size / 1e6).toFixed(1)} MB)`);
}

async function main() {
  if (!values.built) build();
  const out = path.resolve(values.out);
  mkdirSync(out, { recursive: true });
  const scratch = mkdtempSync(path.join(out, '.new-'));
  try {
    const node = realpathSync(values.node);
    const processor = processorOf(node);
    const epochS = sourceEpochS();
    const tree = path.join(scratch, 'tree');
    const version = makeTree({ tree, node, processor: processor.node, version: values['set-version'], scratch });
    const addons = filesBelow(tree).filter((file) => file.endsWith('.node'));
    const depends = dependsOf([node, ...addons.map((file) => path.join(tree, file))]);
    setTimes(tree, epochS);
    if (values.archive) {
      const archive = path.join(out, `hawser-${version}-linux-${processor.node}.tar.gz`);
      makeArchive(tree, version, archive, epochS);
      tell(archive);
    }
    if (spawnSync('dpkg-deb', ['--version']).error) {
      console.log('No .deb was made: dpkg-deb is missing (apt-get install dpkg)');
      return;
    }
    const deb = path.join(out, `hawser_${debVersion(version)}_${processor.deb}.deb`);
    const program = await readCommands();
    const stage = path.join(scratch, 'stage');
    makeDeb({
      stage,
      deb,
      tree,
      node,
      program,
      version,
      processor: processor.deb,
      depends,
      epochS,
      compression: values.compression,
    });
    tell(deb);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  console.error(`Cannot make the packages: ${error.message}`);
  process.exitCode = 1;
}
