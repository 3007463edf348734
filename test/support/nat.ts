/** A hub with a veth in the place of its tunnel, clients behind it and a host outside that knows nothing of them: for tests of address translation. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { parseCidr } from '../../src/config/address.ts';
import type { NatLease, NatPlan } from '../../src/io/nat/plan.ts';
import type { Connection } from '../../src/wire/conntrack.ts';
import type { CallResult, Calls, NatCall } from './nat-program.ts';
import { type Host, Lab } from './netns.ts';

const program = path.join(import.meta.dirname, 'nat-program.js');

export const tunnel = 'hw0';
export const place = {
  hub: '203.0.113.1',
  hub2: '203.0.113.2',
  out: '203.0.113.9',
  hub6: '2001:db8::1',
  out6: '2001:db8::9',
  tunnel: '10.100.0.1',
  tunnel6: 'fd00:100::1',
} as const;

export interface NatScene {
  readonly lab: Lab;
  readonly hub: Host;
  readonly clients: Host;
  readonly outside: Host;
  /** Addresses of clients, the first ones of the pool. */
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

/** 10.100.0.2 and on. */
export function addressesOf(count: number): { ipv4: string[]; ipv6: string[] } {
  const numbers = Array.from({ length: count }, (_, index) => index + 2);
  return {
    ipv4: numbers.map((number) => `10.100.${number >> 8}.${number & 255}`),
    ipv6: numbers.map((number) => `fd00:100::${number.toString(16)}`),
  };
}

export function buildNatScene(clientCount: number): NatScene {
  const lab = new Lab();
  const [hub, clients, outside] = [lab.host('hub'), lab.host('clients'), lab.host('outside')];
  lab.join(hub, clients, {
    interfaces: [tunnel, 'tun'],
    addresses: [[`${place.tunnel}/16`, `${place.tunnel6}/64`], []],
  });
  lab.join(hub, outside, {
    interfaces: ['wan', 'net'],
    addresses: [
      [`${place.hub}/24`, `${place.hub2}/24`, `${place.hub6}/64`],
      [`${place.out}/24`, `${place.out6}/64`],
    ],
  });
  const { ipv4, ipv6 } = addressesOf(clientCount);
  const lines = [
    ...ipv4.map((address) => `address add ${address}/16 dev tun`),
    ...ipv6.map((address) => `address add ${address}/64 dev tun nodad`),
    `route add default via ${place.tunnel}`,
    `route add default via ${place.tunnel6}`,
  ];
  const batch = path.join(lab.folder, 'batch');
  writeFileSync(batch, `${lines.join('\n')}\n`);
  clients.ip(`-batch ${batch}`);
  return { lab, hub, clients, outside, ipv4, ipv6 };
}

export function natPlan(scene: NatScene, more: Partial<NatPlan> = {}): NatPlan {
  const pools = ['10.100.0.0/16', 'fd00:100::/64'].flatMap((text) => parseCidr(text) ?? []);
  return {
    name: 'hub',
    interface: tunnel,
    pools,
    masquerade: { 4: true, 6: true },
    addresses: [],
    ports: { first: 10_000, last: 65_535 },
    perClient: 0,
    connections: 4096,
    timeoutSeconds: 300,
    ownPorts: { udp: [51_820], tcp: [] },
    isolation: false,
    runDirectory: path.join(scene.lab.folder, 'run'),
    stateDirectory: path.join(scene.lab.folder, 'state'),
    ...more,
  };
}

interface Answer {
  readonly failure?: string;
  readonly warnings?: readonly string[];
  readonly connections?: readonly Connection[];
  readonly counters?: Readonly<Record<string, number>>;
  readonly refused?: readonly string[];
  readonly tables?: readonly string[];
  readonly held?: readonly string[];
}

let files = 0;

function fileOf(lab: Lab, value: unknown): string {
  files += 1;
  const file = path.join(lab.folder, `nat-${files}.json`);
  writeFileSync(file, JSON.stringify(value));
  return file;
}

export function natCall({ lab, hub }: NatScene, call: NatCall): Answer {
  return JSON.parse(hub.run(process.execPath, [program, fileOf(lab, call)])) as Answer;
}

export function applyNat(scene: NatScene, plan: NatPlan, leases: readonly NatLease[] = []): Answer {
  return natCall(scene, { action: 'apply', plan, leases });
}

/** Tells each caller how it is seen, by TCP and UDP. */
export async function serveMirror(host: Host, port: number): Promise<void> {
  await nextLine(
    host.spawn(process.execPath, [program, 'serve', String(port)], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
}

export interface HeldCalls {
  readonly results: readonly CallResult[];
  /** Ends the connections. */
  end(): void;
  /** They have ended. */
  readonly ended: Promise<unknown>;
}

/** The connections stay until `end`, or the lab's. */
export async function callMirror({ lab }: NatScene, host: Host, calls: Calls): Promise<HeldCalls> {
  const child = host.spawn(process.execPath, [program, 'call', fileOf(lab, calls)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const { results } = JSON.parse(await nextLine(child)) as { results: readonly CallResult[] };
  return { results, end: () => child.stdin?.end(), ended };
}

async function nextLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('a program without a pipe');
  for await (const line of readline.createInterface({ input: child.stdout })) return line;
  throw new Error('the program ended without a word');
}
