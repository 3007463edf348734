import t from 'tap';
import { configToInput, generateConfig } from '../../src/config/generate.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { generateKeys } from '../support/keys.ts';

const { publicKey } = generateKeys();

function parse(health: string) {
  return parseConfig(
    `
identity: { privateKeyFile: home.key }
tunnel: { addresses: [10.9.0.2/24] }
peers: [ { name: hub, publicKey: "${publicKey}" } ]
links:
  - name: lte
    interface: wwan0
    health: ${health}
`,
    '/etc/hawser/home.yaml',
  );
}

/** `path message` of each. */
function problems(health: string): string[] {
  return (parse(health).problems ?? []).map(({ path, message }) => `${path} ${message}`);
}

const all = `
      need: 2
      interval: 500ms
      checks:
        - { type: http, url: "https://example.net/alive", method: HEAD, headers: { X-Probe: "1" }, status: [204, 300-399], redirects: follow, verify: false, ca: own.pem }
        - { type: http, name: portal, url: "http://192.0.2.1:8080/", contains: ok, matches: "^ok$", interval: 30s, timeout: 5s, failures: 2, successes: 1 }
        - { type: dns, server: 192.0.2.53, query: example.net, record: MX, answer: [mail.example.net] }
        - { type: dns, server: "2001:db8::53", query: example.net }
        - { type: tcp, target: "mail.example.net:25", send: "EHLO x\\r\\n", expect: "^220" }
        - { type: icmp, target: "2001:db8::1", size: 1000, count: 3 }`;

t.test('links.health.checks have defaults of their own, and are written as they are read', async (t) => {
  const { config } = parse(all);
  if (config === undefined) throw new Error(problems(all).join());
  const health = config.links[0]?.health;
  t.match(health, { method: 'checks', need: 2, targets: [] });
  t.match(health?.checks, [
    { type: 'http', name: 'example.net', intervalMs: 1000, timeoutMs: 2000, failures: 3, followsRedirects: true },
    { name: 'portal', statuses: [{ from: 200, to: 299 }], intervalMs: 30_000, timeoutMs: 5000, failures: 2 },
    { server: { host: '192.0.2.53', port: 53 }, record: 'MX', intervalMs: 500, timeoutMs: 1000 },
    { server: { host: '2001:db8::53', port: 53 }, record: 'A', answer: [] },
    { target: { host: 'mail.example.net', port: 25 }, send: 'EHLO x\r\n' },
    { type: 'icmp', name: 'icmp-2001:db8::1', size: 1000, count: 3 },
  ]);
  const again = parseConfig(generateConfig(configToInput(config)), '/etc/hawser/home.yaml');
  t.strictSame(again.config, config);
});

t.test('need says how many: all by default, any, or a number', async (t) => {
  const need = (word: string) =>
    parse(`{ ${word} checks: [ { type: icmp, target: 192.0.2.1 }, { type: icmp, target: 192.0.2.2 } ] }`).config
      ?.links[0]?.health.need;
  t.strictSame(['', 'need: any,', 'need: all,', 'need: 2,'].map(need), [2, 1, 2, 2]);
});

t.test('what is wrong with a check is named with its place', async (t) => {
  const one = (check: string) => problems(`{ checks: [ ${check} ] }`).join('; ');
  t.match(one('{ type: http, url: "ftp://example.net" }'), /health\.checks\[0\]\.url .*is not a URL of http or https/);
  t.match(one('{ type: http, url: "http://user:secret@example.net/" }'), /without a password/);
  t.match(one('{ type: http, url: "http://a.example", status: 99 }'), /checks\[0\]\.status/);
  t.match(one('{ type: http, url: "http://a.example", status: 300-200 }'), /checks\[0\]\.status/);
  t.match(one('{ type: http, url: "http://a.example", matches: "(" }'), /matches .*is not a regular expression/);
  t.match(one('{ type: http, url: "http://a.example", headers: { Host: x } }'), /headers/);
  t.match(one('{ type: dns, server: 192.0.2.53 }'), /query/);
  t.match(one('{ type: tcp, target: mail.example.net }'), /target .*is not a host with its port/);
  t.match(one('{ type: icmp, target: 192.0.2.1, size: 9000 }'), /size/);
  t.match(one('{ type: smtp, target: 192.0.2.1 }'), /checks\[0\]\.type/);
  t.match(one('{ type: icmp, target: 192.0.2.1, interval: 10ms }'), /interval .*100ms to 5m/);
  t.match(
    problems('{ targets: [192.0.2.1], checks: [ { type: icmp, target: 192.0.2.1 } ] }').join(),
    /checks take their place/,
  );
  t.match(
    problems('{ need: 3, checks: [ { type: icmp, target: 192.0.2.1 } ] }').join(),
    /need 3 of 1 checks can never pass/,
  );
});
