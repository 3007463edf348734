/** The TLS port of a hub on the loopback, one peer of it, and visitors. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import type { WebSite } from '../../src/config/config.ts';
import { proveCaller, readProof } from '../../src/crypto/tls-proof.ts';
import { generateKeyPair } from '../../src/crypto/x25519.ts';
import { callHub, type PacketSocket } from '../../src/io/tls/call-hub.ts';
import { type DoorWaits, FrontDoor } from '../../src/io/tls/front-door.ts';
import { ownCertificate } from '../../src/io/tls/own-certificate.ts';
import { loadAddon } from '../../src/native/addon.ts';

const addon = loadAddon();
/** Is removed after the file's last test. */
export const folder = mkdtempSync(path.join(os.tmpdir(), 'hawser-tls-'));
t.teardown(() => rmSync(folder, { recursive: true }));
export const identity = ownCertificate(folder, 'first', 'hub.example.net');
const [caller, hub] = [generateKeyPair(), generateKeyPair()];

export async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A port that nobody has. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

export async function openDoor(t: Test, site: WebSite | undefined, waits?: DoorWaits) {
  const peers: PacketSocket[] = [];
  const counted = { crowd: 0, tuned: [] as number[] };
  const door = new FrontDoor({
    identity,
    site,
    judge: (proof, exporter) => {
      const heard = readProof(addon, hub, proof, exporter);
      return heard !== undefined && Buffer.from(caller.publicKey).equals(heard.publicKey) ? heard : undefined;
    },
    tune: (fd) => counted.tuned.push(fd),
    onPeer: (socket) => peers.push(socket),
    onCrowd: () => {
      counted.crowd += 1;
    },
    ...(waits === undefined ? {} : { waits }),
  });
  const port = await freePort();
  await door.listen(addon.listenTcp({ family: 4, port, mark: 0, interface: '' }));
  t.teardown(() => {
    for (const { web } of peers) web.terminate();
    door.close();
  });
  return { door, port, peers, counted };
}

/** What the peer says of himself on a connection with this exporter. */
export function proofOf(exporter: Uint8Array, own = caller) {
  return proveCaller(addon, own, hub.publicKey, exporter);
}

export function call(
  port: number,
  own = caller,
  connection: Socket = connect(port, '127.0.0.1'),
): Promise<PacketSocket> {
  const prove = (exporter: Uint8Array) => proofOf(exporter, own);
  return callHub(connection, { serverName: 'hub.example.net', port, prove }, AbortSignal.timeout(10_000));
}

export async function fetched(
  port: number,
  at: string,
  headers = {},
): Promise<{ status: number; type: string; body: string }> {
  const asking = get({ host: '127.0.0.1', port, path: at, headers, rejectUnauthorized: false, agent: false });
  const [response] = await once(asking, 'response');
  return { status: response.statusCode, type: String(response.headers['content-type']), body: await text(response) };
}

/** `connection`: of TCP, below it. */
export async function visitor(port: number, connection: Socket = connect(port, '127.0.0.1')): Promise<TLSSocket> {
  connection.on('error', () => undefined);
  const socket = connectTls({ socket: connection, rejectUnauthorized: false });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}
