/** The web page in a real Chromium, on the host of a real daemon with two emulated links. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import jsQR from 'jsqr';
import type { Locator, Page } from 'playwright-core';
import t from 'tap';
import { formatKey, parseKey, publicKeyOf } from '../../src/config/keys.ts';
import type { ClientRow } from '../../src/control/client-calls.ts';
import type { EventRecord } from '../../src/control/events.ts';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { type Bond, startBond } from '../support/bond.ts';
import { browserSkipReason, findings, openPage, picture, startBrowser, view } from '../support/browser.ts';
import { runCli } from '../support/daemon.ts';
import { sendUdp, UdpSink } from '../support/flows.ts';
import { HttpAsker } from '../support/http-asker.ts';
import { skipReason } from '../support/netns.ts';
import { inside, port } from '../support/pair.ts';
import { until } from '../support/until.ts';

const skip = skipReason() || browserSkipReason();
const apiPort = 8474;
const address = `http://127.0.0.1:${apiPort}`;
const flow = { port: 7001, rateMbit: 4 } as const;
/** What a browser on a busy machine needs now and then. */
const patience = { timeout: 30_000 } as const;

t.setTimeout(480_000);

interface Stage extends Bond {
  readonly token: (name: string, role: string) => Promise<string>;
}

/** The home keeps clients too: one page shows everything. */
async function startStage(): Promise<Stage> {
  // Beside the lab's own folder, which is not there yet.
  const folder = t.testdir();
  const tokens = path.join(folder, 'tokens');
  const bond = await startBond({
    emulated: [
      { name: 'fibre', rateMbit: 30, delayMs: 8 },
      { name: 'lte', rateMbit: 15, delayMs: 25 },
    ],
    more: {
      listen: { udp: port },
      history: {},
      server: { pool: '10.20.0.0/24', endpoint: 'hub.example.net' },
      api: { listen: `127.0.0.1:${apiPort}`, tokensFile: tokens },
    },
  });
  const token = async (name: string, role: string): Promise<string> => {
    const { status, stdout, stderr } = await runCli(['token', 'add', name, '--role', role, '--file', tokens]);
    if (status !== 0) throw new Error(stderr);
    return stdout.trim();
  };
  return { ...bond, token };
}

/** What a camera would read off the drawn modules. */
async function textOfQr(page: Page): Promise<string> {
  const path = (await page.locator('svg.qr path').getAttribute('d')) ?? '';
  const size = Number((await page.locator('svg.qr').getAttribute('viewBox'))?.split(' ')[2]);
  const [scale, width] = [3, size * 3];
  const pixels = new Uint8ClampedArray(4 * width * width).fill(255);
  for (const [, x, y] of path.matchAll(/M(\d+) (\d+)h1v1h-1z/g))
    for (let at = 0; at < scale * scale; at += 1) {
      const [column, row] = [Number(x) * scale + (at % scale), Number(y) * scale + Math.floor(at / scale)];
      pixels.set([0, 0, 0], 4 * (row * width + column));
    }
  return Buffer.from(jsQR.default(pixels, width, width)?.binaryData ?? []).toString('utf8');
}

t.test('the page shows an instance, and steers it as far as a role goes', skip === false ? {} : { skip }, async (t) => {
  const { lab, net, rope, token } = await startStage();
  t.teardown(() => lab.close());
  const { client: home } = rope;
  const viewer = await token('looker', 'viewer');
  const events = (): Promise<readonly EventRecord[]> => home.ask<readonly EventRecord[]>('events');
  await until('the API is on', async () => (await events()).some(({ kind }) => kind === 'api-on'));
  await UdpSink.start(net.server, flow.port);
  sendUdp(net.client, inside.b4, flow.port, { rateMbit: flow.rateMbit, seconds: 600 });
  const browser = await startBrowser(lab, net.client);
  t.teardown(() => browser.close());
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
  const { page, faults, origins } = await openPage(context);

  await t.test('a login of `hawser open` is good for one look at everything', async (t) => {
    const opened = await home.cli('open', '--role', 'admin');
    const answer = await page.goto(opened.stdout.trim().split('\n')[0] ?? '');
    const policy = answer?.headers()['content-security-policy'] ?? '';
    t.match(policy, /default-src 'none'.*script-src 'self'/);
    t.notMatch(policy, /unsafe|https?:/);
    await page.locator('.verdict h1').waitFor(patience);
    t.notMatch(page.url(), /login/, 'the code is out of the address');
    t.same(await page.locator('[data-link] h2').allTextContents(), ['fibre', 'lte']);
    t.same(await findings(page), [], 'axe, light');
  });

  await t.test('the plot moves, and shows which link carries', async () => {
    const plot = page.getByRole('img', { name: /^Received|^Sent/ });
    await page.getByRole('button', { name: 'Sent', exact: true }).click();
    const drawn = (): Promise<string> =>
      plot.locator('canvas').evaluate((canvas) => (canvas as { toDataURL(): string }).toDataURL());
    const before = await drawn();
    await until('the picture changes', async () => (await drawn()) !== before);
    await until('a rate', async () => /fibre [\d.]+ Mbit\/s/.test((await plot.getAttribute('aria-label')) ?? ''));
    await page.getByRole('button', { name: '1 h', exact: true }).click();
    await until(
      'a rate of the history',
      async () =>
        (await drawn()) !== before && /fibre [\d.]+ [Mk]bit\/s/.test((await plot.getAttribute('aria-label')) ?? ''),
    );
    await picture(page, 'history');
    await page.getByRole('button', { name: '2 min' }).click();
  });

  await t.test('a cut of the fibre shows with its sentence, and its repair', async (t) => {
    // A busy machine has failovers of its own: fibre must carry to be left.
    const carries = async (): Promise<boolean> => {
      const paths = await home.ask<readonly PathStatus[]>('paths');
      const fibre = paths.find(({ link }) => link === 'fibre');
      return paths.every(({ condition }) => condition === 'live') && (fibre?.sharePercent ?? 0) > 50;
    };
    await until('fibre carries', carries);
    const startMs = Date.now();
    await net.links[0]?.blackhole('both', true);
    const isCut = ({ kind, timeMs, ...event }: EventRecord): boolean =>
      kind === 'failover' && timeMs >= startMs && 'from' in event && event.from === 'fibre';
    // The one that counts has its time, and stands in the list with it.
    const shown = page.locator('li[data-kind="failover"]', { hasText: 'fibre was left for lte: ' }).first();
    const shownAtMs = async (): Promise<number> =>
      (await shown.count()) === 0 ? 0 : Date.parse((await shown.locator('time').getAttribute('datetime')) ?? '');
    await until('the failover is shown', async () => (await shownAtMs()) >= startMs);
    const shownMs = Date.now();
    const failover = (await events()).find(isCut);
    t.ok(
      shownMs - (failover?.timeMs ?? 0) < 2000,
      `shown ${shownMs - (failover?.timeMs ?? 0)} ms after the daemon knew`,
    );
    t.comment(`${shownMs - startMs} ms after the cut`);
    await page.locator('.verdict.hurt .problem', { hasText: 'fibre' }).first().waitFor(patience);
    const mark = page.getByRole('button', { name: /fibre was left for lte/ }).last();
    await mark.focus();
    t.ok(await mark.locator('.bubble').isVisible(), 'a mark tells its sentence by keyboard');
    t.same(await findings(page), [], 'axe, with a mark');
    await picture(page, 'cut');
    await net.links[0]?.blackhole('both', false);
    await page.locator('.lastmark', { hasText: 'fibre carries again' }).waitFor(patience);
  });

  await t.test('a client is added, its code decodes, it is disabled and removed', async (t) => {
    await view(page, 'Clients');
    await page.getByRole('button', { name: 'Add a client' }).click();
    await page.getByLabel('Name', { exact: true }).fill('phone');
    await page.getByText('Limits of its own').click();
    await page.getByLabel('GB in a day').fill('5');
    t.same(await findings(page), [], 'axe, a form');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.locator('svg.qr').waitFor(patience);
    await picture(page, 'client');
    const file = await textOfQr(page);
    t.match(file, /^Endpoint = hub\.example\.net:/m);
    const key = parseKey(/^PrivateKey = (\S+)$/m.exec(file)?.[1] ?? '') ?? new Uint8Array(32);
    const [row] = await home.ask<readonly ClientRow[]>('client.list');
    t.equal(
      row?.devices[0]?.publicKey,
      formatKey(publicKeyOf(key)),
      'the key was made here, and its public half is known',
    );
    t.equal(row?.quota.dailyBytes, 5e9);
    await page.getByRole('button', { name: 'Done' }).click();
    t.notMatch(await page.content(), /PrivateKey/, 'shown once');
    await page.getByRole('button', { name: 'Disable phone' }).click();
    await page.locator('tr', { hasText: 'phone' }).getByText('disabled').waitFor(patience);
    t.match(await home.ask('client.show', { name: 'phone' }), { state: 'disabled' });
    await page.locator('tr', { hasText: 'phone' }).getByText('0 MB of 5 GB').waitFor(patience);
    await page.getByRole('button', { name: 'Remove phone' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    t.equal((await home.ask<readonly ClientRow[]>('client.list')).length, 1, 'a second thought');
    await page.getByRole('button', { name: 'Remove phone' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove phone' }).click();
    await page.getByText('No clients yet.').waitFor(patience);
    t.same(await home.ask('client.list'), []);
  });

  await t.test('on a phone all views are one press away, and who is looked for can be read', async (t) => {
    await page.setViewportSize({ width: 390, height: 844 });
    const sizeOf = async (locator: Locator) => (await locator.boundingBox()) ?? { width: 0, height: 0 };
    const tabs = await page.getByRole('navigation').getByRole('link').all();
    const heights = await Promise.all(tabs.map(async (tab) => Math.round((await sizeOf(tab)).height)));
    t.equal(new Set(heights).size, 1, `${tabs.length} names, each in one line: ${heights}`);
    t.ok((await sizeOf(page.getByRole('searchbox'))).width > 120, 'room for a name');
    t.equal(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), 0);
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  await t.test('an actor is restarted after a question', async (t) => {
    await view(page, 'Actors');
    await page.getByRole('button', { name: 'Restart tun-writer' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Restart' }).click();
    await until('a restart', async () =>
      (await home.actors()).some(({ id, restarts }) => id === 'tun-writer' && restarts === 1),
    );
    t.same(await findings(page), [], 'axe, actors');
    await picture(page, 'actors');
  });

  await t.test('in the dark, for a viewer: nothing to press, and the daemon refuses all the same', async (t) => {
    await page.getByLabel('Appearance and login').click();
    await page.getByRole('combobox').selectOption('dark');
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Token').fill(viewer);
    t.same(await findings(page), [], 'axe, the door');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.locator('.bar').waitFor(patience);
    await page.locator('table').first().waitFor(patience);
    t.equal(await page.getByRole('button', { name: /^Restart/ }).count(), 0);
    t.equal(await page.getByRole('navigation').getByText('Configuration').count(), 0);
    await page.evaluate('location.hash = "#/config"');
    await page.locator('.verdict').waitFor(patience);
    for (const name of ['Events', 'Clients', 'Overview']) {
      await view(page, name);
      await sleep(200);
      t.same(await findings(page), [], `axe, dark, ${name}`);
      await picture(page, `dark-${name.toLowerCase()}`);
      t.equal(await page.getByRole('button', { name: /Add a client|Disable|Send all/ }).count(), 0, name);
    }
    const asker = new HttpAsker(net.client, apiPort);
    t.teardown(() => asker.close());
    t.match(await asker.call(viewer, 'POST', 'link/disable', { name: 'lte' }), { status: 403 });
    await page.setViewportSize({ width: 390, height: 844 });
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    t.equal(overflow, 0, 'a phone has nothing to scroll sideways');
    t.same(await findings(page), [], 'axe, a phone');
  });

  await t.test('a daemon that is gone shows at once, and one that is back heals it', async (t) => {
    t.same(faults, [], 'nothing was wrong until now');
    const stopped = home.stop('SIGKILL');
    await page.getByText('The daemon does not answer').waitFor(patience);
    await stopped;
    await home.start();
    await page.getByText('The daemon does not answer').waitFor({ ...patience, state: 'detached' });
    await page.locator('[data-link="fibre"]').waitFor(patience);
    t.same([...origins], [address], 'nothing was asked of any other host');
  });
});
