/** One connection for packets: what waits to leave by it, in three lanes, and how much the kernel has not taken yet. */
import type { PacketSocket } from '../../io/tls/call-hub.ts';
import type { Outlet, Waiting } from './send-desk.ts';

export interface TunnelParts {
  /** `endpoint.bytes`: of the other end. */
  readonly endpoint: Uint8Array;
  readonly socket: PacketSocket;
  readonly onMessage: (tunnel: Tunnel, message: Uint8Array) => void;
  /** What was sent has left, or some of it. */
  readonly onRoom: () => void;
  readonly onEnd: (tunnel: Tunnel) => void;
}

const message = { binary: true, compress: false } as const;

export class Tunnel implements Outlet {
  readonly endpoint: Uint8Array;
  readonly lanes: readonly Waiting[][] = [[], [], []];
  readonly #socket: PacketSocket;
  readonly #onRoom: () => void;
  #isOpen = true;

  constructor({ endpoint, socket, onMessage, onRoom, onEnd }: TunnelParts) {
    this.endpoint = endpoint;
    this.#socket = socket;
    this.#onRoom = onRoom;
    const { web, stream } = socket;
    const end = (): void => {
      if (!this.#isOpen) return;
      this.#isOpen = false;
      web.terminate();
      stream.destroy();
      onEnd(this);
    };
    web.on('message', (bytes: Uint8Array, isBinary: boolean) => {
      if (isBinary) onMessage(this, bytes);
    });
    for (const event of ['close', 'error']) web.on(event, end);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get backlogBytes(): number {
    return this.#socket.stream.writableLength;
  }

  /** `bytes` is the tunnel's own from now on. */
  send(bytes: Uint8Array): void {
    this.#socket.web.send(bytes, message, this.#onRoom);
  }

  close(): void {
    this.#socket.web.terminate();
    this.#socket.stream.destroy();
  }
}

/** A table's key. */
export function keyOf(endpoint: Uint8Array): string {
  return Buffer.from(endpoint).toString('latin1');
}
