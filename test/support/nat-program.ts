/**
 * Address translation in this process's namespace: a call of `io/nat` (a file with a `NatCall` in, its answer out), or an end of traffic that
 * says how it is seen: `serve PORT` tells each caller by TCP or UDP its own address and port; `call FILE` makes many such calls.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { NatKeeper } from '../../src/instance/nat-keeper.ts';
import { assignBlocks, blockCount, holderOf, needsBlock } from '../../src/io/nat/blocks.ts';
import { listConnections, readNatCounters } from '../../src/io/nat/connections.ts';
import { elementsOf } from '../../src/io/nat/elements.ts';
import { changeNat, prepareHost, removeNat, replaceNat } from '../../src/io/nat/nat.ts';
import type { NatLease, NatPlan } from '../../src/io/nat/plan.ts';
import { readRefused } from '../../src/io/nat/refused.ts';
import { heldBy } from '../../src/io/network/host-settings.ts';
import { listOwnNftTables } from '../../src/io/network/nft.ts';
import { loadAddon } from '../../src/native/addon.ts';

export type NatCall =
  | { readonly action: 'apply' | 'remove' | 'list'; readonly plan: NatPlan; readonly leases?: readonly NatLease[] }
  /** A keeper is ended while its first call of `nft`, which `folder` holds, is under way and has made `folder`/began. */
  | { readonly action: 'end'; readonly plan: NatPlan; readonly folder: string }
  | {
      readonly action: 'change';
      readonly plan: NatPlan;
      readonly before: readonly NatLease[];
      readonly leases: readonly NatLease[];
    };

export interface Calls {
  readonly protocol: 'tcp' | 'udp';
  readonly sources: readonly string[];
  /** Of each source. */
  readonly each: number;
  readonly target: string;
  readonly port: number;
  /** Own port of the first call of a source; the next ones count up. */
  readonly sourcePort?: number;
}

export interface CallResult {
  readonly source: string;
  /** How the other end saw it: `203.0.113.1:12345`. */
  readonly outside?: string;
  readonly error?: string;
}

/** A call that is refused is answered at once; one that is dropped, never. */
const silenceMs = 3_000;
const atOnce = 64;

function elements(plan: NatPlan, leases: readonly NatLease[]) {
  const holders = leases.filter(needsBlock).map(holderOf);
  return elementsOf(plan, leases, assignBlocks(holders, new Map(), blockCount(plan)));
}

async function run(call: NatCall): Promise<unknown> {
  const { plan } = call;
  const leases = 'leases' in call ? (call.leases ?? []) : [];
  switch (call.action) {
    case 'end': {
      const { PATH = '' } = process.env;
      process.env.PATH = `${call.folder}:${PATH}`;
      const keeper = new NatKeeper({ addon: loadAddon(), note: () => undefined, peers: () => [] });
      const followed = keeper.follow(plan);
      while (!existsSync(path.join(call.folder, 'began'))) await pause(5);
      await keeper.close();
      const warnings = keeper.remove();
      await followed;
      await keeper.follow(plan);
      process.env.PATH = PATH;
      return { warnings, tables: listOwnNftTables(plan.name), held: heldBy(plan.runDirectory, plan.name) };
    }
    case 'apply': {
      const failure = await replaceNat(plan, elements(plan, leases));
      return { failure, warnings: failure === undefined ? prepareHost(plan) : [] };
    }
    case 'change':
      return { failure: await changeNat(plan.name, elements(plan, call.before), elements(plan, leases)) };
    case 'remove':
      return { warnings: removeNat(plan.name, plan.runDirectory, plan.interface) };
    case 'list': {
      const addon = loadAddon();
      const counters = readNatCounters(addon, plan.name);
      return {
        connections: await listConnections(addon, plan.pools),
        counters: counters === undefined ? undefined : Object.fromEntries(counters),
        refused: counters === undefined ? [] : await readRefused(plan),
      };
    }
  }
}

function serve(port: number): void {
  const tcp = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.write(`${placeOf(socket.remoteAddress, socket.remotePort)}\n`);
  });
  const udp = createSocket({ type: 'udp6', ipv6Only: false });
  udp.on('message', (_, from) => udp.send(placeOf(from.address, from.port), from.port, from.address));
  tcp.listen({ port, host: '::', backlog: 4096 }, () =>
    udp.bind(port, '::', () => process.stdout.write('{"event":"ready"}\n')),
  );
}

function placeOf(address = '', port = 0): string {
  return `${address.replace(/^::ffff:/, '')}|${port}`;
}

async function callAll({ protocol, sources, each, target, port, sourcePort }: Calls): Promise<void> {
  const wanted = sources.flatMap((source) => Array.from({ length: each }, (_, index) => ({ source, index })));
  const results: CallResult[] = [];
  const worker = async (): Promise<void> => {
    for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
      const own = { address: next.source, port: sourcePort === undefined ? 0 : sourcePort + next.index };
      const call = protocol === 'tcp' ? callTcp : callUdp;
      results.push({ source: next.source, ...(await call(own, target, port)) });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  process.stdout.write(`${JSON.stringify({ event: 'done', results })}\n`);
}

interface Own {
  readonly address: string;
  readonly port: number;
}

type Outcome = Pick<CallResult, 'outside' | 'error'>;

const held: Socket[] = [];

function callTcp(own: Own, host: string, port: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, localAddress: own.address, localPort: own.port });
    held.push(socket);
    const timer = setTimeout(() => resolve({ error: 'silence' }), silenceMs);
    const end = (outcome: Outcome): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    socket.on('error', (error) => end({ error: 'code' in error ? String(error.code) : error.message }));
    socket.once('data', (data: Buffer) => end({ outside: data.toString().trim() }));
  });
}

function callUdp(own: Own, host: string, port: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const timer = setTimeout(() => end({ error: 'silence' }), silenceMs);
    const end = (outcome: Outcome): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    socket.on('error', (error) => end({ error: 'code' in error ? String(error.code) : error.message }));
    socket.once('message', (data) => end({ outside: data.toString() }));
    socket.bind(own.port, own.address, () => socket.connect(port, host, () => socket.send('?')));
  });
}

const [verb = '', argument = ''] = process.argv.slice(2);
if (verb === 'serve') serve(Number(argument));
else if (verb === 'call') {
  await callAll(JSON.parse(readFileSync(argument, 'utf8')) as Calls);
  // What was begun stays until the test has looked at it.
  process.stdin.resume();
  await once(process.stdin, 'end');
  process.exit(0);
} else process.stdout.write(JSON.stringify(await run(JSON.parse(readFileSync(verb, 'utf8')) as NatCall)));
