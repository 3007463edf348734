/** The commands that need no daemon, as a person runs them: the compiled program in a process of its own. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { parseConfig } from '../../src/config/parse.ts';
import { transport } from '../../src/contract/link-tables.ts';

/** Each command is a process of its own, and a busy machine takes seconds for one. */
t.setTimeout(180_000);

const program = path.resolve(import.meta.dirname, '../../src/cli/main.js');

function hawser(args: readonly string[], input = ''): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', input });
}

const secret = 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=';
const publicKey = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
const keyForm = /^[A-Za-z0-9+/]{43}=\n$/;

t.test('hawser shows help and version, and exits 64 when it is used wrongly', async (t) => {
  const help = hawser(['--help']);
  t.equal(help.status, 0);
  for (const word of ['keygen', 'init', 'import', 'check', 'schema', 'Exit codes']) t.match(help.stdout, word);
  t.match(hawser(['--version']), { status: 0, stdout: /^\d+\.\d+\.\d+\n$/ });
  t.match(hawser(['check', '--help']), { status: 0, stdout: /Examples:/ });
  for (const args of [[], ['chekc'], ['check'], ['keygen', '--colour'], ['init', '--role', 'boss']]) {
    t.equal(hawser(args).status, 64, args.join(' '));
  }
  t.match(hawser(['chekc']).stderr, /unknown command 'chekc'/);
});

t.test('keygen makes a key and shows the public key of one', async (t) => {
  const made = hawser(['keygen']);
  t.match(made.stdout, keyForm);
  const fromStdin = hawser(['keygen', '--public', '-'], made.stdout);
  t.match(fromStdin, { status: 0, stdout: keyForm });
  t.not(fromStdin.stdout, made.stdout);
  const file = path.join(t.testdir(), 'home.key');
  writeFileSync(file, made.stdout, { mode: 0o600 });
  t.equal(hawser(['keygen', '--public', file]).stdout, fromStdin.stdout);
  t.match(hawser(['keygen', '--public', '-'], 'no key'), { status: 1, stderr: /not one base64 key/ });
  t.match(hawser(['keygen', '--public', file, '--out', 'x']), { status: 64 });
});

t.test('keygen refuses a key file that others can read, with the chmod that mends it', async (t) => {
  const file = path.join(t.testdir({ 'home.key': secret }), 'home.key');
  chmodSync(file, 0o644);
  const refused = hawser(['keygen', '--public', file]);
  t.match(refused, { status: 1, stdout: '', stderr: `has mode 0644: others can read it (chmod 600 '${file}')` });
  chmodSync(file, 0o600);
  t.equal(hawser(['keygen', '--public', file]).status, 0);
});

t.test('keygen --out writes mode 0600 and never overwrites unasked', async (t) => {
  const file = path.join(t.testdir(), 'deep/home.key');
  t.match(hawser(['keygen', '--out', file]), { status: 0, stdout: keyForm });
  t.equal(statSync(file).mode & 0o777, 0o600);
  const before = readFileSync(file, 'utf8');
  t.match(hawser(['keygen', '--out', file]), { status: 1, stderr: /Will not overwrite .*--force/ });
  t.equal(readFileSync(file, 'utf8'), before);
  t.equal(hawser(['keygen', '--out', file, '--force']).status, 0);
  t.not(readFileSync(file, 'utf8'), before);
});

t.test('init on both sides, each following what the other printed, makes two sides that fit', async (t) => {
  const folder = t.testdir();
  const server = hawser(['init', '--role', 'server', '--endpoint', 'hub.example.net:51820', '--out', folder]);
  t.equal(server.status, 0, server.stderr);
  const command = /^ {2}hawser (init --role client .*)$/m.exec(server.stdout)?.[1] ?? '';
  const client = hawser([...command.split(' '), '--out', folder]);
  t.equal(client.status, 0, client.stderr);
  const entry = client.stdout.split('\n').filter((line) => /^ {2}/.test(line));
  const serverFile = path.join(folder, 'hub.yaml');
  writeFileSync(serverFile, readFileSync(serverFile, 'utf8').replace('peers: []', `peers:\n${entry.join('\n')}`));
  for (const name of ['hub', 'home']) {
    const checked = hawser(['check', path.join(folder, `${name}.yaml`)]);
    t.match(checked, { status: 0, stdout: /no problems \(instance h\w+, 1 peer\)/ }, checked.stderr);
    t.equal(statSync(path.join(folder, `${name}.key`)).mode & 0o777, 0o600);
  }
  const read = (name: string) => {
    const text = readFileSync(path.join(folder, `${name}.yaml`), 'utf8');
    return parseConfig(text, path.join(folder, `${name}.yaml`)).config;
  };
  const publicKeyOf = (name: string) => hawser(['keygen', '--public', path.join(folder, `${name}.key`)]).stdout.trim();
  t.match(read('hub'), {
    tunnel: { addresses: [{ address: '10.9.0.1', prefix: 24 }] },
    listen: { udp: 51_820 },
    peers: [{ name: 'home', publicKey: publicKeyOf('home'), allowedIPs: [{ address: '10.9.0.2', prefix: 32 }] }],
  });
  t.match(read('home'), {
    tunnel: { addresses: [{ address: '10.9.0.2', prefix: 24 }] },
    peers: [
      {
        name: 'hub',
        publicKey: publicKeyOf('hub'),
        allowedIPs: [{ address: '10.9.0.0', prefix: 24 }],
        endpoints: [{ host: 'hub.example.net', port: 51_820 }],
        keepaliveMs: 25_000,
      },
    ],
  });
});

t.test('init --transports on both sides writes ports, endpoints and their order', async (t) => {
  const folder = t.testdir();
  const asked = ['--endpoint', 'hub.example.net:51820', '--transports', 'tls,udp,faketcp'];
  const server = hawser(['init', '--role', 'server', ...asked, '--out', folder]);
  t.equal(server.status, 0, server.stderr);
  t.match(server.stdout, /^let in: UDP 51820, TCP 51820 \(.*\), TCP 443 \(.*\)$/m);
  const command = /^ {2}hawser (init --role client .*)$/m.exec(server.stdout)?.[1] ?? '';
  const client = hawser([...command.split(' '), '--out', folder]);
  t.equal(client.status, 0, client.stderr);
  const read = (name: string) => {
    const file = path.join(folder, `${name}.yaml`);
    return parseConfig(readFileSync(file, 'utf8'), file).config;
  };
  const transports = { order: ['tls', 'udp', 'faketcp'] };
  t.match(read('hub'), { listen: { udp: 51_820, faketcp: 51_820, tls: 443 }, transports });
  const host = 'hub.example.net';
  const endpoints = [
    { transport: 'tls', host, port: 443 },
    { host, port: 51_820 },
    { transport: 'faketcp', host, port: 51_820 },
  ];
  t.match(read('home'), { transports, peers: [{ endpoints }] });
  for (const name of ['hub', 'home']) t.equal(hawser(['check', path.join(folder, `${name}.yaml`)]).status, 0);
});

t.test('init --transports takes endpoints that name theirs, and refuses nonsense with the remedy', async (t) => {
  const folder = t.testdir();
  const init = (...args: readonly string[]) => hawser(['init', ...args, '--out', folder]);
  const client = (...args: readonly string[]) => init('--role', 'client', '--peer-key', publicKey, ...args);
  const [udp, tls] = ['192.0.2.1:51820', 'tls://hub.example.net:8443'];
  t.match(client('--transports', 'udp tls', '--endpoint', udp, tls), { status: 0 });
  const written = parseConfig(readFileSync(path.join(folder, 'home.yaml'), 'utf8'), 'home.yaml').config;
  t.match(written?.peers[0]?.endpoints, [{ host: '192.0.2.1' }, { transport: 'tls', port: 8443 }]);
  for (const [args, why] of [
    [['--transports', 'udp,quic', '--endpoint', udp], /--transports names "quic" \(some of udp, faketcp, tls, /],
    [['--transports', 'test', '--endpoint', udp], /--transports names "test" /],
    [['--transports', 'tls,tls', '--endpoint', udp], /--transports names tls twice/],
    [['--transports', ',', '--endpoint', udp], /--transports names none/],
    [
      ['--transports', 'udp', '--endpoint', udp, tls],
      /names tls, which --transports does not \(--transports udp,tls\)/,
    ],
    [['--transports', 'udp,faketcp,tls', '--endpoint', tls], /No --endpoint leads there by udp \(HOST:PORT /],
    [['--transports', 'udp', '--endpoint', 'nowhere'], /These options make no configuration:[\s\S]*"nowhere"/],
  ] as const)
    t.match(client(...args, '--force'), { status: 64, stderr: why }, args.join(' '));
  for (const [listen, why] of [
    ['0', /--listen 0 leaves FakeTCP without a port/],
    ['443', /--listen 443 is the TCP port of TLS, too \(another port/],
  ] as const)
    t.match(init('--role', 'server', '--listen', listen, '--transports', 'faketcp,tls'), { status: 64, stderr: why });
  t.notOk(existsSync(path.join(folder, 'hub.yaml')));
});

t.test('init overwrites nothing unasked and names what is missing', async (t) => {
  const folder = t.testdir({ 'hub.key': 'precious' });
  const refused = hawser(['init', '--role', 'server', '--out', folder]);
  t.match(refused, { status: 1, stderr: /Will not overwrite .*hub\.key/ });
  t.equal(readFileSync(path.join(folder, 'hub.key'), 'utf8'), 'precious');
  t.notOk(existsSync(path.join(folder, 'hub.yaml')), 'nothing is written halfway');
  t.match(hawser(['init', '--role', 'client', '--out', folder]), { status: 64, stderr: /A client needs --peer-key/ });
  const wrong = hawser(['init', '--role', 'server', '--address', '10.9.0.1/40', '--interface', 'a b', '--out', folder]);
  t.match(wrong, { status: 64, stderr: /"10\.9\.0\.1\/40" is not an address/ });
  t.match(wrong.stderr, /tunnel\.interface/);
  t.match(hawser(['init', '--role', 'server', '--listen', '70000', '--out', folder]), {
    status: 64,
    stderr: /--listen is "70000"/,
  });
});

const wgQuick = `[Interface]\nPrivateKey = ${secret}\nAddress = 10.0.0.2/24\nTable = off\n[Peer]\nPublicKey = ${publicKey}\nPresharedKey = ${secret}\nAllowedIPs = 0.0.0.0/0\n`;

t.test('import writes a configuration that passes check, all its files of mode 0600', async (t) => {
  const folder = t.testdir({ 'wg0.conf': wgQuick, 'bad.conf': '[Interface]\nPrivateKey = no\n' });
  const imported = hawser(['import', path.join(folder, 'wg0.conf'), '--name', 'office', '--out', folder]);
  t.match(imported, { status: 0, stdout: /^wrote .*office\.yaml \(mode 0600\)/ }, imported.stderr);
  for (const file of ['office.key', 'office-peer1.psk'])
    t.equal(readFileSync(path.join(folder, file), 'utf8'), `${secret}\n`);
  for (const file of ['office.yaml', 'office.key', 'office-peer1.psk'])
    t.equal(statSync(path.join(folder, file)).mode & 0o777, 0o600);
  t.match(readFileSync(path.join(folder, 'office.yaml'), 'utf8'), /table: off/);
  t.equal(hawser(['check', path.join(folder, 'office.yaml')]).status, 0);
  const bad = hawser(['import', path.join(folder, 'bad.conf'), '--out', folder]);
  t.match(bad, { status: 78, stderr: /bad\.conf:2:1: PrivateKey: is not a key/ });
  t.notOk(existsSync(path.join(folder, 'bad.yaml')));
});

t.test('import makes a name of a file that has none, and takes UTF-16', async (t) => {
  const folder = t.testdir({ 'My Laptop (Berlin).conf': wgQuick });
  writeFileSync(path.join(folder, 'HOME.CONF'), Buffer.from(`\ufeff${wgQuick.replaceAll('\n', '\r\n')}`, 'utf16le'));
  const laptop = hawser(['import', path.join(folder, 'My Laptop (Berlin).conf'), '--out', folder]);
  t.match(laptop, { status: 0, stdout: /The instance is called My-Laptop-Berlin, .*--name/ }, laptop.stderr);
  t.match(laptop.stdout, /interface is called My-Laptop-[0-9a-f]{4}:/);
  const home = hawser(['import', path.join(folder, 'HOME.CONF'), '--out', folder]);
  t.match(home, { status: 0, stdout: /HOME\.yaml/ }, home.stderr);
  for (const name of ['My-Laptop-Berlin', 'HOME'])
    t.equal(hawser(['check', path.join(folder, `${name}.yaml`)]).status, 0);
  const wrong = hawser(['import', path.join(folder, 'HOME.CONF'), '--name', 'a b', '--out', folder]);
  t.match(wrong, { status: 64, stderr: /^hawser: --name is "a b", which is not a name of 1 to 32 letters.*\n$/ });
});

t.test('import refuses what it cannot say, with the line, and does without a line when told to', async (t) => {
  const folder = t.testdir({ 'wg0.conf': wgQuick.replace('Table = off', 'PostUp = iptables -P FORWARD DROP') });
  const file = path.join(folder, 'wg0.conf');
  const refused = hawser(['import', file, '--out', folder]);
  t.match(refused, { status: 78, stderr: /wg0\.conf:4:1: PostUp: runs a command .*--leave-out 4\n$/ });
  t.notOk(existsSync(path.join(folder, 'wg0.yaml')));
  t.match(hawser(['import', file, '--out', folder, '--leave-out', '4']), {
    status: 0,
    stdout: /Line 4, PostUp, is left out, as asked/,
  });
  t.match(hawser(['import', file, '--out', folder, '--leave-out', 'x']), { status: 64 });
});

t.test('check names a key in the place of its file, and does not show it', async (t) => {
  const text = `identity: { privateKeyFile: "${secret}" }\ntunnel: { addresses: [10.9.0.1/24] }\n`;
  const file = path.join(t.testdir({ 'a.yaml': text }), 'a.yaml');
  const { status, stderr, stdout } = hawser(['check', file]);
  t.match({ status, stderr }, { status: 78, stderr: /privateKeyFile: .* is not a file path \(the key itself/ });
  t.notOk(`${stderr}${stdout}`.includes(secret.slice(4, 12)));
});

t.test('check warns of what is seldom meant, and exits 0', async (t) => {
  const folder = t.testdir();
  const key = hawser(['keygen', '--out', path.join(folder, 'home.key')]);
  t.equal(key.status, 0, key.stderr);
  const file = path.join(folder, 'home.yaml');
  writeFileSync(
    file,
    'identity: { privateKeyFile: home.key }\ntunnel: { mtu: 1420, addresses: [10.9.0.1/24] }\nbonding: { fec: auto }\n',
  );
  t.match(hawser(['check', file]), {
    status: 0,
    stdout: /home\.yaml: warning: tunnel\.mtu: 1420 leaves no room .*1380/,
  });
  t.match(JSON.parse(hawser(['check', file, '--json']).stdout), { problems: [], warnings: [{ path: 'tunnel.mtu' }] });
});

/** That of the tests is not for people. */
const transports = Object.keys(transport).filter((name) => name !== 'test');

t.test('check exits 78 with all problems, in words and as JSON', async (t) => {
  const folder = t.testdir({ 'home.yaml': 'name: home\ntunnel: { mtu: 1, addresses: [10.9.0.1/24] }\nlisten: 5\n' });
  const file = path.join(folder, 'home.yaml');
  const words = hawser(['check', file]);
  t.equal(words.status, 78);
  t.strictSame(words.stderr.trimEnd().split('\n'), [
    `${file}:1:1: identity: is missing (allowed: privateKeyFile)`,
    `${file}:2:16: tunnel.mtu: 1 is out of range (allowed: auto, 576..65456)`,
    `${file}:3:9: listen: 5 is not a map of keys (allowed: ${transports.join(', ')})`,
  ]);
  const json = hawser(['check', file, '--json']);
  t.equal(json.status, 78);
  t.match(JSON.parse(json.stdout), {
    file,
    problems: [
      { line: 1, column: 1, path: 'identity', message: 'is missing', allowed: ['privateKeyFile'] },
      { line: 2, column: 16, path: 'tunnel.mtu' },
      { line: 3, column: 9, path: 'listen' },
    ],
  });
  t.match(hawser(['check', path.join(folder, 'none.yaml')]), { status: 78, stderr: /Cannot read the file/ });
});

t.test('check looks into the key files as well', async (t) => {
  const own = hawser(['keygen', '--public', '-'], secret).stdout.trim();
  const folder = t.testdir({
    'a.key': `${secret}\n`,
    'a.yaml': `identity: { privateKeyFile: a.key }
tunnel: { addresses: [10.9.0.1/24] }
peers:
  - { name: self, publicKey: "${own}", presharedKeyFile: none.psk }
`,
  });
  chmodSync(path.join(folder, 'a.key'), 0o604);
  const file = path.join(folder, 'a.yaml');
  const { status, stderr } = hawser(['check', file]);
  t.equal(status, 78);
  t.match(stderr, `${file}:1:29: identity.privateKeyFile: Key file ${folder}/a.key has mode 0604`);
  t.match(stderr, /a\.yaml:4:\d+: peers\[0\]\.presharedKeyFile: Cannot read key file .*ENOENT/);
  chmodSync(path.join(folder, 'a.key'), 0o600);
  t.match(hawser(['check', file]).stderr, /peers\[0\]\.publicKey: is this host's own public key/);
});

t.test('schema prints the JSON Schema', async (t) => {
  const { status, stdout } = hawser(['schema']);
  t.equal(status, 0);
  t.match(JSON.parse(stdout), {
    $schema: /2020-12/,
    properties: { tunnel: { properties: { mtu: { default: 'auto', description: /1420/ } } } },
  });
});

t.test('too few files that may be open: one sentence with the limit and the remedy, whatever is asked', async (t) => {
  for (const limit of [20, 50, 100]) {
    for (const command of ['up', 'check', '--version']) {
      // tap loads modules of its own into every child.
      const line = `unset NODE_OPTIONS; ulimit -n ${limit}; exec "${process.execPath}" "${program}" ${command} x.yaml`;
      const { status, stderr } = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
      t.equal(status, 1);
      t.equal(
        stderr,
        `hawser: Only ${limit} files may be open at once here, and it takes 192 (ulimit -n 1024 where it is started, or LimitNOFILE=1024 in its unit)\n`,
      );
    }
  }
});
