/**
 * Clients that are added, changed, cut off and removed on a hub with `--peers 1000` others connected: what each command takes at the socket, and
 * what somebody else's packets notice. Round trips of one datagram a millisecond, in windows of `--seconds` (5) without and with such commands
 * (each kind in turn, one command every 50 ms), `--pairs` of each.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlConnection } from '../../src/cli/control-client.ts';
import { generateKeys } from '../../test/support/keys.ts';
import { compileTwin, median, option, pairCount, quantile, report, spread } from '../support/bench.ts';
import { connect, gather } from './crowd.ts';
import { answerAtHub, roundTrips } from './round-trips.ts';

const windowS = Math.max(2, Number(option('seconds', '5')));
const everyMs = 50;
const settleS = 15;
/** More than `pairs` windows add. */
const room = 10_000;

const kinds = ['add', 'set', 'disable', 'enable', 'kick', 'remove'] as const;
type Kind = (typeof kinds)[number];

class Commands {
  readonly tookMs = new Map<Kind, number[]>(kinds.map((kind) => [kind, []]));
  readonly #connection: ControlConnection;
  #count = 0;

  constructor(connection: ControlConnection) {
    this.#connection = connection;
  }

  /** One client's life after the other, until `untilMs`. */
  async run(untilMs: number): Promise<void> {
    while (performance.now() < untilMs) {
      this.#count += 1;
      const name = `c${this.#count}`;
      for (const kind of kinds) {
        const beganMs = performance.now();
        await this.#one(kind, name);
        this.tookMs.get(kind)?.push(performance.now() - beganMs);
        await sleep(everyMs);
      }
    }
  }

  async #one(kind: Kind, name: string): Promise<void> {
    const connection = this.#connection;
    if (kind === 'add') await connection.request('client.add', { name, publicKey: generateKeys().publicKey });
    else if (kind === 'set') await connection.request('client.set', { name, rates: { down: 10 } });
    else await connection.request(`client.${kind}`, { name });
  }

  close(): void {
    this.#connection.close();
  }
}

async function measure(program: string, count: number): Promise<void> {
  const crowd = await gather(count, room);
  try {
    const { hub } = crowd;
    answerAtHub(program, crowd);
    await connect(crowd, count);
    await sleep(settleS * 1000);
    // Its thread and those of the data path run what they run later, and V8 has compiled it.
    await roundTrips(program, crowd, windowS);
    const runDirectory = `${crowd.lab.folder}/run`;
    const commands = new Commands(await ControlConnection.open({ name: hub.name, runDirectory }));
    const windows: Record<'without' | 'with', (readonly number[])[]> = { without: [], with: [] };
    for (let pair = 0; pair < pairCount; pair += 1) {
      windows.without.push(await roundTrips(program, crowd, windowS));
      const untilMs = performance.now() + windowS * 1000 - everyMs;
      const [trips] = await Promise.all([roundTrips(program, crowd, windowS), commands.run(untilMs)]);
      windows.with.push(trips);
    }
    commands.close();
    for (const [kind, took] of commands.tookMs) {
      const sorted = Float64Array.from(took).sort();
      for (const [name, share] of [
        ['p50', 0.5],
        ['p99', 0.99],
        ['max', 1],
      ] as const)
        report(
          'changes-socket',
          { peers: count, kind, calls: took.length, quantile: name },
          quantile(sorted, share),
          'ms',
        );
    }
    for (const [index, name] of ['p50', 'p99', 'p99.9', 'max'].entries())
      for (const [side, rows] of Object.entries(windows)) {
        const values = rows.map((row) => row[index] ?? Number.NaN);
        report(
          'changes-others',
          { peers: count, changes: side, quantile: name, spread: spread(values) },
          median(values),
          'ms',
        );
      }
    for (const [side, rows] of Object.entries(windows))
      report(
        'changes-lost',
        { peers: count, changes: side },
        rows.reduce((all, row) => all + (row[4] ?? 0), 0),
        'packets',
      );
  } finally {
    await crowd.lab.close();
  }
}

const twin = compileTwin('tunnel/load.c');
try {
  for (const count of option('peers', '1000').split(',')) await measure(twin.program, Number(count));
} finally {
  twin.remove();
}
