/** Codes and logins: once, for a minute, for half a day, and never more than a few. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { ApiConfig } from '../../src/config/api-schema.ts';
import { hashOf } from '../../src/control/token-file.ts';
import { LoginDesk } from '../../src/instance/login-desk.ts';

const api: ApiConfig = {
  listen: { host: '0.0.0.0', port: 8474 },
  hosts: ['hub.example.net'],
  tls: undefined,
  tokensFile: '/etc/hawser/tokens',
  metrics: true,
  page: true,
};

function start(config: ApiConfig | undefined = api) {
  const world = { nowMs: 1000, trouble: [] as { text: string; remedy: string }[], hasSaid: true, hasFailed: false };
  const desk = new LoginDesk({
    nowMs: () => world.nowMs,
    api: () => config,
    trouble: () => world.trouble,
    hasSaid: () => world.hasSaid,
    hasFailed: () => world.hasFailed,
  });
  const code = (): string => desk.openLogin('viewer').url.split('#login=')[1] ?? '';
  return { world, desk, code };
}

t.test('a code is good once, within a minute', async (t) => {
  const { world, desk, code } = start();
  const first = code();
  const { secret, login } = desk.redeemLogin(first);
  t.match(login, { hash: hashOf(secret), role: 'viewer', leftMs: 12 * 3_600_000 });
  t.throws(() => desk.redeemLogin(first), { code: 'LOGIN' });
  t.throws(() => desk.redeemLogin('never-given'), { code: 'LOGIN' });
  const late = code();
  world.nowMs += 60_001;
  t.throws(() => desk.redeemLogin(late), { code: 'LOGIN' });
  const inTime = code();
  world.nowMs += 60_000;
  t.ok(desk.redeemLogin(inTime));
});

t.test('a login ends by logout and by time, and the oldest makes room', async (t) => {
  const { world, desk, code } = start();
  const { login } = desk.redeemLogin(code());
  world.nowMs += 3_600_000;
  t.strictSame(desk.logins(), [{ ...login, leftMs: 11 * 3_600_000 }]);
  desk.endLogin(login.hash);
  t.strictSame(desk.logins(), []);
  desk.redeemLogin(code());
  world.nowMs += 12 * 3_600_000 + 1;
  t.strictSame(desk.logins(), []);
  const oldest = code();
  for (let count = 0; count < 16; count += 1) code();
  t.throws(() => desk.redeemLogin(oldest), { code: 'LOGIN' });
  for (let count = 0; count < 70; count += 1) desk.redeemLogin(code());
  t.equal(desk.logins().length, 64);
});

t.test('openLoginSoon() waits until it is known whether HTTP is on', async (t) => {
  const { world, desk } = start();
  world.hasSaid = false;
  let isThere = false;
  const opened = desk.openLoginSoon('viewer').then(({ url }) => {
    isThere = true;
    return url;
  });
  await sleep(120);
  t.notOk(isThere);
  world.hasSaid = true;
  t.match(await opened, /#login=/);
  world.hasSaid = false;
  world.hasFailed = true;
  await t.rejects(desk.openLoginSoon('viewer'), { code: 'API_OFF', message: /hawser actor restart api-server/ });
  await t.rejects(start({ ...api, page: false }).desk.openLoginSoon('viewer'), { code: 'API_OFF' });
});

t.test('openLogin() names an address that a browser reaches, or why there is none', async (t) => {
  const { world, desk } = start();
  t.match(desk.openLogin('admin').url, /^http:\/\/127\.0\.0\.1:8474\/#login=/);
  const tls = { certificate: '/a', key: '/b' };
  t.match(start({ ...api, tls }).desk.openLogin('admin').url, /^https:\/\/hub\.example\.net:8474\/#/);
  t.match(start({ ...api, listen: { host: '::', port: 1 } }).desk.openLogin('admin').url, /^http:\/\/\[::1\]:1\/#/);
  t.throws(() => start({ ...api, page: false }).desk.openLogin('admin'), /serves no page/);
  world.trouble = [{ text: 'The HTTP API is off: x', remedy: 'hawser token add' }];
  t.throws(() => desk.openLogin('admin'), { code: 'API_OFF', message: /off: x \(hawser token add\)/ });
});
