/** `tls` in the configuration: what it means, what is wrong with it in one sentence, and that no password comes out again. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import { configToInput, generateConfig } from '../../src/config/generate.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { formatProblem } from '../../src/config/problems.ts';
import { readProxyPassword, tlsFileFaults } from '../../src/config/tls-files.ts';
import { ownCertificate } from '../../src/io/tls/own-certificate.ts';

const keys = [1, 2].map((octet) => Buffer.alloc(32, octet).toString('base64'));

function text(tls: unknown, endpoints: readonly (readonly string[])[] = [[]], listen: unknown = { tls: 443 }): string {
  const peers = endpoints.map((ours, index) => ({ name: `p${index}`, publicKey: keys[index], endpoints: ours }));
  const config = { identity: { privateKeyFile: 'k' }, tunnel: { addresses: ['10.9.0.1/24'] }, listen, tls, peers };
  return JSON.stringify(config);
}

function problems(...parts: Parameters<typeof text>): string {
  const { problems: found } = parseConfig(text(...parts), '/etc/hawser/home.yaml');
  return found.map((one) => formatProblem('home.yaml', one)).join('\n');
}

t.test('what tls says, as the program sees it and as it is written again', async (t) => {
  const tls = {
    certificate: 'chain.pem',
    key: '/etc/key.pem',
    site: 'http://[::1]:8080',
    proxy: 'http://jo%20e@Proxy.example.net',
    proxyPasswordFile: 'pw',
    serverName: 'hub.example.net',
  };
  const { config } = parseConfig(text(tls, [['tls://Hub.Example.net:443', '192.0.2.1:1']]), '/etc/hawser/home.yaml');
  t.match(config, {
    listen: { tls: 443 },
    peers: [{ endpoints: [{ host: 'hub.example.net', port: 443, transport: 'tls' }, { host: '192.0.2.1' }] }],
    tls: {
      certificate: '/etc/hawser/chain.pem',
      key: '/etc/key.pem',
      site: { host: '::1', port: 8080 },
      proxy: { host: 'proxy.example.net', port: 80, user: 'jo e' },
      proxyPasswordFile: '/etc/hawser/pw',
    },
  });
  if (config === undefined) return;
  const again = parseConfig(generateConfig(configToInput(config)), '/etc/hawser/home.yaml');
  t.same(again.config, config);
  const { config: folder } = parseConfig(text({ site: 'www' }), '/etc/hawser/home.yaml');
  t.same(folder?.tls.site, { folder: '/etc/hawser/www' });
});

t.test('what is wrong is said in one sentence, and no password with it', async (t) => {
  t.match(problems({ certificate: 'c' }), /tls\.certificate: needs its key beside it/);
  t.match(problems({ key: 'k' }), /tls\.key: needs its certificate beside it/);
  for (const proxy of [
    'http://joe:hunter2@proxy:3128',
    'https://joe:hunter2@proxy:3128',
    'http://joe:hunter2@proxy/x',
  ]) {
    const said = problems({ proxy });
    t.match(said, /tls\.proxy: /);
    t.notMatch(said, /hunter2/);
  }
  t.match(problems({ proxy: 'http://joe:hunter2@proxy' }), /write it to a file of mode 0600/);
  t.match(problems({ proxy: 'http://joe@proxy' }), /names a user: write the password to a file/);
  t.match(problems({ proxy: 'http://proxy', proxyPasswordFile: 'f' }), /tls\.proxy names no user/);
  for (const user of ['a%zz', 'a%', '%ff']) {
    const said = problems({ proxy: `http://${user}@proxy`, proxyPasswordFile: 'f' });
    t.match(said, /^home\.yaml:1:\d+: tls\.proxy: "http:\/\/[^"]*" is not an http:\/\/ address without a path/m);
    if (user !== '%ff') t.match(said, /begins no escape \(RFC 3986\): write it as %25/);
  }
  t.match(problems({ site: 'http://a%zz@host' }), /tls\.site: .* is not a folder or an http/);
  t.match(problems({ site: 'ftp://x' }), /tls\.site: "ftp:\/\/x" is not a folder or an http:\/\/ address/);
  t.match(problems({}, [[]], { tls: 443, faketcp: 443 }), /listen\.tls: is the port of listen\.faketcp/);
  t.match(problems({}, [['tls://a:1'], ['tls://A:1']]), /peers\[1\].*is where peers\[0\] is reached/);
  t.match(
    problems({}, [[`tls://${'a'.repeat(30)}.${'b'.repeat(30)}:1`]]),
    /has a name of 61 characters: TLS takes 60 at most/,
  );
  t.match(problems({}, [['tls://[fe80::1%eth0]:443']]), /is link-local/);
});

t.test('files that tls names are looked at before anything starts', async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'hawser-tls-files-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const at = (name: string, content: string, mode = 0o600): string => {
    writeFileSync(path.join(folder, name), content, { mode });
    return path.join(folder, name);
  };
  const good = at('good', ownCertificate(folder, 'good', 'a').certificate);
  const other = at('other', String(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })));
  const none = { certificate: undefined, key: undefined, site: undefined, proxy: undefined } as const;
  const faults = (tls: object) =>
    tlsFileFaults({ tls: { ...none, proxyPasswordFile: undefined, serverName: undefined, ...tls } });
  t.same(faults({}), {});
  t.same(faults({ certificate: good, key: good, site: { folder } }), {});
  t.match(faults({ certificate: good, key: other }), { certificate: /is not that of the certificate/ });
  t.match(faults({ certificate: other, key: good }), { certificate: /holds no certificate in PEM/ });
  t.match(faults({ certificate: path.join(folder, 'x'), key: good }), { certificate: /Cannot read.*ENOENT/ });
  t.match(faults({ site: { folder: good } }), { site: /is no folder/ });
  t.match(faults({ proxyPasswordFile: at('open', 'x', 0o644) }), { proxyPasswordFile: /chmod 600/ });
  t.equal(readProxyPassword({ proxyPasswordFile: at('pw', 'a b \n') }), 'a b ');
});
