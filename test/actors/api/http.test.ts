/** What the api-server lets in and keeps out, over real sockets. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { cookieNameOf } from '../../../src/actors/api/gate.ts';
import { type OperationName, operations } from '../../../src/control/operations.ts';
import { mayCall, type Role } from '../../../src/control/roles.ts';
import type { ActorState } from '../../../src/control/supervisor-api.ts';
import { CallDesk } from '../../../src/instance/call-desk.ts';
import { ask, bearer, startFakeApi } from '../../support/fake-api.ts';
import { until } from '../../support/until.ts';

const codeIn = (url: string): string => url.slice(url.indexOf('#login=') + '#login='.length);
const cookieIn = (header: unknown): string => String(header).split(';')[0] ?? '';

t.test('each operation is there for the roles that its table names, and for no other', async (t) => {
  const { port, tokens } = await startFakeApi(t);
  for (const name of Object.keys(operations) as OperationName[]) {
    const { effect, who, revision } = operations[name];
    if (effect === 'follows') continue;
    const route = `/api/v1/${name.replaceAll('.', '/')}`;
    const method = effect === 'reads' ? 'GET' : 'POST';
    for (const role of ['viewer', 'operator', 'admin'] as const satisfies readonly Role[]) {
      // Nobody's parameters are right: who may call hears that, who may not hears nothing of them.
      const query = method === 'GET' ? '?nonsense=1' : '';
      const body = method === 'POST' ? { nonsense: 1 } : undefined;
      const { status } = await ask(port, `${route}${query}`, { method, headers: bearer(tokens[role]), body });
      const wrong = revision === 'wanted' ? 428 : 400;
      const expected = who === 'socket' ? 404 : mayCall(role, who) ? wrong : 403;
      t.equal(status, expected, `${name} by ${role}`);
    }
    t.equal((await ask(port, route, { method })).status, who === 'socket' ? 404 : 401, `${name} by nobody`);
  }
});

t.test('a login works once, by a cookie that scripts do not see, and ends with logout', async (t) => {
  const { port, supervisor, emitted } = await startFakeApi(t);
  const { url, seconds } = supervisor.openLogin('operator');
  t.match(url, new RegExp(`^http://127\\.0\\.0\\.1:${port}/#login=[A-Za-z0-9_-]{22}$`));
  t.equal(seconds, 60);
  const origin = `http://127.0.0.1:${port}`;
  const login = (code: string, headers: Record<string, string> = { origin }) =>
    ask(port, '/api/v1/login', { method: 'POST', headers, body: { code } });
  t.match(await login(codeIn(url), { origin: 'http://evil.example' }), { status: 403 }, 'not from another site');
  const entered = await login(codeIn(url));
  t.match(entered, { status: 200, json: { role: 'operator' } });
  t.match(
    entered.headers['set-cookie'],
    [/^hawser_session_[0-9a-f]{8}=[A-Za-z0-9_-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/],
    'without TLS not Secure',
  );
  t.equal(entered.headers['cache-control'], 'no-store');
  t.match(await login(codeIn(url)), { status: 403, json: { detail: /was used/ } }, 'once');
  const cookie = cookieIn(entered.headers['set-cookie']);
  t.match(await ask(port, '/api/v1/me', { headers: { cookie } }), { status: 200, json: { role: 'operator' } });
  const change = (headers: Record<string, string>) =>
    ask(port, '/api/v1/peer/rekey', { method: 'POST', headers: { cookie, ...headers }, body: { name: 'hub' } });
  t.match(await change({ origin }), { status: 200 });
  t.match(await change({ 'sec-fetch-site': 'same-origin' }), { status: 200 });
  t.match(await change({}), { status: 403 }, 'a cookie alone changes nothing');
  t.match(await change({ origin: 'http://127.0.0.1:1' }), { status: 403 }, 'nor does a page of another port');
  t.match(await change({ 'sec-fetch-site': 'cross-site' }), { status: 403 });
  t.strictSame(
    supervisor.calls.filter((call) => call.startsWith('rekey')),
    ['rekey hub', 'rekey hub'],
  );
  t.ok(emitted.some((event) => event.kind === 'log' && /peer\.rekey by login/.test(event.message)));
  t.match(await ask(port, '/api/v1/logout', { method: 'POST', headers: { cookie, origin } }), { status: 200 });
  t.match(await ask(port, '/api/v1/me', { headers: { cookie } }), { status: 401 });
});

t.test('who is wrong too often waits; who is right does not', async (t) => {
  const { port, tokens, emitted } = await startFakeApi(t);
  const login = () => ask(port, '/api/v1/login', { method: 'POST', body: { code: 'wrong' } });
  const codes: number[] = [];
  for (let tries = 0; tries < 7; tries += 1) codes.push((await login()).status);
  t.strictSame(codes, [403, 403, 403, 403, 403, 429, 429]);
  t.match((await login()).headers['retry-after'], /^\d+$/);
  const wrong: number[] = [];
  for (let tries = 0; tries < 30; tries += 1)
    wrong.push((await ask(port, '/api/v1/me', { headers: bearer('hawser_no') })).status);
  t.equal(wrong.filter((status) => status === 401).length, 20);
  t.equal(wrong.at(-1), 429);
  t.match(await ask(port, '/api/v1/me', { headers: bearer(tokens.viewer) }), { status: 200 });
  t.match(
    emitted.filter(({ kind }) => kind === 'api-refused'),
    Array.from({ length: 25 }, () => ({ address: '127.0.0.1' })),
  );
});

t.test('what is no JSON, too long, or for another host is refused', async (t) => {
  const { port, tokens } = await startFakeApi(t);
  const headers = bearer(tokens.admin);
  const post = (body: string, type = 'application/json') =>
    ask(port, '/api/v1/failover', { method: 'POST', headers: { ...headers, 'content-type': type }, body });
  t.match(await post('{"link":"fibre"}'), { status: 200 });
  t.match(await post(''), { status: 200 }, 'nothing stands for no parameters');
  t.match(await post('link=fibre', 'application/x-www-form-urlencoded'), { status: 415 });
  t.match(await post('{"link":"fibre"}', 'text/plain'), { status: 415 });
  t.match(await post('{"link":'), { status: 400, json: { title: 'Bad request' } });
  t.match(await post('{"__proto__":{"link":"fibre"}}'), { status: 400 });
  t.match(await post('["fibre"]'), { status: 400 });
  t.match(await post('null'), { status: 400 }, 'which is not nothing');
  t.match(await ask(port, '/api/v1/status', { method: 'PUT', headers }), { status: 405 });
  t.match(
    await ask(port, '/api/v1/status', { method: 'SEARCH', headers }),
    { status: 405 },
    'of which fastify wants a type',
  );
  t.match(await post(`{"link":"${'x'.repeat(70_000)}"}`), { status: 413 });
  t.match(await ask(port, '/api/v1/me', { headers: { ...headers, host: 'evil.example' } }), { status: 421 });
  t.match(await ask(port, '/api/v1/nothing', { headers }), {
    status: 404,
    headers: { 'content-type': 'application/problem+json', 'x-content-type-options': 'nosniff' },
  });
  t.match(await ask(port, '/api/v1/status', { method: 'DELETE', headers }), {
    status: 405,
    headers: { allow: 'GET, HEAD' },
  });
  t.notMatch((await ask(port, '/api/v1/status', { headers })).headers, { 'access-control-allow-origin': /./ });
});

t.test('what Node refuses before it is a request is answered in our words too', async (t) => {
  const { port, tokens } = await startFakeApi(t);
  const headers = { ...bearer(tokens.admin), cookie: `others=${'x'.repeat(9000)}` };
  const type = 'application/problem+json';
  t.match(await ask(port, '/api/v1/status', { headers }), {
    status: 431,
    headers: { 'content-type': type },
    json: { status: 431, detail: /8192 bytes at most/ },
  });
  const socket = connect(port, '127.0.0.1');
  // A TLS client that meets plain HTTP.
  socket.end(Buffer.from('16030100c8010000c4', 'hex'));
  let said = '';
  for await (const chunk of socket) said += String(chunk);
  t.match(said, /^HTTP\/1\.1 400 Bad Request\r\n.*connection: close\r\n\r\n{.*no request of HTTP.*}$/s);
});

t.test('a history that cannot be asked is 503 in words, and comes back', async (t) => {
  const { port, tokens, supervisor } = await startFakeApi(t);
  const world = { state: 'failed' as ActorState, sent: [] as number[] };
  const desk = new CallDesk({
    command: (_actorId, { id }) => void world.sent.push(id),
    stateOf: () => world.state,
  });
  let asked = 0;
  const history = (verb: string, params: unknown): Promise<unknown> => {
    asked += 1;
    return desk.call('history-keeper', verb, params);
  };
  Object.assign(supervisor, { history });
  const read = () => ask(port, '/api/v1/history/info', { headers: bearer(tokens.viewer) });
  const problem = (name: string, remedy: RegExp) => ({
    status: 503,
    headers: { 'content-type': /^application\/problem\+json/ },
    json: { type: `urn:hawser:problem:${name}`, remedy },
  });
  t.match(await read(), problem('actor-failed', /hawser actor restart history-keeper/), 'one that could not be kept');

  world.state = 'starting';
  const late = read();
  await until('the question waits', () => asked === 2);
  desk.handleGivenUp('history-keeper');
  t.match(await late, problem('actor-failed', /errors --stack/), 'one that is given up meanwhile');

  world.state = 'running';
  const unheard = read();
  await until('the question is sent', () => world.sent.length === 1);
  desk.handleNew('history-keeper');
  t.match(await unheard, problem('silent', /hawser actors/), 'one that died over it');

  const heard = read();
  await until('the question is sent', () => world.sent.length === 2);
  desk.answerActorCall(world.sent[1] ?? 0, { ok: true, value: { bytes: 1 } });
  t.match(await heard, { status: 200, json: { bytes: 1 } });
});

t.test('instances of one host do not share a cookie, since cookies know no ports', async (t) => {
  t.not(cookieNameOf('home'), cookieNameOf('hub'));
  const { port, supervisor } = await startFakeApi(t);
  const [, code = ''] = supervisor.openLogin('viewer').url.split('#login=');
  const entered = await ask(port, '/api/v1/login', { method: 'POST', body: { code } });
  const cookie = cookieIn(entered.headers['set-cookie']);
  const others = `${cookieNameOf('another')}=${'x'.repeat(43)}`;
  t.match(await ask(port, '/api/v1/me', { headers: { cookie: `${others}; ${cookie}` } }), { status: 200 });
});

async function openStream(t: Test, port: number, token: string, route: string) {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  socket.write(`GET /api/v1/${route} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  return socket;
}

t.test('a reader of events that does not read costs nobody anything, and hears what it missed', async (t) => {
  const { port, tokens, supervisor } = await startFakeApi(t);
  const add = (count: number): void => {
    const from = supervisor.log.length;
    const more = Array.from({ length: count }, (_, index) => {
      return { id: from + index + 1, timeMs: 0, source: 'sealer', kind: 'exit', reason: 'x'.repeat(20_000) } as const;
    });
    supervisor.log = [...supervisor.log, ...more];
  };
  add(1);
  const dead = await openStream(t, port, tokens.viewer, 'follow');
  dead.pause();
  const quick = await openStream(t, port, tokens.viewer, 'follow?since=1');
  let heard = '';
  quick.setEncoding('utf8').on('data', (chunk: string) => {
    heard += chunk;
  });
  for (let round = 0; round < 40; round += 1) {
    add(50);
    const last = supervisor.log.length;
    for (let tries = 0; tries < 400 && !heard.includes(`\nid: ${last}\n`); tries += 1) await sleep(10);
    t.ok(heard.includes(`\nid: ${last}\n`), `the quick one has heard of ${last}`);
    heard = heard.slice(-100);
  }
  let [told, left, end] = [0, 0, ''];
  dead.setEncoding('utf8').on('data', (chunk: string) => {
    const text = end + chunk;
    // A line that is cut is counted with the next chunk.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    end = text.slice(whole.length);
    told += whole.match(/"kind":"exit"/g)?.length ?? 0;
    for (const [, count] of whole.matchAll(/"kind":"left-out","count":(\d+)/g)) left += Number(count);
  });
  dead.resume();
  for (let tries = 0; tries < 1000 && told + left < 2001; tries += 1) await sleep(10);
  t.ok(left > 0, 'it is told that events were left out');
  t.equal(told + left, 2001, 'each event is told or counted');
});
