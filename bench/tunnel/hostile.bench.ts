/**
 * An honest flow by FakeTCP, or by TLS, over a link of 50 Mbit/s and 40 ms, and beside it somebody who means harm at the hub's port: what arrives
 * with him in share of what arrives without him, pair by pair, up and down, and how late pings are. `npm run bench -- tunnel/hostile
 * [--parts syn-spoofed,syn-real,calls,rst,data,half-open] [--pairs 5] [--seconds 5]`
 *
 * Attackers of FakeTCP know both ends of the connection, ports too, and guess its numbers; those of TLS open 1,000 connections at once, of which a
 * third begin a handshake and leave it, a third send a request byte by byte, and a third send garbage, from 40 addresses.
 */
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bond, startBond } from '../../test/support/bond.ts';
import { echoFlows, goodputMbit, pingUdp, runTcp, serveFlows } from '../../test/support/flows.ts';
import { core, type Direction } from '../../test/support/link-emulator.ts';
import type { Host } from '../../test/support/netns.ts';
import { inside, port } from '../../test/support/pair.ts';
import { compileTwin, median, option, pairCount, report, runSeconds, spread } from '../support/bench.ts';

const seconds = Math.max(5, runSeconds);
/** From when on it counts: TCP has found its rate. */
const settledSeconds = 2;
const rateMbit = 50;
const [delayMs, packetsPerSecond, callsPerSecond, crowd] = [20, 20_000, 500, 1000];
const ports = { tcp: 7000, echo: 7001, hub: port + 1 } as const;
const attacker4 = '192.0.2.66';
/** A hub takes few connections of one address: whoever means it has more of them. */
const crowdAddresses = Array.from({ length: 40 }, (_, index) => `192.0.2.${100 + index}`);
const visitor = path.join(import.meta.dirname, '../../test/support/tls-visitor-program.js');

type Attack = 'syn-spoofed' | 'syn-real' | 'calls' | 'rst' | 'data' | 'half-open';
const parts = option('parts', 'syn-spoofed,syn-real,calls,rst,data,half-open').split(',') as Attack[];

interface Measured {
  readonly mbit: number;
  readonly pingP95Ms: number;
}

/** Somebody at the provider who may send from any address. */
function addAttacker({ lab, net }: Bond): Host {
  const host = lab.host('attacker');
  lab.join(host, net.isp, { interfaces: ['wan', 'att'], addresses: [[`${attacker4}/24`], ['192.0.2.254/24']] });
  for (const address of crowdAddresses) host.ip(`address add ${address}/32 dev wan`);
  host.ip('route add default via 192.0.2.254');
  // What answers spoofed addresses goes nowhere.
  net.isp.ip('route add blackhole 198.18.0.0/15');
  return host;
}

/** His command line, as long as he goes on for `lastSeconds`. */
async function attackWords(attack: Attack, { rope }: Bond, lastSeconds: number): Promise<readonly (string | number)[]> {
  const hub = [core.server4, ports.hub];
  if (attack === 'syn-spoofed') return ['syn', 'any', ...hub, packetsPerSecond, lastSeconds];
  if (attack === 'syn-real') return ['syn', attacker4, ...hub, packetsPerSecond, lastSeconds];
  if (attack === 'calls') return ['call', ...hub, callsPerSecond, lastSeconds];
  const endpoint = (await rope.server.peers())[0]?.endpoint ?? '';
  const [, address = '', from = ''] = /^faketcp:\/\/([\d.]+):(\d+)$/.exec(endpoint) ?? [];
  return [attack, address, from, ...hub, packetsPerSecond, lastSeconds];
}

async function measure({ net }: Bond, direction: Direction): Promise<Measured> {
  const pings = pingUdp(net.client, inside.b4, ports.echo, { intervalMs: 20, count: (seconds * 1000) / 20 });
  const streams = await runTcp(net.client, inside.b4, ports.tcp, { seconds, direction });
  return { mbit: goodputMbit(streams, settledSeconds, seconds), pingP95Ms: (await pings).p95Ms };
}

/** With him: he begins before the flow, and ends after it. */
async function measureBeside(bond: Bond, host: Host, attack: Attack, direction: Direction, program: string) {
  const isTls = attack === 'half-open';
  const crowdWords = [String(ports.hub), String(crowd), crowdAddresses.join(',')];
  const child = isTls
    ? host.spawn(process.execPath, [visitor, 'crowd', core.server4, ...crowdWords], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
    : host.spawn(program, (await attackWords(attack, bond, seconds + 2)).map(String), { stdio: 'ignore' });
  if (isTls && child.stdout !== null) await once(child.stdout, 'data');
  else await sleep(500);
  const measured = await measure(bond, direction);
  const ended = child.exitCode === null ? once(child, 'exit') : undefined;
  child.kill('SIGKILL');
  await ended;
  return measured;
}

async function compare(attack: Attack, program: string): Promise<void> {
  const transport = attack === 'half-open' ? 'tls' : 'faketcp';
  const bond = await startBond({ emulated: [{ name: 'one', rateMbit, delayMs, queueMs: 100 }], transport });
  try {
    const host = addAttacker(bond);
    const { net, rope } = bond;
    await rope.awaitLive(2);
    for (const daemon of [rope.client, rope.server]) await daemon.ask('transport.force', { transport });
    await serveFlows(net.server, ports.tcp);
    await echoFlows(net.server, ports.echo);
    await sleep(1000);
    for (const direction of ['up', 'down'] as const) {
      await measure(bond, direction);
      const [alone, beside]: [Measured[], Measured[]] = [[], []];
      for (let pair = 0; pair < pairCount; pair += 1) {
        alone.push(await measure(bond, direction));
        beside.push(await measureBeside(bond, host, attack, direction, program));
      }
      tell({ attack, transport, direction }, alone, beside);
    }
    const restarts = (await rope.server.actors()).reduce((sum, one) => sum + one.restarts, 0);
    report('hostile-restarts', { attack }, restarts, 'actors');
  } finally {
    await bond.lab.close();
  }
}

function tell(words: Record<string, string>, alone: readonly Measured[], beside: readonly Measured[]): void {
  const of = (values: readonly Measured[], key: keyof Measured) => values.map((one) => one[key]);
  for (const [side, values] of [
    ['alone', alone],
    ['beside', beside],
  ] as const) {
    report(
      'hostile-goodput',
      { ...words, side, spread: spread(of(values, 'mbit')) },
      median(of(values, 'mbit')),
      'Mbit/s',
    );
    const late = of(values, 'pingP95Ms');
    report('hostile-ping-p95', { ...words, side, spread: spread(late) }, median(late), 'ms');
  }
  const ratios = beside.map(({ mbit }, index) => mbit / (alone[index]?.mbit ?? Number.NaN));
  report('hostile-goodput', { ...words, side: 'beside/alone', spread: spread(ratios) }, median(ratios), 'x');
}

const twin = compileTwin('tunnel/attack.c');
for (const attack of parts) await compare(attack, twin.program);
twin.remove();
