import t from 'tap';
import { parseDocument } from 'yaml';
import { parseConfig } from '../../src/config/parse.ts';
import { splitPlainPeers } from '../../src/config/plain-yaml.ts';
import { randomOf } from '../support/random.ts';

/** What the parser makes of a text, undefined when it has anything to say of it. */
function parsed(text: string): Record<string, unknown> | undefined {
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'error' });
  const isGood = document.errors.length === 0 && document.warnings.length === 0;
  const value: unknown = isGood ? document.toJS() : undefined;
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

/** The same where the list of peers is read apart; undefined = it is not. */
function split(text: string): Record<string, unknown> | undefined {
  const found = splitPlainPeers(text);
  const rest = found === undefined ? undefined : parsed(found.rest);
  return rest !== undefined && 'peers' in rest ? { ...rest, peers: found?.peers } : undefined;
}

const sample = `# a hub
name: hub
identity: { privateKeyFile: /etc/hawser/hub.key }
tunnel:
  addresses: [10.9.0.1/16, "fd00:9::1/64"]
peers:
  - name: alpha

    publicKey: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
    allowedIPs:
    - 10.9.0.2/32
    - 'fd00:9::2/128'
    endpoints: []   # elsewhere
    keepalive: off
  -   name: b_2
      publicKey: "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
      presharedKeyFile: psk/b.psk
      allowedIPs: [10.9.0.3/32, "fd00:9::3/128" , 10.9.0.4/32]
      endpoints: ["[2001:db8::1]:51820", hub.example.net:51820]
# the last
  - name: "7"
    number: 7
bonding: {}
listen: { udp: 51820 }
`;

t.test('splitPlainPeers() reads what the parser reads, and gives up on what it does not know', async (t) => {
  t.equal(splitPlainPeers(sample)?.peers.length, 3);
  t.strictSame(split(sample), parsed(sample));
  const atTheEnd = 'name: a\npeers:\n- name: b\n- name: c';
  t.strictSame(split(atTheEnd), parsed(atTheEnd));
  const refused = {
    'a tab': '  - a:\tb',
    'an anchor': '  - a: &x b\n  - c: *x',
    'a tag': '  - a: !!str 1',
    'a block text': '  - a: |\n      b',
    'a text of two lines': '  - a: b\n      c',
    'a text of two words': '  - a: b c',
    'a map on one line': '  - a: { b: c }',
    'a map in a map on one line': '  - a: b: c',
    'a key twice': '  - a: 1\n    a: 2',
    'no value': '  - a:\n    b: 1',
    'an unclosed bracket': '  - a: [b',
    'a bracket too many': '  - a: [b]]',
    'a comma at the end': '  - a: [b,]',
    'a pair in a list': '  - a: [b: c]',
    'an escape': '  - a: "b\\n"',
    'a quote in a quote': "  - a: 'b''c'",
    'what follows a quote': "  - a: 'b' c",
    'a boolean': '  - a: true',
    hexadecimal: '  - a: 0x10',
    octal: '  - a: 010',
    'a fraction': '  - a: 1.5',
    'an exponent': '  - a: 1e3',
    nothing: '  - a: null',
    'a remark without a space': '  - a: [b]#c',
    'a wrong column': '  - a: 1\n   b: 2',
    'a column too deep': '  - a: 1\n      b: 2',
    'an item among keys': '  - a: 1\n    - b',
    'no list': '  a: 1',
    'nothing in the list': '',
    'a letter of another alphabet': '  - a: ä',
    'a carriage return': '  - a: b\r',
  };
  for (const [what, list] of Object.entries(refused))
    t.equal(splitPlainPeers(`name: a\npeers:\n${list}\n`), undefined, what);
});

t.test('splitPlainPeers() reads no text in another way than the parser, whatever is done to it', async (t) => {
  const items = sample.slice(sample.indexOf('  - name'), sample.indexOf('bonding:')).split(/^(?= {2}- )/m);
  const random = randomOf(20_261_129);
  const below = (limit: number): number => Math.floor(random() * limit);
  const words = ['null', 'true', '.inf', '0x1', '---\n', 'a: ', '- ', ': ', ' #', '\n  ', '\npeers:\n', '?'];
  const pieces = [...' \n:-#[]{},"\'&*!|>%@`~.+_=/\\0179aeEnx', ...words];
  let read = 0;
  for (let round = 0; round < 8_000; round += 1) {
    const list = Array.from({ length: 1 + below(3) }, () => items[below(items.length)]).join('');
    let text = `name: hub\npeers:\n${list}${below(3) === 0 ? 'listen: { udp: 51820 }\n' : ''}`;
    for (let change = below(4); change > 0; change -= 1) {
      const at = below(text.length + 1);
      text = text.slice(0, at) + pieces[below(pieces.length)] + text.slice(at + below(3));
    }
    const plain = split(text);
    if (plain === undefined) continue;
    read += 1;
    const right = parsed(text);
    const isSame = right !== undefined && JSON.stringify(right.peers) === JSON.stringify(plain.peers);
    if (!isSame) t.strictSame(plain, right, JSON.stringify(text));
  }
  t.ok(read > 1000, `${read} texts were plain`);
});

t.test('parseConfig() says the same of a long list as of a short one', async (t) => {
  const peer = (number: number, more = ''): string =>
    `  - name: client${number}\n    publicKey: ${Buffer.alloc(32, `${number} `).toString('base64')}\n    allowedIPs: [10.${number >> 8}.${number & 255}.1/32]\n${more}`;
  const head = 'name: hub\nidentity: { privateKeyFile: hub.key }\ntunnel: { addresses: [10.255.0.1/24] }\npeers:\n';
  const list = Array.from({ length: 1000 }, (_, number) => peer(number));
  const long = parseConfig(`${head}${list.join('')}`, '/etc/hawser/hub.yaml');
  const short = parseConfig(`${head}${list.slice(0, 10).join('')}`, '/etc/hawser/hub.yaml');
  t.strictSame([long.problems, short.problems], [[], []]);
  t.equal(long.config?.peers.length, 1000);
  t.strictSame(long.config?.peers.slice(0, 10), short.config?.peers);
  const wrong = parseConfig(`${head}${list.join('')}${peer(1000, '    keepalive: 25\n')}`, '/etc/hawser/hub.yaml');
  t.match(wrong.problems, [{ line: 3008, column: 16, path: 'peers[1000].keepalive' }], 'with its place');
});
