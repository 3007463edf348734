/** Webhooks of a real daemon: a receiver on its host, signed, in order, over a restart; a change of them touches nobody else. */
import { createHmac, randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { WebhookStatus } from '../../src/control/webhooks.ts';
import { runCli } from '../support/daemon.ts';
import { skipReason } from '../support/netns.ts';
import { buildPair } from '../support/pair.ts';
import { receiverUrl, receiveWebhooks } from '../support/webhook-receiver.ts';

const skip = skipReason();
t.setTimeout(180_000);

t.test('events reach a receiver, signed and in order, over a SIGKILL', skip === false ? {} : { skip }, async (t) => {
  const pair = buildPair();
  const { a, b, hosts, lab } = pair;
  t.teardown(() => lab.close());
  const folder = path.dirname(a.configPath);
  const secret = randomBytes(32);
  const secretFile = path.join(folder, 'hook.secret');
  writeFileSync(secretFile, `whsec_${secret.toString('base64')}\n`, { mode: 0o600 });
  const file = path.join(folder, 'got');
  const down = `${file}.down`;
  const got = receiveWebhooks(t, hosts.a, file);
  const hook = { url: receiverUrl, events: ['link-*', 'reload', 'ready'], secretFile, allowPrivate: true };
  const config = JSON.parse(readFileSync(a.configPath, 'utf8')) as Record<string, unknown>;
  const write = (webhooks: readonly object[]) =>
    writeFileSync(a.configPath, JSON.stringify({ ...config, webhooks }, undefined, 2));
  write([hook]);
  await b.start();
  await a.start();
  const kinds = (): string[] => got().map(({ body }) => (JSON.parse(body) as { event: { kind: string } }).event.kind);
  const becomes = async (isRight: () => boolean | Promise<boolean>): Promise<boolean> => {
    for (let tries = 0; tries < 300; tries += 1) {
      if (await isRight()) return true;
      await sleep(100);
    }
    return false;
  };
  const test = await a.cli('webhook', 'test');
  t.match(test.stdout, /127\.0\.0\.1:8099 {2}took it: HTTP 204/, test.stderr);
  t.ok(await becomes(() => kinds().includes('ready')), 'what was before this thread began');
  await a.ask('link.disable', { name: 'default' });
  t.ok(await becomes(() => kinds().includes('link-disabled')), kinds().join());
  writeFileSync(down, '');
  await a.ask('link.enable', { name: 'default' });
  const list = () => a.ask<readonly WebhookStatus[]>('webhook.list');
  t.ok(
    await becomes(async () => (await list())[0]?.waiting === 1 || ((await list())[0]?.failures ?? 0) > 0),
    'it waits',
  );
  await a.ask('link.disable', { name: 'default' });
  await becomes(async () => ((await list())[0]?.waiting ?? 0) >= 2);
  t.match((await a.cli('webhook', 'list')).stdout, /127\.0\.0\.1:8099 .*failures: HTTP 503/);
  await a.stop('SIGKILL');
  await a.start();
  rmSync(down);
  t.ok(await becomes(() => kinds().filter((kind) => kind === 'link-disabled').length === 2), kinds().join());
  t.ok(await becomes(() => kinds().filter((kind) => kind === 'ready').length === 2), 'each start, once');
  await a.cli('actor', 'restart', 'webhook-sender');
  const links = kinds().filter((kind) => kind === 'link-disabled' || kind === 'link-enabled');
  t.strictSame(links.slice(0, 3), ['link-disabled', 'link-enabled', 'link-disabled'], 'in order, once');
  const ids = got().map(({ headers }) => headers['webhook-id']);
  t.equal(new Set(ids).size, ids.length, 'each once');
  for (const { headers, body } of got()) {
    const right = createHmac('sha256', secret).update(
      `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`,
    );
    t.equal(headers['webhook-signature'], `v1,${right.digest('base64')}`);
  }

  const threads = async () => (await a.actors()).map(({ id, threadId }) => `${id} ${threadId}`);
  const old = await threads();
  write([hook, { ...hook, url: 'https://127.0.0.1:8098/', allowPrivate: false }]);
  t.match((await a.cli('reload')).stdout, /webhooks changed/);
  t.strictSame(
    (await threads()).filter((one) => !old.includes(one)).map((one) => one.split(' ')[0]),
    ['webhook-sender'],
  );
  const refused = await a.cli('webhook', 'test', '127.0.0.1:8098');
  t.equal(refused.status, 1);
  t.match(refused.stdout, /no public address .*allowPrivate/);
  t.match((await b.cli('webhook', 'list')).stderr, /has no webhooks/);

  const gotByB = receiveWebhooks(t, hosts.b, `${file}.b`);
  for (const verb of ['link.disable', 'link.disable', 'link.enable'] as const) await b.ask(verb, { name: 'default' });
  const configB = JSON.parse(readFileSync(b.configPath, 'utf8')) as object;
  writeFileSync(b.configPath, JSON.stringify({ ...configB, webhooks: [{ ...hook, events: ['link-*'] }] }));
  t.match((await b.cli('reload')).stdout, /webhooks changed/);
  await b.ask('link.disable', { name: 'default' });
  t.ok(await becomes(() => gotByB().length > 0));
  await b.ask('link.enable', { name: 'default' });
  await b.ask('link.disable', { name: 'default' });
  t.ok(await becomes(() => gotByB().length >= 3));
  const kindsOfB = gotByB().map(({ body }) => (JSON.parse(body) as { event: { kind: string } }).event.kind);
  t.strictSame(
    kindsOfB,
    ['link-disabled', 'link-enabled', 'link-disabled'],
    'who is added hears of nothing that was before',
  );
  chmodSync(secretFile, 0o644);
  const checked = await runCli(['check', a.configPath]);
  t.equal(checked.status, 78);
  t.match(checked.stderr + checked.stdout, /webhooks\[0\]\.secretFile: .*chmod 600/);
});
