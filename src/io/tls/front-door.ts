/**
 * The TLS port of a hub: whoever proves in his first request that he is a peer gets a WebSocket for packets, everybody else the web site, from
 * his first byte on. Strangers are bounded, all together and of one address: the oldest goes when one more comes, because who means
 * something has said it by then.
 */
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import process from 'node:process';
import type { Duplex } from 'node:stream';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { type WebSocket, WebSocketServer } from 'ws';
import { HawserError, messageOf } from '../../base/errors.ts';
import type { WebSite } from '../../config/config.ts';
import type { TlsIdentity } from '../../config/tls-files.ts';
import { exporterBytes, exporterLabel, type HeardProof } from '../../crypto/tls-proof.ts';
import { tlsMessageMostBytes } from '../../wire/tls-message.ts';
import type { PacketSocket } from './call-hub.ts';
import { proofInRequest, proofText } from './proof-header.ts';
import { Visitors } from './visitors.ts';
import { type SiteWaits, WebSiteServer } from './web-site.ts';

export interface FrontDoorParts {
  readonly identity: TlsIdentity;
  readonly site: WebSite | undefined;
  /** What a request says, on a connection with this exporter; undefined = nothing that a peer would. */
  readonly judge: (proof: Uint8Array, exporter: Uint8Array) => HeardProof | undefined;
  /** The descriptor of a connection that is a peer's from now on. Visitors' are as the kernel makes them: that is what web servers have. */
  readonly tune: (fd: number) => void;
  readonly onPeer: (socket: PacketSocket, publicKey: Uint8Array) => void;
  /** A stranger was sent away for another one. */
  readonly onCrowd: () => void;
  readonly waits?: DoorWaits;
}

export interface DoorWaits extends SiteWaits {
  readonly handshakeMs: number;
  /** From there to the first bytes, or to the end of a peer's upgrade. */
  readonly firstWordMs: number;
}

const ordinaryWaits: DoorWaits = {
  handshakeMs: 10_000,
  firstWordMs: 10_000,
  headMs: 10_000,
  keepAliveMs: 15_000,
  idleMs: 60_000,
};

/** Who has proven that he is a peer, and has no WebSocket yet. */
interface Caller {
  readonly heard: HeardProof;
  readonly timer: NodeJS.Timeout;
}

export class FrontDoor {
  readonly #parts: FrontDoorParts;
  readonly #waits: DoorWaits;
  readonly #site: WebSiteServer;
  readonly #upgrades: HttpServer;
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    // Whoever asks and does not read the answers would fill our memory with them.
    autoPong: false,
    maxPayload: tlsMessageMostBytes,
  });
  readonly #callers = new WeakMap<Duplex, Caller>();
  readonly #visitors: Visitors;
  readonly #servers: Server[] = [];
  #identity: TlsIdentity;

  constructor(parts: FrontDoorParts) {
    this.#parts = parts;
    this.#waits = parts.waits ?? ordinaryWaits;
    this.#identity = parts.identity;
    this.#site = new WebSiteServer(parts.site, this.#waits);
    this.#visitors = new Visitors(parts.onCrowd);
    this.#upgrades = createHttpServer();
    this.#upgrades.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket as TLSSocket, head));
    // Whoever has proven himself and then asks for something else is no peer of ours that works.
    this.#upgrades.on('request', ({ socket }: IncomingMessage) => socket.destroy());
    this.#upgrades.on('clientError', (_, socket) => socket.destroy());
    this.#webSockets.on('headers', (headers: string[], { socket }: IncomingMessage) => {
      const caller = this.#callers.get(socket);
      if (caller !== undefined) headers.push(`Set-Cookie: ${proofText(caller.heard.answer)}; Path=/; Secure; HttpOnly`);
    });
  }

  /** Takes what comes to a socket that listens, and closes the descriptor in the end. Rejects when it cannot. */
  listen(fd: number): Promise<void> {
    const server = createServer({
      cert: this.#identity.certificate,
      key: this.#identity.key,
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      handshakeTimeout: this.#waits.handshakeMs,
      allowHalfOpen: true,
      noDelay: true,
    });
    server.on('connection', (socket: Socket) => this.#visitors.add(socket));
    server.on('secureConnection', (stream) => this.#onSecured(stream));
    server.on('tlsClientError', (_, stream) => stream.destroy());
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      // Later it does nothing: a server that cannot accept (no descriptors are left) goes on when it can.
      server.on('error', (error) => {
        const remedy = 'ss -ltnp shows whose its port is';
        reject(new HawserError('TLS_LISTEN', `Cannot take connections of TLS: ${messageOf(error)}`, remedy));
      });
      server.listen({ fd }, resolve);
    });
  }

  /** Whoever comes from now on sees this certificate. Throws what OpenSSL says of it. */
  setIdentity(identity: TlsIdentity): void {
    this.#identity = identity;
    for (const server of this.#servers) server.setSecureContext({ cert: identity.certificate, key: identity.key });
  }

  /** Idempotent. */
  close(): void {
    this.#visitors.close();
    for (const server of this.#servers) server.close();
  }

  #onSecured(stream: TLSSocket): void {
    stream.on('error', () => stream.destroy());
    const timer = setTimeout(() => stream.destroy(), this.#waits.firstWordMs).unref();
    stream.once('close', () => clearTimeout(timer));
    const onReadable = (): void => {
      const begin: Buffer | null = stream.read();
      if (begin === null) return;
      stream.off('readable', onReadable);
      // Whoever reads on must not find that somebody still waits for 'readable'.
      process.nextTick(() => this.#admit(stream, begin, timer));
    };
    stream.on('readable', onReadable);
  }

  #admit(stream: TLSSocket, begin: Buffer, timer: NodeJS.Timeout): void {
    const proof = stream.getProtocol() === 'TLSv1.3' ? proofInRequest(begin) : undefined;
    const heard = proof === undefined ? undefined : this.#parts.judge(proof, exporterOf(stream));
    if (heard === undefined) {
      clearTimeout(timer);
      this.#visitors.setServed(stream);
      this.#site.serve(stream, begin);
      return;
    }
    this.#callers.set(stream, { heard, timer });
    stream.unshift(begin);
    this.#upgrades.emit('connection', stream);
  }

  /** Until it is a peer's the connection counts as a stranger's, and is not waited for longer than one. */
  #onUpgrade(request: IncomingMessage, stream: TLSSocket, head: Buffer): void {
    const caller = this.#callers.get(stream);
    if (caller === undefined) return void stream.destroy();
    this.#webSockets.handleUpgrade(request, stream, head, (web: WebSocket) => {
      const fd = descriptorOf(stream);
      if (fd === undefined) return void stream.destroy();
      clearTimeout(caller.timer);
      this.#visitors.forget(stream);
      this.#parts.tune(fd);
      this.#parts.onPeer({ web, stream }, caller.heard.publicKey);
    });
  }
}

/** Node tells it to nobody, and has no words for what is said to the kernel with it. Undefined = the connection is closed. */
function descriptorOf(stream: TLSSocket): number | undefined {
  const fd = (stream as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd;
  return fd === undefined || fd < 0 ? undefined : fd;
}

function exporterOf(stream: TLSSocket): Uint8Array {
  return stream.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0));
}
