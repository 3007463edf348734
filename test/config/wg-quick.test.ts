import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import type { Config } from '../../src/config/config.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { formatProblem } from '../../src/config/problems.ts';
import { hideKeys, mayHoldKey, showValue } from '../../src/config/show.ts';
import { importWgQuick, type WgQuickImport } from '../../src/config/wg-quick.ts';
import { meaningsOf, onlyUndoes } from '../../src/config/wg-quick-commands.ts';
import { instanceNameOf, interfaceNameOf } from '../../src/config/wg-quick-names.ts';

const secret = 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=';
const otherSecret = 'OFd2+9XPnYTAOsLJFvKvlpdVoTPyhEhaBUmOMGWGYVQ=';
const keyA = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
const keyB = 'TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=';

function imported(text: string, name = 'edge', leaveOut: readonly number[] = []): WgQuickImport {
  return importWgQuick(text, { name, interfaceName: name, leaveOut: new Set(leaveOut) });
}

/** The configuration that an import makes; throws when it makes none. */
function configOf(result: WgQuickImport): Config {
  if (result.problems.length > 0) throw new Error(JSON.stringify(result.problems));
  const { config, problems } = parseConfig(result.yaml, '/etc/hawser/edge.yaml');
  if (config === undefined) throw new Error(JSON.stringify(problems));
  return config;
}

/** `line path message` */
function told(result: WgQuickImport): string[] {
  return result.problems.map(({ line, path, message }) => `${line} ${path} ${message}`);
}

const wgQuick = `\ufeff
[Interface]\r
PrivateKey = ${secret}
Address = 10.0.0.2/24, fd00::2/64
Address = 10.1.0.2
ListenPort = 51820
FwMark = 0xca6c
DNS = 1.1.1.1, corp.example
DNS = fd00::53
SaveConfig = true
postdown = iptables -D FORWARD -i %i -j ACCEPT; iptables -t nat -D POSTROUTING -o eth0 -j MASQUERADE

# the hub
[Peer]
publickey=${keyA}
PresharedKey = ${otherSecret}
AllowedIPs = 0.0.0.0/0, ::/0   # everything
Endpoint = [2001:db8::1]:51820
PersistentKeepalive = 25

[Peer]
# Name = phone
PublicKey = ${keyB}
AllowedIPs = 10.0.0.7/32, 0.0.0.0/0
PersistentKeepalive = off
`;

t.test('importWgQuick() makes a configuration that means the same', async (t) => {
  const config = configOf(imported(wgQuick));
  t.match(config, {
    name: 'edge',
    identity: { privateKeyFile: '/etc/hawser/edge.key' },
    tunnel: {
      interface: 'edge',
      mtu: 1420,
      dns: { servers: ['1.1.1.1', 'fd00::53'], search: ['corp.example'], names: 'all' },
    },
    listen: { udp: 51_820 },
    routing: { fwmark: 0xca6c, table: 'auto' },
  });
  t.strictSame(
    config.tunnel.addresses.map(({ address, prefix }) => `${address}/${prefix}`),
    ['10.0.0.2/24', 'fd00::2/64', '10.1.0.2/32'],
  );
  const prefixes = config.peers.map((peer) => peer.allowedIPs.map(({ address, prefix }) => `${address}/${prefix}`));
  t.strictSame(prefixes, [['::/0'], ['10.0.0.7/32', '0.0.0.0/0']], 'the last peer keeps a prefix that two have');
  t.match(config.peers, [
    {
      name: 'the-hub',
      publicKey: keyA,
      presharedKeyFile: '/etc/hawser/edge-the-hub.psk',
      endpoints: [{ host: '2001:db8::1', port: 51_820 }],
      keepaliveMs: 25_000,
    },
    { name: 'phone', publicKey: keyB, presharedKeyFile: undefined, endpoints: [], keepaliveMs: 0 },
  ]);
});

t.test("importWgQuick() takes AmneziaWG's keys over, and refuses what would be another protocol", async (t) => {
  const long = 'ab'.repeat(200);
  const worn = `Jc = 4\nJmin = 40\nJmax = 70\nS1 = 15\nS2 = 33\nH1 = 100-200\nH2 = 5\nI1 = <b 0x${long}><r 16>\nI2 =\n`;
  const withKeys = (lines: string) => wgQuick.replace('SaveConfig', `${lines}SaveConfig`);
  const config = configOf(imported(withKeys(worn)));
  t.match(config.obfuscation, { jc: 4, jmin: 40, jmax: 70, paddings: [15, 33, 0, 0] });
  t.strictSame(config.obfuscation?.headers[0], { first: 100, last: 200 });
  t.equal(config.obfuscation?.signatures[0]?.text, `<b 0x${long}><r 16>`);
  t.strictSame(config.peers[0]?.obfuscation, config.obfuscation);
  t.equal(configOf(imported(withKeys('Jc = 0\nJmin = 0\nJmax = 0\nS1 = 0\n'))).obfuscation, undefined);
  const told = (lines: string) =>
    imported(withKeys(lines))
      .problems.map(({ path, message }) => `${path} ${message}`)
      .join();
  t.match(told('H1 = 5\nH2 = 5\n'), /^H2 5 overlaps h1, 5/);
  t.match(told('S1 = 0\nS2 = 56\n'), /^S2 makes responses as long as initiations/);
  t.match(told('S4 = 600\n'), /^S4 600 is out of range/);
  t.match(told('I1 = <c>\n'), /^I1 is not a chain/);
  t.match(told('HeaderProtectionKey = x\n'), /^HeaderProtectionKey is of AmneziaWG 3 and changes every packet/);
  t.match(
    imported(withKeys('RekeyTimeout = 5-7\n')).notes.join(),
    /RekeyTimeout, is left out: it is each side's own affair/,
  );
});

t.test('importWgQuick() takes the zone of an endpoint over', async (t) => {
  const near = wgQuick.replace('[2001:db8::1]', '[fe80::1%eth0]');
  t.strictSame(configOf(imported(near)).peers[0]?.endpoints, [{ host: 'fe80::1', port: 51_820, zone: 'eth0' }]);
});

t.test('importWgQuick() keeps secrets out of the YAML and says what it leaves out', async (t) => {
  const result = imported(wgQuick);
  t.notOk(result.yaml.includes(secret) || result.yaml.includes(otherSecret));
  t.strictSame(result.keyFiles, [
    { file: 'edge.key', key: secret },
    { file: 'edge-the-hub.psk', key: otherSecret },
  ]);
  t.match(result.notes, [
    /^Line 10, SaveConfig, is left out/,
    /^Line 11, postdown, is left out: it only takes back/,
    /^0\.0\.0\.0\/0 of peer the-hub is left out: a later peer has it too/,
  ]);
  for (const note of result.notes) t.ok(result.yaml.includes(`# ${note}`), 'the note stands in the YAML too');
});

t.test('importWgQuick() names every problem with its line and never the secret', async (t) => {
  const text = `[Interface]
PrivateKey = ${secret.slice(1)}
Address = 10.0.0/24
ListenPort = 70000
Colour = red
[Pear]
[Peer]
AllowedIPs = 10.0.0.1/32
Endpoint = 10.0.0.1
nonsense
`;
  const { problems } = imported(text);
  t.strictSame(
    problems.map(({ line, path }) => `${line} ${path}`),
    ['2 PrivateKey', '3 Address', '4 ListenPort', '5 Colour', '6 ', '7 PublicKey', '9 Endpoint', '10 nonsense'],
  );
  t.notOk(JSON.stringify(problems).includes(secret.slice(1)));
});

/** A file with those lines below [Interface] and below [Peer]. */
function fileWith(inInterface: string, inPeer = '', peer = ''): string {
  return `[Interface]\n${inInterface}\n[Peer]\n${inPeer}PublicKey = ${keyA}\nAllowedIPs = 0.0.0.0/0\n${peer}`;
}
const ordinary = `PrivateKey = ${secret}\nAddress = 10.66.1.2/30`;

t.test('importWgQuick() takes Table over, or refuses it with its line', async (t) => {
  const tableOf = (text: string) => configOf(imported(fileWith(`${ordinary}\nTable = ${text}`))).routing.table;
  t.strictSame(['off', 'OFF', 'auto', '200', '0xc8', 'main', '254'].map(tableOf), [
    'off',
    'off',
    'auto',
    200,
    200,
    'main',
    'main',
  ]);
  for (const text of ['vpn', '0', '-1', '4294967296', secret]) {
    const [problem = '', ...more] = told(imported(fileWith(`${ordinary}\nTable = ${text}`)));
    t.match(problem, /^4 Table /, text);
    t.strictSame(more, []);
  }
});

t.test('importWgQuick() reads what PostUp sets by wg, ip and resolvectl', async (t) => {
  const lines = [
    `PostUp = wg set %i private-key "/etc/wireguard/%i.key" && ip address add 10.66.2.7/24 dev %i`,
    `PostUp = /usr/bin/wg set %i fwmark 0x77 listen-port 5000 peer ${keyA} preshared-key '/etc/wireguard/a b.psk' persistent-keepalive 9`,
    'PreUp = ip link set mtu 1400 dev %i; ip -6 addr add fd00::7/64 dev %i',
    'PostUp = resolvectl dns %i 10.66.2.1; resolvectl domain %i ~corp.example',
  ];
  const result = imported(fileWith(lines.join('\n')));
  const config = configOf(result);
  t.match(config, {
    identity: { privateKeyFile: '/etc/wireguard/edge.key' },
    tunnel: { mtu: 1400, dns: { servers: ['10.66.2.1'], search: ['corp.example'], names: 'search' } },
    listen: { udp: 5000 },
    routing: { fwmark: 0x77 },
    peers: [{ presharedKeyFile: '/etc/wireguard/a b.psk', keepaliveMs: 9000 }],
  });
  t.strictSame(
    config.tunnel.addresses.map(({ address }) => address),
    ['10.66.2.7', 'fd00::7'],
  );
  t.strictSame(result.keyFiles, []);
  t.match(result.notes.join('\n'), /"\/etc\/wireguard\/edge\.key" is read for the private key; it must have mode 0600/);
  const both = imported(fileWith(`PostUp = wg set %i private-key /k\n${ordinary}`));
  t.equal(configOf(both).identity.privateKeyFile, '/k', 'the command runs after the file is read');
  t.strictSame(both.keyFiles, []);
});

t.test('importWgQuick() refuses commands that it does not know, all lines at once', async (t) => {
  const commands = [
    'iptables -A FORWARD -i %i -j ACCEPT',
    'wg set %i private-key <(pass show wg/%i)',
    'wg set %i private-key $(cat /x)',
    'wg set wg9 private-key /x.key',
    `wg set %i peer ${keyB} remove`,
    'wg setconf %i /etc/other.conf',
    'ip rule add from 10.0.0.1 table 200',
    'ip address add 10.0.0.1/24 peer 10.0.0.2 dev %i',
    'ip link set eth0 down',
    'wg set %i private-key ~/wg.key',
    'echo "unclosed',
    'true || wg set %i fwmark 5',
  ];
  const file = fileWith([ordinary, ...commands.map((command) => `PostUp = ${command}`)].join('\n'));
  const problems = told(imported(file));
  const lines = commands.map((_, index) => index + 4);
  t.equal(problems.length, commands.length, problems.join('\n'));
  for (const [index, problem] of problems.entries())
    t.match(problem, new RegExp(`^${lines[index]} PostUp .*ExecStartPost= .*--leave-out ${lines.join(',')}$`));
  const without = imported(file, 'edge', lines);
  t.match(configOf(without), { name: 'edge' });
  t.match(
    without.notes,
    lines.map((line) => `Line ${line}, PostUp, is left out, as asked.`),
  );
  t.match(told(imported(fileWith(`${ordinary}\nPostDown = iptables -A OUTPUT -j DROP`))), [
    /^4 PostDown .*ExecStopPost=/,
  ]);
  t.match(told(imported(fileWith(`${ordinary}\nPostUp = wg set %i private-key wg.key`))), [
    /^4 PrivateKeyFile names no file/,
  ]);
  t.match(told(imported(fileWith(`${ordinary}\nPostUp = wg set %i peer ${keyB} preshared-key /p`))), [
    /no \[Peer\] section/,
  ]);
});

t.test('meaningsOf() and onlyUndoes() read a line as a shell splits it', async (t) => {
  t.strictSame(meaningsOf(`wg  set 'w g' private-key "/a\\"b"/c\\ d`, 'w g'), [
    { of: 'interface', key: 'PrivateKeyFile', value: '/a"b/c d' },
  ]);
  t.strictSame(meaningsOf('ip link set up dev wg0;', 'wg0'), []);
  t.equal(meaningsOf('wg set wg0 private-key', 'wg0'), undefined);
  t.ok(onlyUndoes('nft delete table ip x; ip rule del pref 5'));
  t.notOk(onlyUndoes('iptables -D INPUT 1 && reboot'));
});

t.test('importWgQuick() names peers by remarks, never by one that holds a secret', async (t) => {
  const nameBy = (above: string, below = '') =>
    configOf(imported(`[Interface]\n${ordinary}\n${above}\n[Peer]\n${below}\nPublicKey = ${keyA}\n`)).peers[0]?.name;
  t.equal(nameBy('# friendly_name = Büro 2'), 'Buro-2');
  t.equal(nameBy('', '# phone'), 'phone');
  const remarks = [
    `#PresharedKey = ${otherSecret}`,
    `# PrivateKey = short`,
    `# PrivateKey ${otherSecret}`,
    `# ${otherSecret.replaceAll('+', '-').replaceAll('/', '_').slice(0, 43)}`,
    `# ${Buffer.from(otherSecret, 'base64').toString('hex')}`,
    `# Name = ${otherSecret}`,
    `# begins with ${secret.slice(0, 12)}`,
    '# Endpoint = 192.0.2.1:5',
    '# a = b',
  ];
  for (const remark of remarks) {
    t.equal(nameBy(remark), 'peer1', remark);
    t.equal(nameBy('', remark), 'peer1', remark);
  }
});

t.test('instanceNameOf() and interfaceNameOf() make names that can be used', async (t) => {
  const names = [
    'My Laptop (Berlin).conf',
    'wg.office.conf',
    'HOME.CONF',
    'é.conf',
    `${'long-'.repeat(8)}.conf`,
    '--.conf',
  ];
  t.strictSame(names.map(instanceNameOf), [
    'My-Laptop-Berlin',
    'wg-office',
    'HOME',
    'e',
    'long-long-long-long-long-long-lo',
    undefined,
  ]);
  t.equal(instanceNameOf(`${secret.replaceAll('/', '')}.conf`), undefined);
  t.equal(interfaceNameOf('fifteen-letters'), 'fifteen-letters');
  const [first = '', second] = ['office-berlin-north', 'office-berlin-north2'].map(interfaceNameOf);
  t.match(first, /^office-ber-[0-9a-f]{4}$/);
  t.not(first, second);
});

t.test('hideKeys() hides keys in each of their forms, and nothing that people write', async (t) => {
  const key = randomBytes(32);
  for (const form of ['base64', 'base64url', 'hex'] as const) {
    const text = key.toString(form);
    t.ok(mayHoldKey(`x${text}y`), form);
    t.equal(hideKeys(`at "${text}" here`), 'at "(hidden: it may be a key)" here');
    t.notMatch(showValue([`${'.'.repeat(40)}${text}`]), text.slice(0, 8), 'hidden before it is cut');
  }
  const ordinaryTexts = [
    '/etc/hawser/configurations/for/all/the/offices/home.key',
    'a-very-long-name-of-some-host-in-the-cloud-eu-1',
  ];
  for (const text of ordinaryTexts) t.equal(hideKeys(text), text);
});

const yaml = `identity: { privateKeyFile: home.key }
tunnel: { addresses: [10.9.0.2/24], dns: { servers: [10.9.0.1], search: [corp.example] } }
links:
  - name: fibre
    interface: eth0
    health: { targets: [192.0.2.1], interval: 200ms }
  - name: lte
    interface: wwan0
    health:
      need: any
      checks:
        - type: http
          url: "https://example.net/alive"
          headers: { X-Probe: "1" }
          status: [204]
          contains: alive
        - type: dns
          server: 192.0.2.53
          query: example.net
          answer: 192.0.2.1
        - type: tcp
          target: "192.0.2.1:25"
          expect: "^220"
peers:
  - name: hub
    publicKey: "${keyA}"
    presharedKeyFile: hub.psk
    allowedIPs: [10.9.0.0/24]
    endpoints: ["203.0.113.1:51820"]
    keepalive: 25s
routing: { table: auto }
`;

const forms = ['base64', 'base64url', 'hex'] as const;
/** Of a hash, since arrays of bytes would be mostly zeros after shrinking. */
const key = fc.nat().map((seed) => createHash('sha256').update(String(seed)).digest());
const keyText = fc.tuple(key, fc.constantFrom(...forms)).map(([bytes, form]) => bytes.toString(form));
/** What may stand around a key: anything printable, and what the two formats give a meaning. */
const around = fc.oneof(
  fc.string({ maxLength: 80, unit: 'grapheme' }),
  fc.constantFrom(
    '',
    '"',
    "'",
    '#',
    '# ',
    '= ',
    ' = ',
    ': ',
    '- ',
    '[',
    '{',
    '&',
    '*',
    '!',
    '!!',
    '|',
    '>',
    '"\\',
    '"\\U',
    '"\\x',
    '%',
    ', ',
    '/',
    '[Peer]',
    '@',
    '`',
  ),
  fc.constantFrom(
    'PrivateKey = ',
    'PrivateKey: ',
    'PresharedKey ',
    'AllowedIPs = ',
    'Endpoint = ',
    'PersistentKeepalive = ',
    'DNS = ',
    'MTU=',
    'Table = ',
    'PostUp = ',
    'PostUp = wg set %i private-key ',
    '[',
    '# Name = ',
    'Address = 10.0.0.1/',
  ),
  fc.constantFrom(
    'name: ',
    'endpoints: [',
    'allowedIPs: [',
    'privateKeyFile: ',
    '    ',
    '    x: ',
    '  - name: ',
    'runtime: { ',
    'links: ',
    'identity: ',
  ),
);

/** A random file with a key in one of its lines: in place of it, or of its value. */
function withKeyIn(text: string, separator: string) {
  const lines = text.split('\n');
  const line = fc.nat({ max: lines.length - 1 });
  return fc
    .tuple(line, around, keyText, around, fc.constantFrom('line', 'value', 'appended'))
    .map(([at, before, secretText, after, place]) => {
      const old = lines[at] ?? '';
      const end = old.indexOf(separator) + 1;
      const kept = place === 'line' || end === 0 ? (place === 'appended' ? old : '') : old.slice(0, end);
      return { secretText, text: lines.with(at, `${kept}${before}${secretText}${after}`).join('\n'), at };
    });
}

function leaks(secretText: string, output: string): boolean {
  const parts = Array.from({ length: secretText.length - 7 }, (_, at) => secretText.slice(at, at + 8));
  return parts.some((part) => output.includes(part));
}

t.test('no message of an import or a check holds eight characters of a key, wherever it stands', async () => {
  const file = fileWith(
    `PrivateKey = ${secret}\nAddress = 10.66.1.2/30\nDNS = 10.0.0.1\nTable = off\nMTU = 1400`,
    '# hub\n',
    'Endpoint = hub.example.net:5\nPersistentKeepalive = 25\n',
  );
  fc.assert(
    fc.property(
      withKeyIn(file, '='),
      fc.constantFrom('edge', 'a-name-longer-than-15'),
      ({ secretText, text }, name) => {
        const result = imported(text, name);
        const problems = result.problems.map((problem) => formatProblem('edge.conf', problem));
        const parsed = parseConfig(result.yaml, 'edge.yaml').problems.map((problem) =>
          formatProblem('edge.yaml', problem),
        );
        // What may stand there is a public key; the key files are 0600.
        const isPublic = new RegExp(`PublicKey\\s*=.*${secretText.replaceAll(/[+/]/g, '\\$&')}`, 'i').test(text);
        const written = result.problems.length > 0 || isPublic ? '' : result.yaml;
        const files = result.keyFiles.map((one) => one.file);
        return !leaks(
          secretText,
          [...problems, ...parsed, ...result.notes, ...files, written, JSON.stringify(result.problems)].join('\n'),
        );
      },
    ),
    { numRuns: 1500 },
  );
  fc.assert(
    fc.property(withKeyIn(yaml, ':'), ({ secretText, text }) => {
      const { problems } = parseConfig(text, '/etc/hawser/home.yaml');
      return !leaks(
        secretText,
        problems.map((problem) => `${formatProblem('home.yaml', problem)} ${JSON.stringify(problem)}`).join('\n'),
      );
    }),
    { numRuns: 1500 },
  );
});
