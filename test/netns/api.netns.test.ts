/** The HTTP API of a real daemon: off without a token, then everything that a token's role may, and nothing else. */
import { chmodSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { EventRecord } from '../../src/control/events.ts';
import type { Status } from '../../src/control/rows.ts';
import { Daemon, runCli } from '../support/daemon.ts';
import { HttpAsker } from '../support/http-asker.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';

const skip = skipReason();
const port = 8474;

async function until<T>(ask: () => Promise<T>, isSo: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await ask();
    if (isSo(value) || tries === 100) return value;
    await sleep(50);
  }
}

t.test('the API answers whoever shows a token, as the commands do', skip === false ? {} : { skip }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const host = lab.host('home');
  const tokens = path.join(lab.folder, 'tokens');
  const hub = generateKeys();
  const daemon = new Daemon(lab, host, {
    keys: generateKeys(),
    addresses: ['10.9.0.2/24'],
    peers: [{ name: 'hub', publicKey: hub.publicKey, allowedIPs: ['10.9.0.0/24'] }],
    more: { api: { listen: `127.0.0.1:${port}`, tokensFile: tokens } },
  });
  await daemon.start();
  const asker = new HttpAsker(host, port);
  t.teardown(() => asker.close());
  const events = () => daemon.ask<readonly EventRecord[]>('events');
  const has = (kind: string) => (all: readonly EventRecord[]) => all.some((one) => one.kind === kind);
  const addToken = async (name: string, role: string): Promise<string> => {
    const { status, stdout, stderr } = await runCli(['token', 'add', name, '--role', role, '--file', tokens]);
    if (status !== 0) throw new Error(stderr);
    return stdout.trim();
  };

  t.match(
    (await until(events, has('api-off'))).find((one) => one.kind === 'api-off'),
    { remedy: `hawser token add NAME --role viewer|operator|admin --file ${tokens}` },
    'without a token it is off, and says how to get one',
  );
  await t.rejects(asker.ask({ path: '/api/v1/me' }), /ECONNREFUSED/);
  t.match(await daemon.ask<Status>('status'), { warnings: [/HTTP API is off: there is no token/] });

  const [viewer, admin] = [await addToken('grafana', 'viewer'), await addToken('me', 'admin')];
  t.ok(has('api-on')(await until(events, has('api-on'))), 'the first token opens it');
  t.match(await daemon.ask<Status>('status'), { warnings: [] });

  t.match(await asker.ask({ path: '/api/v1/me' }), { status: 401, headers: { 'www-authenticate': /Bearer/ } });
  t.match(await asker.call(`${viewer}x`, 'GET', 'me'), { status: 401, json: { status: 401, remedy: /hawser token/ } });
  t.match(await asker.call(viewer, 'GET', 'me'), {
    status: 200,
    json: { name: 'grafana', role: 'viewer', instance: 'home' },
  });
  t.match(await asker.call(viewer, 'GET', 'status'), { json: { name: 'home', pid: daemon.pid } });
  t.match(await asker.call(viewer, 'GET', 'peers'), { json: [{ name: 'hub' }] });
  t.match(await asker.call(viewer, 'GET', 'nat?mappings=perhaps'), { status: 400, json: { detail: /mappings/ } });

  const hostless = { path: '/api/v1/me', headers: { authorization: `Bearer ${viewer}`, host: 'evil.example' } };
  t.match(await asker.ask(hostless), { status: 421 }, 'a name that was made to lead here');

  t.match(await asker.call(viewer, 'POST', 'peer/rekey', { name: 'hub' }), {
    status: 403,
    headers: { 'content-type': 'application/problem+json' },
    json: { type: 'urn:hawser:problem:forbidden', remedy: /operator/ },
  });
  t.match(await asker.call(admin, 'POST', 'peer/rekey', { name: 'nobody' }), {
    status: 404,
    json: { type: 'urn:hawser:problem:no-such-peer', detail: /nobody/ },
  });
  t.match(await asker.call(admin, 'POST', 'peer/rekey', { name: 'hub' }), { status: 200, json: null });
  t.match(await asker.call(admin, 'GET', 'client/export'), { status: 404 }, 'secrets stay with the socket');
  t.match(await asker.call(admin, 'POST', 'peer/rekey', { name: 'hub', more: 1 }), { status: 400 });

  const authorization = `Bearer ${viewer}`;
  const stream = await asker.ask({ path: '/api/v1/follow', headers: { authorization }, until: '"kind":"ready"' });
  t.match(stream, { status: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8' } });
  t.match(stream.body, /id: \d+\nevent: event\ndata: \{"id":\d+,.*"detail":/);
  const ready = (await events()).find((one) => one.kind === 'ready')?.id ?? 0;
  const later = await asker.ask({
    path: '/api/v1/follow',
    headers: { authorization, 'last-event-id': String(ready) },
    until: '"kind":"api-on"',
  });
  t.notMatch(later.body, /"kind":"ready"/, 'it goes on behind the last that the reader knows');
  const rates = await asker.ask({ path: '/api/v1/rates', headers: { authorization }, until: 'event: top' });
  t.match(rates.body, /event: top\ndata: \{/);

  const opened = await daemon.cli('open', '--role', 'operator');
  t.match(opened.stdout, /^http:\/\/127\.0\.0\.1:8474\/#login=[A-Za-z0-9_-]{22}\n/);
  const code = /#login=(\S+)/.exec(opened.stdout)?.[1] ?? '';
  const origin = `http://127.0.0.1:${port}`;
  const post = { method: 'POST', headers: { origin, 'content-type': 'application/json' } };
  const login = await asker.ask({ ...post, path: '/api/v1/login', body: JSON.stringify({ code }) });
  const cookie = String(login.headers['set-cookie']).split(';')[0] ?? '';
  const me = () => asker.ask({ path: '/api/v1/me', headers: { cookie } });
  t.match(JSON.parse((await me()).body), { name: 'login', role: 'operator' });

  t.match(await runCli(['token', 'remove', 'grafana', '--file', tokens]), { status: 0 });
  t.match(await asker.call(viewer, 'GET', 'me'), { status: 401 }, 'out with the next request');
  await daemon.actor('kill', 'api-server');
  const again = await until(
    () => asker.call(admin, 'GET', 'actors').catch(() => undefined),
    (answer) => answer?.status === 200,
  );
  t.match(again, { status: 200 }, 'a restarted one answers');
  t.match(await me(), { status: 200 }, 'and knows who is logged in');
  const rows = again?.json as readonly { readonly id: string; readonly restarts: number }[];
  t.match(
    rows.find(({ id }) => id === 'api-server'),
    { restarts: 1 },
  );

  chmodSync(tokens, 0o644);
  await until(
    () => asker.ask({ path: '/' }).catch(String),
    (answer) => typeof answer === 'string' && answer.includes('ECONNREFUSED'),
  );
  t.match((await events()).at(-1), { kind: 'api-off', reason: /mode 0644.*chmod 600/ }, 'a file that others may read');
  t.equal(await daemon.stop(), 0);
});
