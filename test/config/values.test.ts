import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import {
  formatCidr,
  formatEndpoint,
  maskCidr,
  parseCidr,
  parseEndpoint,
  parsePeerEndpoint,
} from '../../src/config/address.ts';
import { formatKey, newPrivateKey, parseKey, publicKeyOf, readKeyFile } from '../../src/config/keys.ts';
import { formatTarget, parseTarget } from '../../src/config/probe-target.ts';
import { fecMtu, longestProtected, mtuOf } from '../../src/config/tunnel-mtu.ts';
import { formatDurationMs, formatSizeBytes, parseDurationMs, parseSizeBytes } from '../../src/config/units.ts';
import { parity } from '../../src/contract/frames.ts';

t.test('parseCidr() reads both families and writes RFC 5952 text', async (t) => {
  // text, canonical text, address in hexadecimal
  const table: [string, string, string][] = [
    ['10.9.0.2/24', '10.9.0.2/24', '0a090002'],
    ['0.0.0.0/0', '0.0.0.0/0', '00000000'],
    ['192.168.1.1', '192.168.1.1/32', 'c0a80101'],
    ['FD00:9::2/64', 'fd00:9::2/64', 'fd000009000000000000000000000002'],
    ['::/0', '::/0', '0'.repeat(32)],
    ['::1', '::1/128', `${'0'.repeat(31)}1`],
    ['1::/16', '1::/16', `0001${'0'.repeat(28)}`],
    ['2001:db8:0:1:1:1:1:1/128', '2001:db8:0:1:1:1:1:1/128', '20010db8000000010001000100010001'],
    ['2001:0:0:1:0:0:0:1/64', '2001:0:0:1::1/64', '20010000000000010000000000000001'],
    ['::ffff:10.0.0.1/96', '::ffff:a00:1/96', '00000000000000000000ffff0a000001'],
  ];
  for (const [text, canonical, hex] of table) {
    const cidr = parseCidr(text);
    t.equal(cidr === undefined ? undefined : formatCidr(cidr), canonical, text);
    t.equal(cidr?.addressHex, hex, text);
    t.equal(cidr?.family, hex.length === 8 ? 4 : 6);
  }
});

t.test('parseCidr() refuses what is no prefix', async (t) => {
  const wrong = ['', '10.9.0/24', '10.9.0.2/33', '10.9.0.2/-1', '10.9.0.2/024', '10.9.0.2/', '::/129', '1:2:3/64'];
  for (const text of [...wrong, '10.9.0.256/8', 'fe80::1%eth0/64', '::1::/64', ' 10.0.0.1/8', 'host/24']) {
    t.equal(parseCidr(text), undefined, text);
  }
});

t.test('parsePeerEndpoint() takes the name of a transport, and formatEndpoint() gives it back', async (t) => {
  t.equal(parsePeerEndpoint('test://203.0.113.1:51821'), undefined, 'the one for tests is for nobody else');
  process.env.HAWSER_TEST_TRANSPORT = '1';
  t.teardown(() => delete process.env.HAWSER_TEST_TRANSPORT);
  t.strictSame(parsePeerEndpoint('test://203.0.113.1:51821'), { host: '203.0.113.1', port: 51_821, transport: 'test' });
  for (const text of ['test://203.0.113.1:51821', 'test://[fe80::1%eth0]:51821', 'test://hub.example.net:51821']) {
    const endpoint = parsePeerEndpoint(text);
    t.equal(endpoint === undefined ? undefined : formatEndpoint(endpoint), text);
  }
  for (const text of ['udp://203.0.113.1:51820', 'tcp://203.0.113.1:1', 'test:203.0.113.1:1', '://203.0.113.1:1'])
    t.equal(parsePeerEndpoint(text), undefined, text);
});

t.test('parsePeerEndpoint() takes a zone where one is needed, and nowhere else', async (t) => {
  for (const text of ['[fe80::1%eth0]:51820', '[febf::1%br-lan.7]:1', '[2001:db8::1]:51820', '203.0.113.1:51820']) {
    const endpoint = parsePeerEndpoint(text);
    t.equal(endpoint === undefined ? undefined : formatEndpoint(endpoint), text);
  }
  t.strictSame(parsePeerEndpoint('[fe80::1%eth0]:51820'), { host: 'fe80::1', port: 51_820, zone: 'eth0' });
  const wrong = ['[fe80::1]:51820', '[2001:db8::1%eth0]:51820', '[fe80::1%2]:51820', '[fe80::1%]:51820'];
  const others = [
    '192.0.2.1%eth0:51820',
    'feab.example.net%eth0:1',
    '[fe80::1%a/b]:1',
    '[fe80::1%a%b]:1',
    'fe80::1%eth0',
  ];
  for (const text of [...wrong, ...others]) t.equal(parsePeerEndpoint(text), undefined, text);
  t.match(parsePeerEndpoint('feab.example.net:1'), { host: 'feab.example.net' }, 'a name that looks like one');
});

t.test('maskCidr() clears the host part and nothing else', async (t) => {
  const masked = (text: string): string | undefined => {
    const cidr = parseCidr(text);
    return cidr === undefined ? undefined : formatCidr(maskCidr(cidr));
  };
  t.equal(masked('10.9.0.255/25'), '10.9.0.128/25');
  t.equal(masked('255.255.255.255/0'), '0.0.0.0/0');
  t.equal(masked('fd00:9::ffff/113'), 'fd00:9::8000/113');
  t.equal(masked('fd00:9::2/128'), 'fd00:9::2/128');
});

t.test('parseCidr() reads back every prefix that formatCidr() writes', async () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (address, prefix) => {
      const cidr = parseCidr(`${address}/${Math.min(prefix, address.includes(':') ? 128 : 32)}`);
      if (cidr === undefined) return false;
      return JSON.stringify(parseCidr(formatCidr(cidr))) === JSON.stringify(cidr);
    }),
  );
});

t.test('parseEndpoint() takes IPv4, bracketed IPv6 and host names', async (t) => {
  t.strictSame(parseEndpoint('203.0.113.1:51820'), { host: '203.0.113.1', port: 51820 });
  t.strictSame(parseEndpoint('[2001:DB8::1]:1'), { host: '2001:db8::1', port: 1 });
  t.strictSame(parseEndpoint('Hub.example.net:65535'), { host: 'hub.example.net', port: 65535 });
  t.equal(formatEndpoint({ host: '2001:db8::1', port: 7 }), '[2001:db8::1]:7');
  t.equal(formatEndpoint({ host: 'hub', port: 7 }), 'hub:7');
  const wrong = ['203.0.113.1', '203.0.113.1:0', 'hub:65536', '2001:db8::1:51820', '[203.0.113.1]:1', '[::1%lo]:1'];
  for (const text of [...wrong, '1.2.3:5', '-hub:5', 'a..b:5', 'hub:', ':5', 'h b:5']) {
    t.equal(parseEndpoint(text), undefined, text);
  }
});

t.test('parseDurationMs() and parseSizeBytes() want a unit and round trip', async (t) => {
  t.equal(parseDurationMs('25s'), 25_000);
  t.equal(parseDurationMs('500ms'), 500);
  t.equal(parseDurationMs('2m'), 120_000);
  t.equal(parseDurationMs('1h'), 3_600_000);
  for (const text of ['25', '', 's', '-1s', '1.5s', '25 s', '25S']) t.equal(parseDurationMs(text), undefined, text);
  t.equal(parseSizeBytes('32MiB'), 33_554_432);
  t.equal(parseSizeBytes('64KiB'), 65_536);
  for (const text of ['32', '32MB', '32mib', '-1MiB']) t.equal(parseSizeBytes(text), undefined, text);
  fc.assert(fc.property(fc.nat(99_999_999), (value) => parseDurationMs(formatDurationMs(value)) === value));
  fc.assert(fc.property(fc.nat(999_999), (kib) => parseSizeBytes(formatSizeBytes(kib * 1024)) === kib * 1024));
});

t.test('parseKey() takes canonical base64 of 32 bytes only', async (t) => {
  const text = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
  t.equal(parseKey(text)?.length, 32);
  t.equal(formatKey(parseKey(text) ?? new Uint8Array()), text);
  // The last character but one carries two spare bits: "h" is "g" with one of them set.
  const wrong = [`${text.slice(0, 42)}h=`, text.slice(0, 43), `${text}\n`, ` ${text}`, `-${text.slice(1)}`, ''];
  for (const bad of wrong) t.equal(parseKey(bad), undefined, bad);
});

t.test('publicKeyOf() agrees with RFC 7748 section 6.1', async (t) => {
  const alice = Buffer.from('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a', 'hex');
  const expected = '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a';
  t.equal(Buffer.from(publicKeyOf(alice)).toString('hex'), expected);
});

t.test('newPrivateKey() is clamped and never the same', async (t) => {
  const [a, b] = [newPrivateKey(), newPrivateKey()];
  t.equal((a[0] ?? 0) & 7, 0);
  t.equal((a[31] ?? 0) & 192, 64);
  t.notSame(a, b);
  t.notSame(publicKeyOf(a), publicKeyOf(b));
});

t.test('readKeyFile() refuses what others can read, and what may never come, with the remedy', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hawser-keys-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'home.key');
  const key = newPrivateKey();
  writeFileSync(file, `${formatKey(key)}\n`, { mode: 0o600 });
  t.strictSame(readKeyFile(file), key);
  chmodSync(file, 0o640);
  t.throws(() => readKeyFile(file), { code: 'KEY_MODE', message: /mode 0640: .*\(chmod 600 / });
  chmodSync(file, 0o600);
  writeFileSync(file, 'no key\n');
  t.throws(() => readKeyFile(file), { code: 'KEY_FORM' });
  t.throws(() => readKeyFile(path.join(folder, 'none')), { code: 'KEY_READ', message: /ENOENT/ });
  t.throws(() => readKeyFile(folder), { code: 'KEY_READ', message: /EISDIR/ });
  const fifo = path.join(folder, 'fifo');
  spawnSync('mkfifo', ['-m', '600', fifo]);
  t.throws(() => readKeyFile(fifo), { code: 'KEY_READ', message: `Cannot read key file ${fifo}: it is no file` });
});

t.test('parseTarget() reads hosts, ports and requests, and formatTarget() writes them back', async (t) => {
  const table: [string, string | undefined, string, number | undefined, string | undefined][] = [
    ['192.0.2.1', undefined, '192.0.2.1', undefined, undefined],
    ['example.net:443', undefined, 'example.net', 443, undefined],
    ['[2001:db8::1]', undefined, '2001:db8::1', undefined, undefined],
    ['[2001:db8::1]:22', undefined, '2001:db8::1', 22, undefined],
    ['icmp://192.0.2.1', 'icmp', '192.0.2.1', undefined, undefined],
    ['https://a.example:8443/b?c=d/e', 'https', 'a.example', 8443, '/b?c=d/e'],
    ['dns://[::1]:5353/example.net', 'dns', '::1', 5353, 'example.net'],
  ];
  for (const [text, method, host, port, path] of table) {
    const target = parseTarget(text);
    t.strictSame(target, { method, host, port, path }, text);
    t.equal(target && formatTarget(target), text);
  }
  t.equal(parseTarget('2001:DB8::1')?.host, '2001:db8::1', 'a bare IPv6 literal needs no brackets');
  t.equal(parseTarget('http://a/')?.path, undefined, 'an empty path is none');
  for (const text of [
    '',
    'a:0',
    'a:65536',
    'a b',
    'ftp://a',
    'icmp://a:1',
    'tcp://a:1/x',
    '192.0.2.1/x',
    'http://a/ b',
  ]) {
    t.equal(parseTarget(text), undefined, text);
  }
});

t.test('longestProtected() leaves room for the parity frame where the MTU, or 1500, does', async (t) => {
  t.equal(fecMtu + parity.excessBytes, mtuOf('auto', 'off'));
  t.same([mtuOf('auto', 'auto'), mtuOf(1300, 'auto')], [fecMtu, 1300]);
  const found = [1280, fecMtu, 1400, 1420, 8900].map((mtu) => longestProtected(mtu));
  t.same(found, [1280, 1380, 1380, 1380, 8860]);
});
