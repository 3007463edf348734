/** What `npm run package` makes, unpacked: where files lie, that it is the same bytes each time, and that manual and completion say what the CLI says. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { buildProgram } from '../../src/cli/program.ts';

t.setTimeout(0);
const root = path.resolve(import.meta.dirname, '../../..');
const folder = mkdtempSync(path.join(tmpdir(), 'hw-deb-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

/** Any program in place of Node: 100 MB less to pack. */
const standIn = '/usr/bin/env';

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env, cwd: root });
  return { status, text: `${stdout}${stderr}` };
}

function isThere(command: string): boolean {
  return run('sh', ['-c', `command -v ${command}`]).status === 0;
}

function makePackage(out: string, ...more: readonly string[]) {
  const args = ['--built', '--compression', 'none', '--no-archive', '--node', standIn, '--out', path.join(folder, out)];
  return run(process.execPath, ['tools/package.mjs', ...args, ...more], {
    ...process.env,
    SOURCE_DATE_EPOCH: '1700000000',
  });
}

const lacks = ['npm', 'tar', 'dpkg-deb', 'readelf', 'strip'].filter((command) => !isThere(command));
const skip = lacks.length === 0 ? false : `${lacks.join(', ')} missing (apt-get install dpkg binutils)`;
const unpacked = path.join(folder, 'x');
const inside = (file: string): string => path.join(unpacked, file);

t.test('the package has what it says, and is the same bytes each time', { skip }, async (t) => {
  t.match(run(process.execPath, ['tools/prebuild.mjs', '--own']), { status: 0 });
  t.match(makePackage('one'), { status: 0 });
  t.match(makePackage('two'), { status: 0 });
  const [name = ''] = readdirSync(path.join(folder, 'one')).filter((file) => file.endsWith('.deb'));
  const [one, two] = ['one', 'two'].map((out) => readFileSync(path.join(folder, out, name)));
  t.ok(one !== undefined && two !== undefined && one.equals(two), 'byte for byte');

  t.match(run('dpkg-deb', ['-R', path.join(folder, 'one', name), unpacked]), { status: 0 });
  t.match(readFileSync(inside('DEBIAN/control'), 'utf8'), /^Depends: .*libc6 \(>= 2\.\d+\).*libstdc\+\+6/m);
  t.equal(statSync(inside('etc/hawser')).mode & 0o777, 0o700);
  for (const name of ['chat.mjs', 'timetable.mjs', 'plugins.conf'])
    t.equal(statSync(inside(`usr/share/doc/hawser/plugins/${name}`)).mode & 0o777, 0o644, name);
  t.match(readFileSync(inside('usr/lib/systemd/system/hawser@.service'), 'utf8'), /^ExecStart=\/usr\/bin\/hawser up /m);
  t.notOk(existsSync(inside('usr/lib/hawser/package/node_modules/typescript')), 'no tools of development');
  for (const script of ['postinst', 'prerm', 'postrm'])
    t.match(run('sh', ['-n', inside(`DEBIAN/${script}`)]), { status: 0 });
});

t.test('the program starts from the tree alone, by the link that postinst makes', { skip }, async (t) => {
  const base = inside('usr/lib/hawser');
  cpSync(path.join(base, 'package'), path.join(base, '9.9.9'), { recursive: true });
  symlinkSync('9.9.9', path.join(base, 'current'));
  rmSync(path.join(base, '9.9.9/bin/node'));
  symlinkSync(process.execPath, path.join(base, '9.9.9/bin/node'));
  const hawser = (...args: string[]) => run(inside('usr/bin/hawser'), args, { PATH: process.env.PATH ?? '' });
  t.match(hawser('-v'), { status: 0, text: /^\d+\.\d+\.\d+\n$/ });
  t.match(hawser('doctor').text, /^ok +node/m, 'the addon is loaded');
  t.match(hawser('schema'), { status: 0, text: /Hawser configuration/ });
});

t.test('lintian finds no error', { skip: skip || (isThere('lintian') ? false : 'no lintian') }, async (t) => {
  const [name = ''] = readdirSync(path.join(folder, 'one')).filter((file) => file.endsWith('.deb'));
  // Compressed it would take longer to make; that one is.
  const ours = ['control', 'data'].map((part) => `uses-no-compression-for-${part}-tarball`).join();
  const args = ['--fail-on', 'error', '--tag-display-limit', '0', '--suppress-tags', ours];
  const { status, text } = run('lintian', [...args, path.join(folder, 'one', name)]);
  t.equal(status, 0, text);
});

t.test('manual and completion know every command and option, and no other', { skip }, async (t) => {
  const program = await buildProgram('');
  const pages = readdirSync(inside('usr/share/man/man8')).sort();
  const expected = ['hawser.8.gz', ...program.commands.map((command) => `hawser-${command.name()}.8.gz`)].sort();
  t.strictSame(pages, expected);
  for (const command of program.commands) {
    const page = gunzipSync(readFileSync(inside(`usr/share/man/man8/hawser-${command.name()}.8.gz`))).toString();
    const missing = command.options.filter(({ flags }) => !page.includes(flags.replaceAll('-', '\\-')));
    t.strictSame(
      missing.map(({ flags }) => flags),
      [],
      command.name(),
    );
  }
  if (!isThere('mandoc')) return;
  for (const page of pages) {
    const text = gunzipSync(readFileSync(inside(`usr/share/man/man8/${page}`)));
    const lint = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning'], { input: text, encoding: 'utf8' });
    t.equal(`${lint.stdout}${lint.stderr}`, '', page);
  }
});

/** What bash offers for each line, which ends where the cursor is: one shell for all, for each one more waits for a processor among other tests. */
function complete(lines: readonly string[]): string[][] {
  const asks = lines.map((line) => {
    const words = line.split(' ');
    return `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; COMPREPLY=()
$offer; printf '%s\\n' "\${COMPREPLY[@]}" =`;
  });
  const script = `. ${inside('usr/share/bash-completion/completions/hawser')}
offer=$(complete -p hawser | sed 's/.*-F //; s/ .*//')
${asks.join('\n')}`;
  const answers = run('bash', ['-c', script]).text.split('=\n');
  return lines.map((_, index) => (answers[index] ?? '').split('\n').filter(Boolean));
}

t.test(
  'bash completes commands, options, their values and arguments',
  { skip: skip || (isThere('bash') ? false : 'no bash') },
  async (t) => {
    const program = await buildProgram('');
    const names = program.commands.map((command) => command.name());
    const [starts, choices, behindValue, files, none, ...options] = complete([
      'hawser s',
      'hawser client re',
      'hawser client --name hub re',
      'hawser check pack',
      'hawser status ',
      ...names.map((name) => `hawser ${name} --`),
    ]);
    t.strictSame(starts?.sort(), names.filter((name) => name.startsWith('s')).sort());
    for (const [index, command] of program.commands.entries()) {
      const longs = command.options.map(({ long }) => long ?? '');
      t.strictSame(options[index]?.sort(), [...longs, '--help'].sort(), command.name());
    }
    t.strictSame(choices, ['remove', 'rename'], 'the choices of an argument');
    t.strictSame(behindValue, ['remove', 'rename'], 'a value is no argument');
    t.strictSame(files?.sort(), ['package-lock.json', 'package.json', 'packaging'], 'files');
    t.strictSame(none, [], 'no arguments');
  },
);

t.test('zsh takes its completion', { skip: skip || (isThere('zsh') ? false : 'no zsh') }, async (t) => {
  t.match(run('zsh', ['-n', inside('usr/share/zsh/vendor-completions/_hawser')]), { status: 0, text: '' });
});

t.test(
  'sweep removes versions that nobody runs, and no other',
  { skip: isThere('sh') ? false : 'no sh' },
  async (t) => {
    const base = path.join(folder, 'versions');
    for (const name of ['1', '2', '3', '4', 'package']) {
      mkdirSync(path.join(base, name, 'bin'), { recursive: true });
      writeFileSync(path.join(base, name, 'build-id'), name);
      copyFileSync(process.execPath, path.join(base, name, 'bin/node'));
      chmodSync(path.join(base, name, 'bin/node'), 0o755);
    }
    mkdirSync(path.join(base, 'of-others'));
    symlinkSync('3', path.join(base, 'previous'));
    symlinkSync('4', path.join(base, 'current'));
    const user = spawnSync(
      'sh',
      ['-c', `${base}/1/bin/node -e 'setTimeout(() => {}, 60000)' & sh ${root}/packaging/sweep ${base}; kill $!`],
      {
        encoding: 'utf8',
      },
    );
    t.equal(user.stdout, `removed ${base}/2\n`);
    t.strictSame(readdirSync(base).sort(), ['1', '3', '4', 'current', 'of-others', 'package', 'previous']);
    t.equal(spawnSync('sh', [`${root}/packaging/sweep`, base], { encoding: 'utf8' }).stdout, `removed ${base}/1\n`);
  },
);
