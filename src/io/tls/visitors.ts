/** Connections of whoever is no peer, or not yet: how many there may be, and who goes when one more comes. */
import type { Socket } from 'node:net';
import { parseCidr } from '../../config/address.ts';

/** Those that have asked for nothing yet: a handshake and a request take some round trips. */
const mostWaiting = 512;
const mostWaitingOfOne = 64;
/** Those that the site answers. */
const mostServed = 512;
const mostServedOfOne = 64;

interface Visitor {
  readonly socket: Socket;
  readonly address: string;
}

/** Of a connection, raw or decrypted. */
type Named = Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>;

export class Visitors {
  readonly #waiting = new Crowd(mostWaiting, mostWaitingOfOne);
  readonly #served = new Crowd(mostServed, mostServedOfOne);
  readonly #onCrowd: () => void;

  constructor(onCrowd: () => void) {
    this.#onCrowd = onCrowd;
  }

  /** A connection that was accepted. */
  add(socket: Socket): void {
    const key = keyOf(socket);
    if (key === undefined) return void socket.destroy();
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#waiting.delete(key);
      this.#served.delete(key);
    });
    this.#admit(this.#waiting, key, { socket, address: customerOf(socket.remoteAddress ?? '') });
  }

  /** He is a visitor of the site. */
  setServed(stream: Named): void {
    const key = keyOf(stream);
    const visitor = key === undefined ? undefined : this.#waiting.delete(key);
    if (key !== undefined && visitor !== undefined) this.#admit(this.#served, key, visitor);
  }

  /** He is a peer, and not counted here. */
  forget(stream: Named): void {
    const key = keyOf(stream);
    if (key !== undefined) this.#waiting.delete(key);
  }

  close(): void {
    this.#waiting.end();
    this.#served.end();
  }

  #admit(crowd: Crowd, key: string, visitor: Visitor): void {
    const gone = crowd.add(key, visitor);
    if (gone === undefined) return;
    gone.socket.destroy();
    this.#onCrowd();
  }
}

/** Oldest first, by connection, and the same for each address. */
class Crowd {
  readonly #most: number;
  readonly #mostOfOne: number;
  readonly #all = new Map<string, Visitor>();
  readonly #byAddress = new Map<string, Set<string>>();

  constructor(most: number, mostOfOne: number) {
    this.#most = most;
    this.#mostOfOne = mostOfOne;
  }

  /** Returns who has to go for it. */
  add(key: string, visitor: Visitor): Visitor | undefined {
    const ofOne = this.#byAddress.get(visitor.address) ?? new Set();
    const crowd = ofOne.size >= this.#mostOfOne ? ofOne : this.#all.size >= this.#most ? this.#all.keys() : [];
    const [oldest] = crowd;
    const gone = oldest === undefined ? undefined : this.delete(oldest);
    this.#all.set(key, visitor);
    this.#byAddress.set(visitor.address, ofOne.add(key));
    return gone;
  }

  delete(key: string): Visitor | undefined {
    const visitor = this.#all.get(key);
    if (visitor === undefined) return undefined;
    this.#all.delete(key);
    const ofOne = this.#byAddress.get(visitor.address);
    ofOne?.delete(key);
    if (ofOne?.size === 0) this.#byAddress.delete(visitor.address);
    return visitor;
  }

  end(): void {
    for (const { socket } of this.#all.values()) socket.destroy();
  }
}

/** One source may have a connection to each address of a hub. */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Named): string | undefined {
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** Of ::ffff:0:0/96 (RFC 4291 section 2.5.5.2). */
const mappedHex = `${'0'.repeat(20)}ffff`;
const digitsOf64 = 16;

/** In hexadecimal: whom connections of an address are counted for. One customer has a whole /64 of IPv6. */
export function customerOf(address: string): string {
  const hex = parseCidr(address.split('%', 1)[0] ?? '')?.addressHex ?? '';
  return hex.startsWith(mappedHex) ? hex.slice(mappedHex.length) : hex.slice(0, digitsOf64);
}
