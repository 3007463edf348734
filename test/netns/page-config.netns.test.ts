/** The configuration in the web page, in a real Chromium: judged, compared, kept, and taken back when it cuts off its own page. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import type { EventRecord } from '../../src/control/events.ts';
import type { Status } from '../../src/control/rows.ts';
import { browserSkipReason, findings, openPage, picture, startBrowser, view } from '../support/browser.ts';
import { Daemon, runCli } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { until } from '../support/until.ts';

const skip = skipReason() || browserSkipReason();
const apiPort = 8474;
/** What a browser on a busy machine needs now and then. */
const patience = { timeout: 30_000 } as const;

t.setTimeout(240_000);

t.test('the page changes the configuration, with a way back', skip === false ? {} : { skip }, async (t) => {
  const tokens = path.join(t.testdir(), 'tokens');
  const lab = new Lab();
  t.teardown(() => lab.close());
  const host = lab.host('home');
  const daemon = new Daemon(lab, host, {
    keys: generateKeys(),
    addresses: ['10.9.0.2/24'],
    peers: [{ name: 'hub', publicKey: generateKeys().publicKey, allowedIPs: ['10.9.0.0/24'] }],
    more: { api: { listen: `127.0.0.1:${apiPort}`, tokensFile: tokens } },
  });
  await runCli(['token', 'add', 'me', '--role', 'operator', '--file', tokens]);
  await daemon.start();
  const events = (): Promise<readonly EventRecord[]> => daemon.ask<readonly EventRecord[]>('events');
  await until('the API is on', async () => (await events()).some(({ kind }) => kind === 'api-on'));
  const browser = await startBrowser(lab, host);
  t.teardown(() => browser.close());
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const { page, faults } = await openPage(context);
  const open = async (role: string): Promise<void> => {
    const { url } = await daemon.ask<{ readonly url: string }>('login.open', { role });
    await page.goto('about:blank');
    await page.goto(url);
    await page.locator('.verdict h1').waitFor(patience);
  };
  await open('admin');

  await t.test('the configuration: judged as it is written, compared, kept', async (t) => {
    await view(page, 'Configuration');
    const editor = page.getByLabel('Text of the configuration');
    await until('the text', async () => (await editor.inputValue()).includes('"mtu": 1420'));
    const text = await editor.inputValue();
    const compare = page.getByRole('button', { name: 'Compare and apply' });
    await editor.fill(text.replace('"mtu": 1420', '"mtu": 14'));
    await page.getByText('tunnel.mtu: 14 is out of range').waitFor(patience);
    t.ok(await compare.isDisabled(), 'what has faults is not applied');
    t.same(await findings(page), [], 'axe, faults');
    await picture(page, 'faults');
    const heights = await page
      .locator('.editor > *')
      .evaluateAll((all) => all.map((one) => (one as unknown as { clientHeight: number }).clientHeight));
    t.ok((heights[0] ?? 0) > 300 && (heights[0] ?? 0) <= (heights[1] ?? 0) + 4, `numbers beside the lines: ${heights}`);
    t.equal(await page.locator('.editor .bad').textContent(), '11\n');
    await page.getByRole('button', { name: /^Line \d+$/ }).click();
    t.ok(await editor.evaluate((field) => field === field.ownerDocument.activeElement), 'a fault leads to its place');
    await page.getByText('Of the interface; auto = 1420').waitFor(patience);
    await editor.fill(text.replace('"mtu": 1420', '"mtu": 1380'));
    await page.getByText('No problems.').waitFor(patience);
    await compare.click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('tunnel.mtu changed from 1420 to 1380').waitFor(patience);
    t.match(await dialog.locator('.diff .added').allTextContents(), [/^\+.*"mtu": 1380/]);
    t.same(await findings(page), [], 'axe, a difference');
    await picture(page, 'difference');
    await page.keyboard.press('Tab');
    await dialog.getByRole('button', { name: 'Apply for 60 s' }).click();
    await page.getByText(/It is taken back in \d+ s/).waitFor(patience);
    t.match(await daemon.ask('status'), { mtu: 1380, trial: {} });
    t.same(await findings(page), [], 'axe, on trial');
    await view(page, 'Overview');
    await page.getByRole('button', { name: 'Keep it' }).click();
    await page.getByText('The configuration was kept').waitFor(patience);
    t.match(readFileSync(daemon.configPath, 'utf8'), /"mtu": 1380/);
  });

  await t.test('a change that cuts off its own page is taken back by itself', async (t) => {
    await view(page, 'Configuration');
    const editor = page.getByLabel('Text of the configuration');
    const before = readFileSync(daemon.configPath, 'utf8');
    await editor.fill((await editor.inputValue()).replace(`:${apiPort}"`, ':8475"'));
    await page.getByRole('button', { name: 'Compare and apply' }).click();
    await page.getByRole('dialog').getByText('api changed').waitFor(patience);
    const known = faults.length;
    // A test waits for less than a minute.
    await page.route('**/config/apply', (route) =>
      route.continue({ postData: JSON.stringify({ ...(route.request().postDataJSON() as object), seconds: 8 }) }),
    );
    await page.getByRole('button', { name: 'Apply for 60 s' }).click();
    await page.getByText('The daemon does not answer').first().waitFor(patience);
    await until('it is on trial', async () => (await daemon.ask<Status>('status')).trial !== undefined);
    t.equal(readFileSync(daemon.configPath, 'utf8'), before, 'the file is the old one');
    await page
      .getByText('The daemon does not answer')
      .first()
      .waitFor({ ...patience, state: 'detached' });
    await until('it is taken back', async () => (await events()).some(({ kind }) => kind === 'config-taken-back'));
    await until('the page knows it', async () => (await page.getByText(/It is taken back in/).count()) === 0);
    t.ok((await editor.inputValue()).includes(':8475'), 'nothing that was written is lost');
    // What it met while nobody listened there.
    faults.splice(known);
    await page
      .getByRole('button', { name: 'Cancel' })
      .click({ timeout: 1000 })
      .catch(() => undefined);
  });

  await t.test('an operator sees no editor', async (t) => {
    t.same(faults, [], 'nothing was wrong on the way');
    await open('operator');
    t.equal(await page.getByRole('navigation').getByText('Configuration').count(), 0);
    await page.evaluate('location.hash = "#/config"');
    await page.locator('.verdict').waitFor(patience);
    t.equal(await page.locator('textarea').count(), 0);
  });
  t.equal(await daemon.stop(), 0);
});
