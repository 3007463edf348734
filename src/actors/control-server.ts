/**
 * Answers operators on the instance's UNIX socket: reads the shared tables itself, asks the supervisor over RPC for what only it
 * knows, and passes the operator's verbs on. Evented; the data path does not notice when it dies.
 */

import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { HawserError, messageOf } from '../base/errors.ts';
import { answer, type Snapshot, snapshotMethods } from '../control/answer.ts';
import { actorVerbs, maxRequestBytes, parseRequest, type Request, type Response } from '../control/protocol.ts';
import { Rates } from '../control/rates.ts';
import { ActorReader } from '../control/read-actors.ts';
import { NetworkReader } from '../control/read-network.ts';
import type { InstanceInfo, SupervisorApi } from '../control/supervisor-api.ts';
import type { Actor, ActorContext, ActorDefinition } from './kit/contract.ts';
import { RpcClient } from './kit/rpc.ts';

export interface ControlServerSettings {
  /** `<runDirectory>/<name>.sock` (`socketPathOf`). */
  readonly socketPath: string;
}

/** A reload may stop and start links before it answers. */
const deadlineMs = 10_000;
/** Operators and their scripts; more means that somebody leaks connections. */
const maxConnections = 64;
/** sun_path of unix(7) less its final zero. libuv would cut a longer one silently. */
const maxSocketPathBytes = 107;

export const definition: ActorDefinition = {
  role: 'control-server',
  turn: 'evented',
  async start(context: ActorContext): Promise<Actor> {
    if (context.supervisor === undefined)
      throw new HawserError('RPC', 'The control-server was given no supervisor port');
    const server = new ControlServer(context, new RpcClient<SupervisorApi>(context.supervisor, deadlineMs));
    await server.listen();
    return server;
  },
};

/** Readers over the memory of one topology. */
interface Readers {
  readonly topologyVersion: number;
  readonly network: NetworkReader;
  readonly actors: ActorReader;
}

class ControlServer implements Actor {
  readonly #context: ActorContext;
  readonly #supervisor: RpcClient<SupervisorApi>;
  readonly #socketPath: string;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  readonly #rates = new Rates();
  #readers: Readers | undefined;
  #instance: InstanceInfo | undefined;

  constructor(context: ActorContext, supervisor: RpcClient<SupervisorApi>) {
    this.#context = context;
    this.#supervisor = supervisor;
    this.#socketPath = (context.spec.settings as ControlServerSettings).socketPath;
    this.#server = createServer((connection) => this.#accept(connection));
    this.#server.maxConnections = maxConnections;
  }

  /**
   * The socket is made in a folder of our own (mode 0700) and moved to its place under mode 0600, so that nobody can connect in
   * between; the move also replaces what a predecessor that was killed left behind.
   */
  async listen(): Promise<void> {
    const runDirectory = path.dirname(this.#socketPath);
    mkdirSync(runDirectory, { recursive: true, mode: 0o755 });
    const privateFolder = mkdtempSync(path.join(runDirectory, '.s-'));
    const born = path.join(privateFolder, 's');
    try {
      const longestBytes = Math.max(Buffer.byteLength(born), Buffer.byteLength(this.#socketPath));
      if (longestBytes > maxSocketPathBytes) throw new Error(`the path is longer than ${maxSocketPathBytes} bytes`);
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(born, resolve);
      });
      chmodSync(born, 0o600);
      renameSync(born, this.#socketPath);
    } catch (error) {
      throw new HawserError('CONTROL_SOCKET', `Cannot open ${this.#socketPath}: ${messageOf(error)}`);
    } finally {
      rmSync(privateFolder, { recursive: true, force: true });
    }
  }

  /** Called by the heartbeat: only samples the counters that rates are made of. */
  work(nowUs: number): number {
    const readers = this.#readers;
    const instance = this.#instance;
    if (readers === undefined || instance === undefined) this.#learn();
    else this.#rates.sample(nowUs, () => new Map([...readers.network.counts(instance), ...readers.actors.counts()]));
    return 0;
  }

  onCommand(): void {
    // No command is sent to the control-server: it asks.
  }

  close(): void {
    for (const connection of this.#connections) connection.destroy();
    this.#server.close();
    rmSync(this.#socketPath, { force: true });
    this.#supervisor.close();
  }

  #learning = false;

  /** Rates need a first sample before anybody asks. */
  #learn(): void {
    if (this.#learning) return;
    this.#learning = true;
    this.#refresh()
      .catch((error: unknown) => this.#context.emit({ kind: 'log', level: 'warn', message: messageOf(error) }))
      .finally(() => {
        this.#learning = false;
      });
  }

  async #refresh(): Promise<{ instance: InstanceInfo; readers: Readers }> {
    const instance = await this.#supervisor.request('instance');
    let readers = this.#readers;
    if (readers === undefined || readers.topologyVersion !== instance.topologyVersion) {
      const memory = await this.#supervisor.request('memory');
      const { topologyVersion } = instance;
      readers = { topologyVersion, network: new NetworkReader(memory), actors: new ActorReader(memory) };
    }
    this.#readers = readers;
    this.#instance = instance;
    return { instance, readers };
  }

  #accept(connection: Socket): void {
    this.#connections.add(connection);
    let text = '';
    /** Answers leave in the order of the requests. */
    let last: Promise<void> = Promise.resolve();
    connection.setEncoding('utf8');
    connection.on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) last = last.then(() => this.#serve(connection, line));
      if (text.length > maxRequestBytes) connection.destroy();
    });
    // A caller that went away (EPIPE, ECONNRESET) is not an error of ours.
    connection.on('error', () => connection.destroy());
    connection.on('close', () => this.#connections.delete(connection));
  }

  async #serve(connection: Socket, line: string): Promise<void> {
    const request = parseRequest(line);
    const response = 'method' in request ? await this.#respond(request) : request;
    if (connection.writable) connection.write(`${JSON.stringify(response)}\n`);
  }

  async #respond(request: Request): Promise<Response> {
    try {
      return { id: request.id, result: (await this.#result(request)) ?? null };
    } catch (error) {
      const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
      const failure = { code: typeof code === 'string' ? code : 'FAILED', message: messageOf(error) };
      return { id: request.id, error: failure };
    }
  }

  async #result(request: Request): Promise<unknown> {
    const { method, params } = request;
    if (snapshotMethods.includes(method)) return answer(method, await this.#snapshot());
    if (method === 'events') return this.#supervisor.request('events', asNumber(params.since));
    if (method === 'errors') return this.#supervisor.request('errors');
    if (method === 'reload') return this.#supervisor.request('reload');
    if (method === 'stop') return this.#supervisor.request('stop');
    return this.#actorVerb(String(params.verb), String(params.id));
  }

  async #actorVerb(verb: string, id: string): Promise<void> {
    if (verb === 'kill') return this.#supervisor.request('killActor', id);
    if (verb === 'restart') return this.#supervisor.request('restartActor', id);
    if (verb === 'hang') return this.#supervisor.request('hangActor', id);
    throw new HawserError('VERB', `There is no verb "${verb}" for actors`, actorVerbs.join(', '));
  }

  async #snapshot(): Promise<Snapshot> {
    const { instance, readers } = await this.#refresh();
    const rows = await this.#supervisor.request('actors');
    const nowUs = this.#context.addon.nowUs();
    return {
      nowMs: Date.now(),
      instance,
      peers: readers.network.peers(instance, nowUs, this.#rates),
      paths: readers.network.paths(instance, nowUs),
      links: readers.network.links(instance),
      actors: readers.actors.actors(rows, nowUs, this.#rates),
      rings: readers.actors.rings(),
    };
  }
}

function asNumber(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
