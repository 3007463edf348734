/** ETag and If-Match, for whatever of the table has revisions; and what of a configuration comes by HTTP. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { openApiDocument } from '../../../src/actors/api/openapi.ts';
import { etagOf, withRevision } from '../../../src/actors/api/revisions.ts';
import { operations } from '../../../src/control/operations.ts';
import { ask, bearer, startFakeApi } from '../../support/fake-api.ts';
import { generateKeys } from '../../support/keys.ts';

t.test('withRevision() takes what If-Match says, and wants one of both', async (t) => {
  const of = operations['config.confirm'];
  const revision = 'ab'.repeat(16);
  t.same(withRevision(of, `"${revision}"`, {}), { revision });
  t.same(withRevision(of, undefined, { revision }), { revision });
  t.same(withRevision(operations['client.set'], ' "7" ', { name: 'a' }), { name: 'a', revision: 7 }, 'a number is one');
  for (const wrong of [undefined, '*', 'W/"7"', '7', '""'])
    t.throws(() => withRevision(of, wrong, {}), { code: 'REVISION', remedy: /If-Match/ });
  t.same(withRevision(operations.reload, '"7"', {}), {}, 'what has no revision is not asked for one');
  t.equal(withRevision(of, undefined, 'text'), 'text', 'what is no object is refused by the schema');
  t.equal(etagOf(operations['config.read'], { revision }), `"${revision}"`);
  const { paths } = openApiDocument('1.2.3') as {
    readonly paths: Readonly<Record<string, { readonly post?: object }>>;
  };
  const pattern = (route: string): object => ({
    parameters: [{ name: 'If-Match', required: true, schema: { pattern: String } }],
    route,
  });
  for (const route of ['/config/confirm', '/client/set']) t.match({ ...paths[route]?.post, route }, pattern(route));
  t.notMatch(JSON.stringify(paths['/config/confirm']), /"revision"/, 'it is said once');
  t.equal(etagOf(operations.status, { revision }), undefined);
  t.equal(etagOf(operations['client.show'], null), undefined);
});

t.test('a configuration is read with its ETag, and changed with If-Match alone', async (t) => {
  const { supervisor, port, tokens, folder } = await startFakeApi(t);
  const keys = generateKeys();
  writeFileSync(path.join(folder, 'home.key'), `${keys.privateKey}\n`, { mode: 0o600 });
  supervisor.configPath = path.join(folder, 'home.yaml');
  const text = 'identity: { privateKeyFile: home.key }\ntunnel: { addresses: [10.9.0.2/24] }\n';
  writeFileSync(supervisor.configPath, text);
  const admin = bearer(tokens.admin);
  const post = (name: string, body: object, more: Readonly<Record<string, string>> = {}) =>
    ask(port, `/api/v1/config/${name}`, { method: 'POST', headers: { ...admin, ...more }, body });

  for (const token of [tokens.viewer, tokens.operator]) {
    t.match(await ask(port, '/api/v1/config/read', { headers: bearer(token) }), { status: 403 });
    t.match(await ask(port, '/api/v1/config/check', { method: 'POST', headers: bearer(token), body: { text } }), {
      status: 403,
    });
  }
  const long = { method: 'POST', headers: bearer(tokens.viewer), body: { text: 'x'.repeat(3_000_000) } };
  t.match(await ask(port, '/api/v1/config/check', long), { status: 403 }, 'it is not even read');
  const read = await ask(port, '/api/v1/config/read', { headers: admin });
  const { revision } = read.json as { readonly revision: string };
  t.match(read, { status: 200, headers: { etag: `"${revision}"` }, json: { text, file: supervisor.configPath } });
  t.match(await ask(port, '/api/v1/config/schema', { headers: admin }), { json: { title: 'Hawser configuration' } });

  t.match(await post('check', { text: text.replace('/24', '/99') }), {
    status: 200,
    json: { problems: [{ line: 2, path: 'tunnel.addresses[0]' }] },
  });
  t.match(
    await post('check', { text: `${text}# ${'x'.repeat(200_000)}` }),
    { json: { problems: [] } },
    'longer than other bodies',
  );
  t.match(await post('check', { text: 'x'.repeat(600_000) }), { status: 400 });

  t.match(await post('apply', { text }), { status: 428, json: { type: 'urn:hawser:problem:revision' } });
  const stale = { 'if-match': `"${'0'.repeat(32)}"` };
  t.match(await post('apply', { text }, stale), { status: 412, json: { type: 'urn:hawser:problem:changed' } });
  const fresh = { 'if-match': `"${revision}"` };
  t.match(
    await post('apply', { text: `${text}update: { index: "https://x/i.json", key: "${keys.publicKey}" }\n` }, fresh),
    {
      status: 422,
      json: { type: 'urn:hawser:problem:config', detail: /update: .*not changed by HTTP/ },
    },
  );
  const applied = await post('apply', { text: `${text}# more\n`, seconds: 30 }, fresh);
  t.match(applied, { status: 200, json: { leftMs: 30_000 } });
  t.match(supervisor.calls.at(-1), new RegExp(`^apply ${revision} 30\n`));
  const onTrial = (applied.json as { readonly revision: string }).revision;
  t.match(await ask(port, '/api/v1/status', { headers: bearer(tokens.viewer) }), {
    json: { trial: { revision: onTrial } },
  });
  t.match(await post('confirm', {}), { status: 428 });
  t.match(await post('confirm', {}, { 'if-match': `"${onTrial}"` }), { status: 200, json: null });
  t.equal(supervisor.calls.at(-1), `confirm ${onTrial}`);
});

t.test('a client is changed with the revision that was seen', async (t) => {
  const { supervisor, port, tokens } = await startFakeApi(t);
  supervisor.clients = (verb: string, params: unknown): unknown => {
    supervisor.calls.push(`client ${verb} ${JSON.stringify(params)}`);
    return { name: 'anna', revision: 7 };
  };
  const headers = bearer(tokens.admin);
  t.match(await ask(port, '/api/v1/client/show?name=anna', { headers }), { headers: { etag: '"7"' } });
  const post = (name: string, body: object, more: Readonly<Record<string, string>> = {}) =>
    ask(port, `/api/v1/client/${name}`, { method: 'POST', headers: { ...headers, ...more }, body });
  for (const [name, body] of Object.entries({ set: {}, remove: {}, rename: { to: 'bert' } }))
    t.match(await post(name, { name: 'anna', ...body }), { status: 428 }, name);
  t.match(await post('set', { name: 'anna', expiresMs: null }, { 'if-match': '"7"' }), { status: 200 });
  t.equal(supervisor.calls.at(-1), 'client set {"name":"anna","revision":7,"expiresMs":null}');
  t.match(await post('kick', { name: 'anna' }), { status: 200 }, 'what is done whatever it was before needs none');
});
