/** Who is connected to the control socket: a limited number, of which an idle one makes room for who comes. */
import type { Socket } from 'node:net';
import type { Response } from '../../control/protocol.ts';
import { OperatorConnection, type Perform } from './operator-connection.ts';

/** Operators and their scripts; more means that somebody leaks connections. */
export const maxConnections = 64;
/** A caller that has not read for so long is counted as gone when its place is needed. */
const stalledAfterMs = 30_000;

export class OperatorConnections {
  readonly #perform: Perform;
  /** Oldest first. */
  readonly #connections = new Set<OperatorConnection>();

  constructor(perform: Perform) {
    this.#perform = perform;
  }

  accept(socket: Socket): void {
    if (this.#connections.size >= maxConnections && !this.#makeRoom()) {
      refuse(socket);
      return;
    }
    const connection = new OperatorConnection(socket, this.#perform);
    this.#connections.add(connection);
    socket.on('close', () => this.#connections.delete(connection));
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  /** Closes the one that has been idle for longest. */
  #makeRoom(): boolean {
    const nowMs = performance.now();
    const idle = [...this.#connections].filter((one) => one.isIdle(nowMs, stalledAfterMs));
    const [oldest] = idle.sort((a, b) => a.quietSinceMs - b.quietSinceMs);
    if (oldest === undefined) return false;
    oldest.close();
    this.#connections.delete(oldest);
    return true;
  }
}

/** The caller has read nothing yet and a line fits into any socket's buffer. */
function refuse(socket: Socket): void {
  const message = `${maxConnections} operators are being answered already (end a \`top\` or an \`events --follow\`)`;
  const response: Response = { id: 0, error: { code: 'FULL', message } };
  socket.on('error', () => socket.destroy());
  socket.end(`${JSON.stringify(response)}\n`, () => socket.destroy());
}
