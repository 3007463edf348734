/** Delivery by a virtual clock: a receiver that is down for an hour, restarts and kills in between, dead receivers, clocks that jump. */
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { Courier } from '../../../src/actors/webhooks/courier.ts';
import { messageOf, signedHeaders } from '../../../src/actors/webhooks/signature.ts';
import { type Message, mostWaiting, Spool } from '../../../src/actors/webhooks/spool.ts';
import { matchesEvent } from '../../../src/config/event-patterns.ts';
import type { EventRecord, InstanceEvent } from '../../../src/control/events.ts';

const target = 'example.net';
const beginMs = Date.UTC(2026, 10, 30);

function eventOf(id: number, timeMs: number): EventRecord {
  return { id, timeMs, source: 'test', kind: 'failover', peer: 'hub', from: 'lte', to: 'fibre', reason: 'test' };
}

/** A host with one target: a clock of its own, and a receiver that the test answers for. */
class World {
  readonly file: string;
  readonly told: InstanceEvent[] = [];
  readonly received: { id: string; atMs: number; headers: Record<string, string>; body: string }[] = [];
  readonly secret = new Uint8Array(randomBytes(32));
  nowMs = beginMs;
  steadyMs = 5_000;
  tries = 0;
  status: (message: Message) => number = () => 204;
  spool: Spool;
  courier: Courier;

  constructor(file: string) {
    this.file = file;
    this.spool = new Spool(file, [target]);
    this.courier = this.#hire();
  }

  /** Of one process, however it ended: a spool that was not closed is a process that was killed. */
  restart(isKilled: boolean): void {
    if (!isKilled) this.spool.close();
    this.spool = new Spool(this.file, [target]);
    this.courier = this.#hire();
  }

  happen(id: number): void {
    const message = messageOf(eventOf(id, this.nowMs), 'home', 1, target);
    this.spool.add([{ target, message }], { process: 1, event: id });
  }

  /** Time passes; whenever something is due it is done. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.steadyMs + ms;
    for (;;) {
      await this.courier.turn();
      const nextMs = Math.min(untilMs, this.courier.nextAtMs ?? untilMs);
      this.nowMs += Math.max(0, nextMs - this.steadyMs);
      this.steadyMs = Math.max(this.steadyMs, nextMs);
      if (this.steadyMs >= untilMs) return;
    }
  }

  #hire(): Courier {
    return new Courier({
      target,
      spool: this.spool,
      nowMs: () => this.nowMs,
      steadyMs: () => this.steadyMs,
      random: () => 0.5,
      emit: (event) => this.told.push(event),
      send: async (message) => {
        this.tries += 1;
        const status = this.status(message);
        if (status === 0) throw new Error('connect ECONNREFUSED');
        const headers = signedHeaders(this.secret, message, this.nowMs);
        if (status < 300) this.received.push({ id: message.id, atMs: this.nowMs, headers, body: message.body });
        return { status, retryAfterS: undefined };
      },
    });
  }
}

function worldOf(t: { teardown(work: () => void): unknown }): World {
  const folder = mkdtempSync(path.join(tmpdir(), 'hawser-webhooks-'));
  const world = new World(path.join(folder, 'spool.db'));
  t.teardown(() => {
    world.spool.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return world;
}

const numbers = (world: World): number[] =>
  world.received.map(({ body }) => (JSON.parse(body) as { event: { id: number } }).event.id);
const kinds = (world: World): string[] => world.told.map(({ kind }) => kind);

t.test(
  'a receiver that is down for an hour gets all, once, in order, signed; a restart and a kill in between',
  async (t) => {
    const world = worldOf(t);
    world.status = () => 0;
    for (let minute = 0; minute < 60; minute += 1) {
      world.happen(minute + 1);
      await world.pass(60_000);
      if (minute === 20) world.restart(false);
      if (minute === 40) world.restart(true);
    }
    t.equal(world.received.length, 0);
    t.ok(world.tries < 60, `${world.tries} tries in an hour and two starts`);
    world.status = () => 204;
    await world.pass(3_600_000);
    t.strictSame(
      numbers(world),
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
    t.equal(new Set(world.received.map(({ id }) => id)).size, 60);
    for (const { id, headers, body, atMs } of world.received) {
      const signed = `${id}.${Math.floor(atMs / 1000)}.${body}`;
      const right = createHmac('sha256', world.secret).update(signed).digest('base64');
      if (headers['webhook-signature'] !== `v1,${right}` || headers['webhook-id'] !== id) t.fail(`${id} is not signed`);
    }
    t.strictSame(kinds(world).at(-1), 'webhook-recovered');
    t.equal(kinds(world).filter((kind) => kind === 'webhook-failed').length, 3, 'told once by each process');
    // What was delivered is not delivered again by the next process.
    world.restart(true);
    await world.pass(60_000);
    t.equal(world.received.length, 60);
  },
);

t.test('the same event taken twice has one id, and is kept once', async (t) => {
  const world = worldOf(t);
  world.status = () => 0;
  world.happen(7);
  world.happen(7);
  world.restart(true);
  world.happen(7);
  t.equal(world.spool.waiting(target).length, 1);
  t.strictSame(world.spool.progress, { process: 1, event: 7 });
  const other = messageOf(eventOf(7, beginMs), 'home', 2, target);
  t.not(other.id, world.spool.waiting(target)[0]?.id, 'another process counts anew');
});

t.test('a dead receiver grows nothing: the oldest go, and that is said; tries become one an hour', async (t) => {
  const world = worldOf(t);
  world.status = () => 503;
  let dropped = 0;
  for (let id = 1; id <= mostWaiting + 50; id += 1) {
    const message = messageOf(eventOf(id, world.nowMs), 'home', 1, target);
    dropped += world.spool.add([{ target, message }], { process: 1, event: id }).get(target) ?? 0;
  }
  t.equal(world.spool.waiting(target).length, mostWaiting);
  t.equal(dropped, 50);
  const bytes = statSync(world.file).size;
  t.ok(bytes < 2_000_000, `${bytes} bytes`);
  const before = world.tries;
  await world.pass(12 * 3_600_000);
  t.ok(world.tries - before < 40, `${world.tries - before} tries in half a day`);
  t.equal(world.spool.waiting(target).length, mostWaiting, 'nothing is given up before a day has passed');
  await world.pass(48 * 3_600_000);
  t.ok(kinds(world).includes('webhook-dropped'), 'after that day by day');
});

t.test('a clock that is set forward by years gives nothing up', async (t) => {
  const world = worldOf(t);
  world.nowMs = 1000;
  world.status = () => 0;
  world.happen(1);
  await world.pass(60_000);
  world.nowMs = beginMs;
  await world.pass(60_000);
  t.equal(world.spool.waiting(target).length, 1);
  world.status = () => 200;
  await world.pass(3_600_000);
  t.strictSame(numbers(world), [1]);
});

t.test('one that the receiver cannot take does not stop those behind it for ever', async (t) => {
  const world = worldOf(t);
  world.status = ({ body }) => (body.includes('"id":1,') ? 400 : 204);
  for (const id of [1, 2, 3]) world.happen(id);
  await world.pass(600_000);
  t.strictSame(numbers(world), [2, 3]);
  t.strictSame(kinds(world), ['webhook-failed', 'webhook-dropped', 'webhook-recovered']);
});

t.test('a spool that is damaged or cannot be written costs no message of this process', async (t) => {
  const world = worldOf(t);
  world.spool.close();
  writeFileSync(world.file, 'no database at all, but long enough to be looked at'.repeat(50));
  world.restart(true);
  world.happen(1);
  await world.pass(1000);
  t.strictSame(numbers(world), [1]);
  const nowhere = new Spool('/proc/no/such/folder/spool.db', [target]);
  t.not(nowhere.trouble, '');
  nowhere.add([{ target, message: { id: 'x', timeMs: 1, body: '{}' } }], { process: 1, event: 1 });
  t.equal(nowhere.waiting(target).length, 1);
});

t.test('matchesEvent() reads stars', async (t) => {
  t.ok(matchesEvent(['failover', 'quota-*'], 'quota-reset'));
  t.notOk(matchesEvent(['failover', 'quota-*'], 'transport-failover'));
  t.ok(matchesEvent(['*-down'], 'link-down') && matchesEvent(['*'], 'ready') && matchesEvent(['p*h-*n'], 'path-down'));
  t.notOk(matchesEvent(['ready*ready'], 'ready'));
  t.notOk(matchesEvent([], 'ready'));
});
