/** Keys that name files or code change by the socket alone, and each of them is known. */
import t from 'tap';
import { formatPath } from '../../src/config/problems.ts';
import { reservedChanges, reservedKeys } from '../../src/config/reserved-keys.ts';
import { configJsonSchema, type SchemaNode } from '../../src/config/schema.ts';

interface Leaf {
  readonly path: string;
  readonly node: SchemaNode;
}

function leavesOf(node: SchemaNode, path: string): Leaf[] {
  const inner = [
    ...Object.entries(node.properties ?? {}).flatMap(([key, one]) =>
      leavesOf(one, path === '' ? key : `${path}.${key}`),
    ),
    ...(node.items === undefined ? [] : leavesOf(node.items, `${path}[]`)),
    ...[...(node.anyOf ?? []), ...(node.oneOf ?? [])].flatMap((one) => leavesOf(one, path)),
  ];
  return inner.length > 0 ? inner : [{ path, node }];
}

const isWithin = (path: string, key: string): boolean => path === key || /^[.[]/.test(path.replace(key, ''));
const leaves = leavesOf(configJsonSchema(), '');
const isReserved = (path: string): boolean => reservedKeys.some((key) => isWithin(path, key));

/** By its words, by an example, or by its name. */
function namesFile({ path, node }: Leaf): boolean {
  const key = path.split('.').at(-1) ?? '';
  return (
    /\b(file|folder)\b|absolute path/.test(node.title ?? '') ||
    (node.examples ?? []).some((one) => /^["']?\//.test(String(one))) ||
    /file$|folder$|directory|path|script|command|exec|hook$|plugin|module/i.test(key)
  );
}

t.test('every key of the schema that names a file is reserved', async (t) => {
  const named = leaves.filter(namesFile).map(({ path }) => path);
  t.ok(named.length >= 12, named.join(' '));
  t.same(
    named.filter((path) => !isReserved(path)),
    [],
    'add it to src/config/reserved-keys.ts',
  );
  const planned = ['hooks'];
  for (const key of reservedKeys.filter((one) => !planned.includes(one)))
    t.ok(
      leaves.some(({ path }) => isWithin(path, key)),
      `${key} is a key`,
    );
});

t.test('reservedChanges() names what may not change, and lets the rest', async (t) => {
  const before = {
    tunnel: { mtu: 1400 },
    tls: { certificate: 'a.pem', key: 'a.key' },
    api: { listen: '127.0.0.1:8474', tokensFile: 'tokens' },
    peers: [
      { name: 'a', publicKey: 'A', presharedKeyFile: 'a.psk' },
      { name: 'b', publicKey: 'B' },
    ],
    links: [{ name: 'fibre', health: { checks: [{ type: 'http', url: 'https://x', ca: 'x.pem' }] } }],
    webhooks: [{ url: 'https://x', events: ['*'], secretFile: 's' }],
  };
  const after = (more: object): string[] => reservedChanges(before, { ...before, ...more }).map(formatPath);
  t.same(after({}), []);
  t.same(after({ tunnel: { mtu: 1300 }, bonding: { mode: 'failover' } }), []);
  t.same(after({ tls: { certificate: 'b.pem', key: 'a.key' } }), ['tls.certificate']);
  t.same(after({ tls: { ...before.tls, site: '/etc' } }), ['tls.site']);
  t.same(after({ tls: undefined }), ['tls.certificate', 'tls.key'], 'what is gone has changed too');
  t.same(after({ api: { listen: '127.0.0.1:8475', tokensFile: 'tokens' } }), []);
  t.same(after({ api: { ...before.api, tls: { certificate: 'x', key: 'y' } } }), ['api.tls']);
  t.same(after({ update: { index: 'https://evil', key: 'k' } }), ['update']);
  t.same(after({ plugins: ['/tmp/x.mjs'] }), ['plugins']);
  const [a, b] = before.peers;
  t.same(after({ peers: [b, { ...a, name: 'another' }] }), [], 'in another order, by another name');
  t.same(after({ peers: [b] }), [], 'an entry may go');
  t.same(after({ peers: [a, { ...b, presharedKeyFile: '/etc/shadow' }] }), ['peers[1].presharedKeyFile']);
  t.same(after({ peers: [a, b, { name: 'c', publicKey: 'C', presharedKeyFile: 'a.psk' }] }), [
    'peers[2].presharedKeyFile',
  ]);
  t.same(after({ peers: [{ name: 'a', publicKey: 'A' }, b] }), ['peers[0].presharedKeyFile']);
  t.same(after({ webhooks: [{ ...before.webhooks[0], events: ['failover'] }] }), []);
  t.same(after({ webhooks: [{ ...before.webhooks[0], url: 'https://evil' }] }), ['webhooks[0].secretFile']);
  t.same(after({ webhooks: [{ ...before.webhooks[0], allowPrivate: true }] }), ['webhooks[0].allowPrivate']);
  const checks = [{ type: 'http', url: 'https://x', ca: 'y.pem' }];
  t.same(after({ links: [{ name: 'fibre', health: { checks } }] }), ['links[0].health.checks[0].ca']);
  t.same(after({ links: [{ name: 'lte', health: { checks } }] }), ['links[0].health.checks[0].ca']);
  t.same(after({ links: 'nonsense', peers: null, webhooks: 7 }), [], 'the schema says what that is');
});
