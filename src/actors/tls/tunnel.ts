/** One connection for packets: what waits to leave by it, in three lanes, and how much the kernel has not taken yet. */
import type { PacketSocket } from '../../io/tls/call-hub.ts';
import type { Outlet, Waiting } from './send-desk.ts';

/** Of a `PacketSocket`, what is used here. */
export interface TunnelSocket {
  readonly web: PacketSocket['web'];
  readonly stream: { readonly writableLength: number; readonly destroy: () => unknown };
}

export interface TunnelParts {
  /** `endpoint.bytes`: of the other end. */
  readonly endpoint: Uint8Array;
  readonly socket: TunnelSocket;
  readonly onMessage: (tunnel: Tunnel, message: Uint8Array) => void;
  /** What was sent has left, or some of it. */
  readonly onRoom: (tunnel: Tunnel) => void;
  /** `backlogBytes` has changed by so much. */
  readonly onBacklog: (bytes: number) => void;
  /** Once, within `close` too: its lanes are as they were. */
  readonly onEnd: (tunnel: Tunnel) => void;
}

const message = { binary: true, compress: false } as const;

export class Tunnel implements Outlet {
  readonly endpoint: Uint8Array;
  readonly lanes: readonly Waiting[][] = [[], [], []];
  /** What waits of the other shards (`outletOf`). */
  readonly #beside: Outlet[] = [];
  readonly #parts: TunnelParts;
  readonly #onLeft: () => void;
  /** What `onBacklog` knows of. */
  #knownBytes = 0;
  #isOpen = true;

  constructor(parts: TunnelParts) {
    this.endpoint = parts.endpoint;
    this.#parts = parts;
    this.#onLeft = () => {
      if (!this.#isOpen) return;
      this.#tellBacklog(this.backlogBytes);
      parts.onRoom(this);
    };
    const { web } = parts.socket;
    web.on('message', (bytes: Uint8Array, isBinary: boolean) => {
      if (isBinary && this.#isOpen) parts.onMessage(this, bytes);
    });
    for (const event of ['close', 'error']) web.on(event, () => this.close());
  }

  get backlogBytes(): number {
    return this.#parts.socket.stream.writableLength;
  }

  /** The tunnel as the sender of one shard sees it: it has lanes of its own, since what waits lies in rings of its own. */
  outletOf(shard: number): Outlet {
    if (shard === 0) return this;
    const known = this.#beside[shard] ?? new BesideOutlet(this);
    this.#beside[shard] = known;
    return known;
  }

  /** `bytes` is the tunnel's own from now on. */
  send(bytes: Uint8Array): void {
    this.#parts.socket.web.send(bytes, message, this.#onLeft);
    this.#tellBacklog(this.backlogBytes);
  }

  /** Idempotent. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { web, stream } = this.#parts.socket;
    web.terminate();
    stream.destroy();
    this.#tellBacklog(0);
    this.#parts.onEnd(this);
  }

  #tellBacklog(bytes: number): void {
    this.#parts.onBacklog(bytes - this.#knownBytes);
    this.#knownBytes = bytes;
  }
}

class BesideOutlet implements Outlet {
  readonly lanes: readonly Waiting[][] = [[], [], []];
  readonly #tunnel: Tunnel;

  constructor(tunnel: Tunnel) {
    this.#tunnel = tunnel;
  }

  get backlogBytes(): number {
    return this.#tunnel.backlogBytes;
  }

  send(bytes: Uint8Array): void {
    this.#tunnel.send(bytes);
  }
}

/** A table's key. */
export function keyOf(endpoint: Uint8Array): string {
  return Buffer.from(endpoint).toString('latin1');
}
