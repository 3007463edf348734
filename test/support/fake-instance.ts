/** A control-server over a supervisor that only remembers what it was asked, and shared memory that the test fills in. */

import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { definition } from '../../src/actors/control-server.ts';
import type { Actor, ActorEvent } from '../../src/actors/kit/contract.ts';
import { serveRpc } from '../../src/actors/kit/rpc.ts';
import { HawserError } from '../../src/base/errors.ts';
import type { ApiConfig } from '../../src/config/api-schema.ts';
import type { Config } from '../../src/config/config.ts';
import { revisionOf } from '../../src/config/revision.ts';
import { carrier, check, link } from '../../src/contract/link-tables.ts';
import { path as pathLayout, peer } from '../../src/contract/peer-tables.ts';
import { counters, log, ring } from '../../src/contract/rings.ts';
import type { ConfigApplied, ConfigPlan, ConfigTrial } from '../../src/control/config-calls.ts';
import type { EventRecord } from '../../src/control/events.ts';
import type { ApiLogin, NewLogin, OpenedLogin } from '../../src/control/login-calls.ts';
import type { NatInfo } from '../../src/control/nat-rows.ts';
import type { Role } from '../../src/control/roles.ts';
import type {
  ActorRow,
  ErrorRecord,
  InstanceFacts,
  NewLink,
  PeerName,
  ReloadResult,
  SharedMemory,
  SupervisorApi,
} from '../../src/control/supervisor-api.ts';
import { LoginDesk } from '../../src/instance/login-desk.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { createRowTable } from '../../src/rings/table.ts';
import { createFakeAddon } from './fake-addon.ts';
import { fakeContext } from './fake-context.ts';
import { usedSessionMemory } from './session-memory.ts';

const fakeLink = {
  row: 0,
  name: 'fibre',
  interface: 'lo',
  role: 'always',
  priority: 0,
  limitBps: undefined,
  health: { method: 'icmp', targets: ['192.0.2.1'], checks: [], need: 1 },
};

export class FakeSupervisor implements SupervisorApi {
  readonly calls: string[] = [];
  readonly shared: SharedMemory = {
    peers: createRowTable(peer, 4),
    paths: createRowTable(pathLayout, 4),
    links: createRowTable(link, 2),
    carriers: createRowTable(carrier, 2 * carrier.rowsPerLink),
    checks: createRowTable(check, 2 * check.rowsPerLink),
    sessions: usedSessionMemory(4, 128),
    sealedLog: new SharedArrayBuffer(log.dataAt + 64),
    rings: {
      'tun-reader.outbound -> sealer.plain': createRing(1024),
      'sealer.descriptors.fibre -> wan-link.fibre.descriptors': createRing(2048),
    },
    counters: {
      sealer: new SharedArrayBuffer(counters.bytes),
      'wan-link.fibre': new SharedArrayBuffer(counters.bytes),
    },
  };
  rows: ActorRow[] = ['sealer', 'wan-link.fibre'].map((id, index) => ({
    id,
    role: id.split('.')[0] ?? id,
    state: 'running',
    threadId: index + 1,
    kernelThreadId: undefined,
    restarts: 0,
    lastExit: undefined,
    startedAtMs: Date.now() - 60_000,
  }));
  api: ApiConfig | undefined;
  readonly loginDesk = new LoginDesk({
    nowMs: () => performance.now(),
    api: () => this.api,
    trouble: () => [],
    hasSaid: () => true,
    hasFailed: () => false,
  });
  log: EventRecord[] = [];
  failures: ErrorRecord[] = [];
  natInfo: NatInfo | undefined;
  configPath = '/etc/hawser/home.yaml';
  trial: ConfigTrial | undefined;
  peers: readonly PeerName[] = [
    {
      row: 1,
      name: 'hub',
      publicKey: 'hub-key',
      allowedIPs: ['10.9.0.0/24'],
      endpoints: ['203.0.113.1:51820'],
      keepaliveMs: 0,
    },
    { row: 2, name: 'phone', publicKey: 'phone-key', allowedIPs: [], endpoints: [], keepaliveMs: 0 },
  ];
  peersVersion = 1;
  /** How often it was asked what the peers are called. */
  namesAsked = 0;
  /** What a reload fails with. */
  refusal: Error | undefined;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  peerNames(): readonly PeerName[] {
    this.namesAsked += 1;
    return this.peers;
  }

  instance(): InstanceFacts {
    return {
      name: this.#name,
      version: '9.8.7',
      pid: 4242,
      startedAtMs: Date.now() - 3_720_000,
      configPath: this.configPath,
      trial: this.trial,
      placement: 'dedicated',
      placementCores: undefined,
      shards: 1,
      tunnel: { interface: 'hawser0', addresses: ['10.9.0.2/24'], mtu: 1420 },
      publicKey: 'own-key',
      fwmark: 0x68000001,
      listenPort: 51_820,
      repair: 'auto',
      total: { upBps: 0, downBps: 800e6 },
      transports: { order: [], parallel: 'off' },
      fec: 'off',
      links: [fakeLink],
      troubles: [],
      topologyVersion: 1,
      firstActors: [],
      peersVersion: this.peersVersion,
    };
  }

  nat(): NatInfo | undefined {
    return this.natInfo;
  }

  memory(): SharedMemory {
    this.calls.push('memory');
    return this.shared;
  }

  actors(): readonly ActorRow[] {
    return this.rows;
  }

  events(sinceId: number): readonly EventRecord[] {
    return this.log.filter((record) => record.id > sinceId);
  }

  async nextEvents(sinceId: number, waitMs: number): Promise<readonly EventRecord[]> {
    const untilMs = performance.now() + waitMs;
    while (this.events(sinceId).length === 0 && performance.now() < untilMs) await sleep(5);
    return this.events(sinceId);
  }

  forceLink(name: string | undefined): void {
    this.calls.push(`force ${name}`);
  }

  orderTransports(order: readonly string[]): void {
    this.calls.push(`order ${order.join(',')}`);
  }

  forceTransport(name: string | undefined): void {
    this.calls.push(`transport ${name ?? 'auto'}`);
  }

  enableLink(name: string, enabled: boolean): void {
    this.calls.push(`${enabled ? 'enable' : 'disable'} ${name}`);
  }

  forgetPeerClock(name: string): void {
    this.calls.push(`forget-clock ${name}`);
  }

  rekeyPeer(name: string): void {
    this.calls.push(`rekey ${name}`);
  }

  addLink(added: NewLink): ReloadResult {
    this.calls.push(`add ${JSON.stringify(added)}`);
    return { changes: [`link ${added.name} added`] };
  }

  removeLink(name: string): ReloadResult {
    this.calls.push(`remove ${name}`);
    return { changes: [`link ${name} removed`] };
  }

  errors(): readonly ErrorRecord[] {
    return this.failures;
  }

  killActor(id: string): void {
    if (!this.rows.some((row) => row.id === id)) {
      throw new HawserError('NO_SUCH_ACTOR', `There is no actor "${id}"`, 'there are: sealer, wan-link.fibre');
    }
    this.calls.push(`kill ${id}`);
  }

  restartActor(id: string): void {
    this.calls.push(`restart ${id}`);
  }

  hangActor(id: string): void {
    this.calls.push(`hang ${id}`);
  }

  webhooks(): never {
    throw new HawserError('NO_WEBHOOKS', 'This instance has no webhooks');
  }

  plugins(): never {
    throw new HawserError('NO_PLUGINS', 'This instance has no plugins');
  }

  history(): never {
    throw new HawserError('NO_HISTORY', 'This instance keeps no history');
  }

  hubFacts(): never {
    throw new HawserError('NO_SERVER', 'This instance keeps no clients');
  }

  clients(verb: string, params: unknown): unknown {
    this.calls.push(`client ${verb} ${JSON.stringify(params)}`);
    return [];
  }

  openLogin(role: Role): OpenedLogin {
    return this.loginDesk.openLogin(role);
  }

  logins(): readonly ApiLogin[] {
    return this.loginDesk.logins();
  }

  redeemLogin(code: string): NewLogin {
    return this.loginDesk.redeemLogin(code);
  }

  endLogin(hash: string): void {
    this.loginDesk.endLogin(hash);
  }

  planConfig(config: Config): ConfigPlan {
    this.calls.push(`plan ${config.name}`);
    return { changes: ['tunnel.mtu changed from 1420 to 1400'], renewed: ['sealer'], started: [], ended: [] };
  }

  async applyConfig(text: string, revision: string, seconds: number): Promise<ConfigApplied> {
    if (this.refusal !== undefined) throw this.refusal;
    this.calls.push(`apply ${revision} ${seconds}\n${text}`);
    this.trial = { revision: revisionOf(text), leftMs: seconds * 1000 };
    return { ...this.trial, changes: ['tunnel.mtu changed from 1420 to 1400'] };
  }

  async confirmConfig(revision: string): Promise<void> {
    this.calls.push(`confirm ${revision}`);
    this.trial = undefined;
  }

  async revertConfig(revision: string): Promise<void> {
    this.calls.push(`revert ${revision}`);
    this.trial = undefined;
  }

  reload(): ReloadResult {
    if (this.refusal !== undefined) throw this.refusal;
    return { changes: ['peer new added'] };
  }

  stop(): void {
    this.calls.push('stop');
  }
}

function createRing(capacityBytes: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(ring.dataAt + capacityBytes);
  const words = new Int32Array(memory);
  words[ring.magicAt >> 2] = ring.magic;
  words[ring.capacityAt >> 2] = capacityBytes;
  return memory;
}

/** Starts the real control-server in this thread; its clock is `clock.nowUs` and it is turned by the test. */
export async function startFakeInstance(runDirectory: string, name: string) {
  const supervisor = new FakeSupervisor(name);
  const { openNetlink, sendBytes, receiveBytes, closeFd } = loadAddon();
  const addon = Object.assign(createFakeAddon(100_000_000), { openNetlink, sendBytes, receiveBytes, closeFd });
  const { port1, port2 } = new MessageChannel();
  const emitted: ActorEvent[] = [];
  serveRpc(port1, supervisor);
  const socketPath = path.join(runDirectory, `${name}.sock`);
  const settings = { socketPath };
  const spec = {
    id: 'control-server',
    role: 'control-server',
    settings,
    ports: {},
    fds: {},
    wakeOn: [],
    memory: {},
  } as const;
  const emit = (event: ActorEvent): void => void emitted.push(event);
  const actor: Actor = await definition.start(fakeContext({ spec, addon, supervisor: port2, emit }));
  return { supervisor, actor, clock: addon.clock, socketPath, emitted };
}
