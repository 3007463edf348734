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
import type { WebSite } from '../../config/config.ts';
import type { TlsIdentity } from '../../config/tls-files.ts';
import { exporterBytes, exporterLabel, type HeardProof } from '../../crypto/tls-proof.ts';
import { tlsMessageMostBytes } from '../../wire/tls-message.ts';
import type { PacketSocket } from './call-hub.ts';
import { proofInRequest, proofText } from './proof-header.ts';
import { Visitors } from './visitors.ts';
import { WebSiteServer } from './web-site.ts';

export interface FrontDoorParts {
  readonly identity: TlsIdentity;
  readonly site: WebSite | undefined;
  /** What a request says, on a connection with this exporter; undefined = nothing that a peer would. */
  readonly judge: (proof: Uint8Array, exporter: Uint8Array) => HeardProof | undefined;
  readonly onPeer: (socket: PacketSocket, publicKey: Uint8Array) => void;
  /** A stranger was sent away for another one. */
  readonly onCrowd: () => void;
}

const handshakeMs = 10_000;
const firstWordMs = 10_000;

export class FrontDoor {
  readonly #parts: FrontDoorParts;
  readonly #site: WebSiteServer;
  readonly #upgrades: HttpServer;
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    // Whoever asks and does not read the answers would fill our memory with them.
    autoPong: false,
    maxPayload: tlsMessageMostBytes,
  });
  readonly #proven = new WeakMap<Duplex, HeardProof>();
  readonly #visitors: Visitors;
  readonly #servers: Server[] = [];
  #identity: TlsIdentity;

  constructor(parts: FrontDoorParts) {
    this.#parts = parts;
    this.#identity = parts.identity;
    this.#site = new WebSiteServer(parts.site);
    this.#visitors = new Visitors(parts.onCrowd);
    this.#upgrades = createHttpServer();
    this.#upgrades.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket as TLSSocket, head));
    this.#webSockets.on('headers', (headers: string[], { socket }: IncomingMessage) => {
      const heard = this.#proven.get(socket);
      if (heard !== undefined) headers.push(`Set-Cookie: ${proofText(heard.answer)}; Path=/; Secure; HttpOnly`);
    });
  }

  /** Takes what comes to a socket that listens, and closes the descriptor in the end. */
  listen(fd: number): void {
    const server = createServer({
      cert: this.#identity.certificate,
      key: this.#identity.key,
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeMs,
      allowHalfOpen: true,
    });
    server.on('connection', (socket: Socket) => this.#visitors.add(socket));
    server.on('secureConnection', (stream) => this.#onSecured(stream));
    server.on('tlsClientError', (_, stream) => stream.destroy());
    // A server that cannot accept (no descriptors are left) goes on when it can.
    server.on('error', () => undefined);
    server.listen({ fd });
    this.#servers.push(server);
  }

  /** Whoever comes from now on sees this certificate. Throws what OpenSSL says of it. */
  setIdentity(identity: TlsIdentity): void {
    this.#identity = identity;
    for (const server of this.#servers) server.setSecureContext({ cert: identity.certificate, key: identity.key });
  }

  /** Idempotent. */
  close(): void {
    this.#visitors.close();
    this.#site.close();
    for (const server of this.#servers) server.close();
  }

  #onSecured(stream: TLSSocket): void {
    stream.on('error', () => stream.destroy());
    const timer = setTimeout(() => stream.destroy(), firstWordMs).unref();
    stream.once('close', () => clearTimeout(timer));
    const onReadable = (): void => {
      const begin: Buffer | null = stream.read();
      if (begin === null) return;
      clearTimeout(timer);
      stream.off('readable', onReadable);
      // Whoever reads on must not find that somebody still waits for 'readable'.
      process.nextTick(() => this.#admit(stream, begin));
    };
    stream.on('readable', onReadable);
  }

  #admit(stream: TLSSocket, begin: Buffer): void {
    const proof = stream.getProtocol() === 'TLSv1.3' ? proofInRequest(begin) : undefined;
    const heard = proof === undefined ? undefined : this.#parts.judge(proof, exporterOf(stream));
    if (heard === undefined) {
      this.#visitors.setServed(stream);
      this.#site.serve(stream, begin);
      return;
    }
    this.#visitors.forget(stream);
    this.#proven.set(stream, heard);
    stream.unshift(begin);
    this.#upgrades.emit('connection', stream);
  }

  #onUpgrade(request: IncomingMessage, stream: TLSSocket, head: Buffer): void {
    const heard = this.#proven.get(stream);
    if (heard === undefined) return void stream.destroy();
    this.#webSockets.handleUpgrade(request, stream, head, (web: WebSocket) => {
      this.#parts.onPeer({ web, stream }, heard.publicKey);
    });
  }
}

function exporterOf(stream: TLSSocket): Uint8Array {
  return stream.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0));
}
