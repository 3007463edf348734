/** Which key the cursor is at, and what the schema says of it. */
import t from 'tap';
import { configJsonSchema } from '../../src/config/schema.ts';
import { helpOf, keyPathAt, nodeAt, type SchemaNode } from '../../src/page/config-help.ts';

const schema = configJsonSchema() as SchemaNode;
const yaml = `name: home
tunnel:
  addresses: [10.9.0.2/24]
  mtu: 1400
links:
- name: fibre
  health:
    method: icmp
    down: { latency: 500ms, loss: 20 }
peers:
  - name: hub
    # a remark
    keepalive: 25s
webhooks: [ { url: "https://x", events: [failover] } ]
`;
/** `|` marks the cursor. */
const at = (words: string): string => keyPathAt(yaml, yaml.indexOf(words)).join('.');

t.test('keyPathAt() follows indentation, lists and braces', async (t) => {
  t.equal(at('home'), 'name');
  t.equal(at('10.9'), 'tunnel.addresses');
  t.equal(at('1400'), 'tunnel.mtu');
  t.equal(at('fibre'), 'links.name');
  t.equal(at('icmp'), 'links.health.method');
  t.equal(at('500ms'), 'links.health.down.latency');
  t.equal(at('20 }'), 'links.health.down.loss');
  t.equal(at('hub'), 'peers.name');
  t.equal(at('a remark'), 'peers.name', 'a remark belongs to what stands before it');
  t.equal(at('25s'), 'peers.keepalive');
  t.equal(at('https://x'), 'webhooks.url');
  t.equal(keyPathAt('', 0).join(), '');
  t.equal(keyPathAt('{\n  "tunnel": {\n    "mtu": 1', 28).join('.'), 'tunnel.mtu', 'JSON is YAML');
});

t.test('helpOf() says what a key is for and may be', async (t) => {
  const help = (key: string): string => helpOf(nodeAt(schema, key.split('.')) ?? {}).join(' | ');
  t.match(help('tunnel.mtu'), /Of the interface; auto = 1420.*576 to 65456.*Without it auto/);
  t.match(help('links.role'), /One of always, backup, metered/);
  t.match(help('peers.keepalive'), /a duration of 100ms.*Such as 25s/);
  t.match(help('webhooks'), /Keys of each: url, events, secretFile/);
  t.match(help('links.health.checks.ca'), /authority/);
  t.equal(nodeAt(schema, ['nonsense']), undefined);
});
