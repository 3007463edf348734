/**
 * `npm run demo`: a home with fibre and LTE, a hub with one address, one HTTP download over both. In mid-transfer fibre is swallowed
 * silently and comes back, then the hub's sealer is killed. Ends with 0 only if the file arrived intact, both links carried it,
 * it hardly paused, no datagram of a call beside it was lost, fibre was used again, the kill needed no handshake, and the hosts
 * are as they were before. Cleans up on Ctrl-C too.
 */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { textOfEvent } from '../../src/control/event-text.ts';
import type { EventRecord } from '../../src/control/events.ts';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { type Rope, startRope } from '../support/bond.ts';
import { sameMomentMs } from '../support/daemon.ts';
import { sendUdp, UdpSink } from '../support/flows.ts';
import { type EmulatedNet, emulate } from '../support/link-emulator.ts';
import { type Host, Lab } from '../support/netns.ts';
import { inside } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';
import { LiveTable, PathRates, pathLines, progressLine, say } from './demo-screen.ts';

const links = { fibre: { rateMbit: 100, rttMs: 16 }, lte: { rateMbit: 40, rttMs: 50 } } as const;
const rates = { fibre: links.fibre.rateMbit, lte: links.lte.rateMbit };
const fileBytes = 256 << 20;
const victim = 'sealer';
/** The goal is a round trip and 200 ms; a laptop that does something else at the same time may take longer. */
const gapLimitMs = 500;
/** From the return of the fibre until it carries again: 5 s of stability by default, and a machine that is busy. */
const returnLimitMs = 15_000;
const holeMs = 4000;
/** The bond finds out what its links can do, and is then judged. */
const [learnMs, judgeMs] = [4000, 3000];
/** A call beside the download: 100 datagrams of 100 bytes a second. */
const probe = { rateMbit: 0.08, bytes: 100, seconds: 3600, port: 7001 } as const;
const program = path.join(import.meta.dirname, 'demo-program.js');

interface Report {
  readonly event: 'ready' | 'progress' | 'done' | 'error';
  readonly bytes?: number;
  readonly gapMs?: number;
  readonly ms?: number;
  readonly sha256?: string;
  readonly message?: string;
}

interface Check {
  readonly text: string;
  readonly held: boolean;
}

/** The download as the home sees it. */
interface Download {
  bytes: number;
  maxGapMs: number;
  movedAtMs: number;
  isOver: boolean;
  readonly rates: PathRates;
  readonly table: LiveTable;
}

async function* reportsOf(host: Host, args: readonly string[]): AsyncGenerator<Report> {
  const child = host.spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('no pipe');
  for await (const line of readline.createInterface({ input: child.stdout })) yield JSON.parse(line) as Report;
}

/** Writes random bytes and returns their SHA-256. */
function makeFile(file: string): string {
  const hash = createHash('sha256');
  const fd = openSync(file, 'w');
  for (let written = 0; written < fileBytes; written += 1 << 20) {
    const block = randomBytes(1 << 20);
    hash.update(block);
    writeSync(fd, block);
  }
  closeSync(fd);
  return hash.digest('hex');
}

function buildNet(lab: Lab): Promise<EmulatedNet> {
  const [client, server] = [lab.host('home'), lab.host('hub')];
  const emulated = Object.entries(links).map(([name, { rateMbit, rttMs }]) => ({ name, rateMbit, delayMs: rttMs / 2 }));
  return emulate(lab, { client, server, links: emulated });
}

function heading(text: string, download: Download): void {
  download.table.leave();
  say(styleText('yellow', text));
}

/** Looks at the home's paths and draws them until the download is over. */
async function show(rope: Rope, download: Download): Promise<void> {
  while (!download.isOver) {
    const paths = await rope.client.ask<readonly PathStatus[]>('paths');
    download.rates.look(paths);
    download.table.draw([...pathLines(paths, download.rates, rates), progressLine(download.bytes / fileBytes)]);
    await sleep(250);
  }
}

/** Mbit/s of the download during some time. */
async function goodput(download: Download, ms: number): Promise<number> {
  const [startMs, bytes] = [performance.now(), download.bytes];
  await sleep(ms);
  return ((download.bytes - bytes) * 8) / 1e3 / (performance.now() - startMs);
}

interface Story {
  /** With both links: before the fault or after it, whichever was more. */
  readonly bothMbit: number;
  readonly lteMbit: number;
  readonly pauseMs: number;
  readonly silenceMs: number;
  readonly returnMs: number;
  /** Of the last handshake before the sealer was killed. */
  readonly handshakeAtMs: number;
}

/** Waits until fibre carries half of its rate again; infinity when it does not. */
async function awaitFibre(download: Download): Promise<number> {
  const startMs = performance.now();
  while (!download.isOver && performance.now() - startMs < returnLimitMs) {
    if ((download.rates.mbit.get('fibre') ?? 0) > links.fibre.rateMbit / 2) return performance.now() - startMs;
    await sleep(50);
  }
  return Number.POSITIVE_INFINITY;
}

/** What the hub itself says of its paths, as `hawser events` prints it. */
async function printEvents(rope: Rope): Promise<void> {
  const records = await rope.server.ask<readonly EventRecord[]>('events', { since: 0 });
  const told = /^(path-suspect|path-dead|path-recovering|failover|failback|link-down|link-up)$/;
  console.log(styleText('dim', '\n  hawser events, on the hub:'));
  for (const event of records.filter((record) => told.test(record.kind))) {
    const time = new Date(event.timeMs).toISOString().slice(14, 23);
    console.log(styleText('dim', `  ${time}  ${event.kind}  ${textOfEvent(event)}`));
  }
}

/** One link alone does not carry so much. */
const isWhole = (mbit: number): boolean => mbit > 1.05 * rates.fibre;

/** Why the hub does not use both: what it knows of its paths then, which is forgotten later. */
async function printWhy(rope: Rope): Promise<void> {
  const [paths, reasons] = [await rope.server.ask('paths'), await rope.server.ask('explain')];
  console.log(styleText('dim', `\n  the hub does not use both: ${JSON.stringify({ reasons, paths })}\n`));
}

/** Everything that is done to the links and the hub while the file comes. */
async function tell(net: EmulatedNet, rope: Rope, sink: UdpSink, download: Download): Promise<Story> {
  await sleep(learnMs);
  const bothMbit = await goodput(download, judgeMs);
  if (!isWhole(bothMbit)) await printWhy(rope);
  heading(
    `fibre swallows everything from now on, without a word    (both carried ${bothMbit.toFixed(0)} Mbit/s)`,
    download,
  );
  await sink.cut();
  download.maxGapMs = 0;
  await net.link('fibre').blackhole('both', true);
  await sleep(holeMs / 2);
  const lteMbit = await goodput(download, holeMs / 2);
  // A pause that still lasts has been reported by nobody.
  const pauseMs = Math.max(download.maxGapMs, performance.now() - download.movedAtMs);
  await sink.cut();
  const { maxGapMs: silenceMs } = await sink.report();
  heading(
    `the download paused for ${pauseMs.toFixed(0)} ms, the probe for ${silenceMs.toFixed(0)} ms; fibre is whole again`,
    download,
  );
  await net.link('fibre').blackhole('both', false);
  const returnMs = await awaitFibre(download);
  heading(`fibre carries again, ${(returnMs / 1000).toFixed(1)} s after its return`, download);
  await sleep(1000);
  const againMbit = await goodput(download, judgeMs);
  heading(`hawser actor kill ${victim}     (on the hub, which is sending the file)`, download);
  const handshakeAtMs = await rope.server.handshakeAtMs();
  await rope.server.actor('kill', victim);
  return { bothMbit: Math.max(bothMbit, againMbit), lteMbit, pauseMs, silenceMs, returnMs, handshakeAtMs };
}

/** Fetches the file while the story goes on; the last report says how it ended. */
async function fetchFile(
  net: EmulatedNet,
  rope: Rope,
  sink: UdpSink,
  url: string,
): Promise<{ result: Report; story: Story }> {
  const download: Download = {
    bytes: 0,
    maxGapMs: 0,
    movedAtMs: 0,
    isOver: false,
    rates: new PathRates(),
    table: new LiveTable(),
  };
  const reports = reportsOf(net.client, ['fetch', url]);
  const receive = async (): Promise<Report> => {
    for await (const report of reports) {
      download.bytes = report.bytes ?? download.bytes;
      download.maxGapMs = Math.max(download.maxGapMs, report.gapMs ?? 0);
      download.movedAtMs = performance.now();
      if (report.event === 'error') throw new Error(`the transfer failed: ${report.message}`);
      if (report.event !== 'done') continue;
      download.isOver = true;
      return report;
    }
    throw new Error('the transfer ended without a result');
  };
  const [result, story] = await Promise.all([receive(), tell(net, rope, sink, download), show(rope, download)]);
  return { result, story };
}

/** What differs of interfaces, addresses, routes, rules and sockets; processes do, the file's server still runs. */
function differences(host: Host, before: Record<string, string>, after: Record<string, string>): string[] {
  const kinds = Object.keys(before).filter(
    (kind) => !['processes', 'udp', 'udp6'].includes(kind) && before[kind] !== after[kind],
  );
  return kinds.map((kind) => `${kind} of ${host.name}`);
}

function judge(result: Report, sha256: string, story: Story): Check[] {
  const { bytes = 0 } = result;
  const { bothMbit, lteMbit, pauseMs, silenceMs, returnMs } = story;
  const sum = rates.fibre + rates.lte;
  return [
    {
      text: `${bytes >> 20} MiB arrived, SHA-256 ${result.sha256?.slice(0, 16)}… as sent`,
      held: result.sha256 === sha256,
    },
    { text: `both links: ${bothMbit.toFixed(0)} Mbit/s of ${sum}`, held: isWhole(bothMbit) },
    { text: `LTE alone: ${lteMbit.toFixed(0)} Mbit/s of ${rates.lte}`, held: lteMbit > rates.lte / 3 },
    { text: `silent death of the fibre: download paused ${pauseMs.toFixed(0)} ms`, held: pauseMs <= gapLimitMs },
    { text: `and a call beside it ${silenceMs.toFixed(0)} ms (goal 250)`, held: silenceMs <= gapLimitMs },
    { text: `fibre in use again ${(returnMs / 1000).toFixed(1)} s after its return`, held: Number.isFinite(returnMs) },
  ];
}

async function runDemo(lab: Lab): Promise<readonly Check[]> {
  const net = await buildNet(lab);
  const words = Object.entries(links).map(([name, { rateMbit, rttMs }]) => `${name} (${rateMbit} Mbit/s, ${rttMs} ms)`);
  say(`a "home" with ${words.join(' and ')}, a "hub" with one address`);
  const [home, hub] = [net.client, net.server];
  const before = [home, hub].map((host) => host.snapshot());
  const rope = await startRope(lab, net);
  const trip = await ping(home, inside.b4, { count: 10, intervalMs: 50 });
  say(`hawser is up on both, one path a link; ping through the tunnel: ${trip.averageMs.toFixed(1)} ms`);

  const file = path.join(lab.folder, 'file');
  const sha256 = makeFile(file);
  await reportsOf(hub, ['serve', file, '8080']).next();
  const sink = await UdpSink.start(home, probe.port);
  const calling = sendUdp(hub, inside.a4, probe.port, probe);
  const url = `http://${inside.b4}:8080/file`;
  say(`fetching ${url}, ${fileBytes >> 20} MiB, SHA-256 ${sha256.slice(0, 16)}…, beside a call of 100 datagrams/s`);
  const { result, story } = await fetchFile(net, rope, sink, url);
  calling.stop();
  const { sent } = await calling.done;
  await sleep(500);
  await sink.cut();
  const lost = sent - (await sink.report()).uniqueEver;
  await printEvents(rope);
  const movedMs = Math.abs((await rope.server.handshakeAtMs()) - story.handshakeAtMs);
  const restarts = (await rope.server.actors()).find((actor) => actor.id === victim)?.restarts ?? 0;
  sink.close();
  const exits = await Promise.all([rope.client.stop(), rope.server.stop()]);
  const left = [home, hub].flatMap((host, i) => differences(host, before[i] ?? {}, host.snapshot()));
  return [
    ...judge(result, sha256, story),
    { text: `${lost} of ${sent} datagrams of the call lost`, held: lost === 0 },
    { text: `${victim} killed once, restarted ${restarts} time`, held: restarts === 1 },
    { text: 'and no new handshake after that', held: movedMs < sameMomentMs },
    {
      text: `both daemons stopped and left ${left.join(', ') || 'nothing'} behind`,
      held: left.length === 0 && exits.every((code) => code === 0),
    },
  ];
}

console.log(styleText('bold', '\nHawser demo: two links, one rope, one of them cut in mid-transfer\n'));
const lab = new Lab();
try {
  const checks = await runDemo(lab);
  console.log('');
  for (const { text, held } of checks)
    console.log(`  ${held ? styleText('green', '✔') : styleText('red', '✘')} ${text}`);
  const isHeld = checks.every((check) => check.held);
  console.log(styleText('bold', isHeld ? '\nAll of it held.\n' : '\nNot all of it held.\n'));
  process.exitCode = isHeld ? 0 : 1;
} catch (error) {
  console.error(styleText('red', `\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`));
  process.exitCode = 1;
} finally {
  await lab.close();
}
