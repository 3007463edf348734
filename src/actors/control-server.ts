/**
 * Answers operators on the instance's UNIX socket: reads the shared tables itself, asks the supervisor over RPC for what only it
 * knows, and passes the operator's verbs on. Evented; the data path does not notice when it dies.
 */

import { chmodSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { HawserError } from '../base/errors.ts';
import { inWords, makeFolder } from '../base/lasting-files.ts';
import type { OperationContext } from '../control/operation.ts';
import type { SupervisorApi } from '../control/supervisor-api.ts';
import { InstanceView } from './control/instance-view.ts';
import type { OperatorConnections } from './control/operator-connections.ts';
import type { Actor, ActorContext, ActorDefinition } from './kit/contract.ts';
import { RpcClient } from './kit/rpc.ts';

export interface ControlServerSettings {
  /** `<runDirectory>/<name>.sock` (`socketPathOf`). */
  readonly socketPath: string;
}

/** A reload may stop and start links before it answers. */
const deadlineMs = 10_000;
/** sun_path of unix(7) less its final zero. libuv would cut a longer one silently. */
const maxSocketPathBytes = 107;

export const definition: ActorDefinition = {
  role: 'control-server',
  turn: 'evented',
  isPatient: true,
  async start(context: ActorContext): Promise<Actor> {
    if (context.supervisor === undefined)
      throw new HawserError('RPC', 'The control-server was given no supervisor port');
    const server = new ControlServer(context, new RpcClient<SupervisorApi>(context.supervisor, deadlineMs));
    await server.listen();
    void server.load();
    return server;
  },
};

class ControlServer implements Actor {
  readonly #supervisor: RpcClient<SupervisorApi>;
  readonly #socketPath: string;
  readonly #server: Server;
  #hasSocket = false;
  readonly #view: InstanceView;
  #loading: Promise<OperatorConnections> | undefined;
  #connections: OperatorConnections | undefined;

  constructor(context: ActorContext, supervisor: RpcClient<SupervisorApi>) {
    this.#supervisor = supervisor;
    this.#view = new InstanceView(context, supervisor, true);
    this.#socketPath = (context.spec.settings as ControlServerSettings).socketPath;
    this.#server = createServer((socket) => void this.#accept(socket));
  }

  /** What reads and checks requests; an instance is up before that is loaded, and who asks meanwhile waits for it. */
  load(): Promise<OperatorConnections> {
    this.#loading ??= this.#loadConnections();
    return this.#loading;
  }

  async #loadConnections(): Promise<OperatorConnections> {
    const [{ OperatorConnections }, { perform }] = await Promise.all([
      import('./control/operator-connections.ts'),
      import('../control/operations.ts'),
    ]);
    const operator: OperationContext = {
      supervisor: this.#supervisor,
      snapshot: (choice) => this.#view.snapshot(choice),
      nat: () => this.#view.nat(),
    };
    this.#connections = new OperatorConnections((method, params) => perform(operator, 'socket', method, params));
    return this.#connections;
  }

  async #accept(socket: Socket): Promise<void> {
    // It may go away while nobody else listens for that.
    socket.on('error', () => socket.destroy());
    const connections = this.#connections ?? (await this.load());
    if (!socket.destroyed) connections.accept(socket);
  }

  /**
   * The socket is made in a folder of our own (mode 0700) and moved to its place under mode 0600, so that nobody can connect in
   * between; the move also replaces what a predecessor that was killed left behind.
   */
  async listen(): Promise<void> {
    const runDirectory = path.dirname(this.#socketPath);
    makeFolder('runtime.runDirectory', runDirectory, 0o755);
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
      this.#hasSocket = true;
    } catch (error) {
      throw new HawserError('CONTROL_SOCKET', `Cannot open ${this.#socketPath}: ${inWords(error)}`);
    } finally {
      rmSync(privateFolder, { recursive: true, force: true });
    }
  }

  /** Called by the heartbeat, which slows down while nothing goes on: samples what rates are made of, and tells of paths that changed. */
  work(nowUs: number): number {
    return this.#view.sample(nowUs) ? 1 : 0;
  }

  onCommand(): void {
    // No command is sent to the control-server: it asks.
  }

  close(): void {
    this.#connections?.close();
    this.#server.close();
    if (this.#hasSocket) rmSync(this.#socketPath, { force: true });
    this.#supervisor.close();
  }
}
