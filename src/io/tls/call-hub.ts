/** TLS 1.3 over a connection that stands, the request that proves who we are, and its answer: then the stream is a WebSocket (RFC 6455). */
import type { IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { HawserError, messageOf } from '../../base/errors.ts';
import { type CallProof, exporterBytes, exporterLabel, isAnswer } from '../../crypto/tls-proof.ts';
import { tlsMessageMostBytes } from '../../wire/tls-message.ts';
import { proofIn, proofText } from './proof-header.ts';

export interface HubCall {
  /** What is asked for: SNI, if it is a name, and Host. */
  readonly serverName: string;
  readonly port: number;
  /** The proof for a connection with this exporter; undefined = there can be none with this hub. */
  readonly prove: (exporter: Uint8Array) => CallProof | undefined;
}

export interface PacketSocket {
  readonly web: WebSocket;
  readonly stream: TLSSocket;
}

const httpsPort = 443;

/** Ends the connection, and rejects with one sentence, unless the hub has proven itself. Nobody looks at its certificate: the answer says more. */
export async function callHub(connection: Socket, call: HubCall, signal: AbortSignal): Promise<PacketSocket> {
  const { serverName } = call;
  const stream = connectTls({
    socket: connection,
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false,
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
  });
  const end = (): void => {
    stream.destroy();
    connection.destroy();
  };
  signal.addEventListener('abort', end, { once: true });
  try {
    // Nothing that has happened before would end a wait.
    signal.throwIfAborted();
    await secured(stream, connection);
    return { stream, web: await upgrade(stream, call) };
  } catch (error) {
    end();
    throw signal.aborted ? new HawserError('TLS', 'no answer in time') : error;
  } finally {
    signal.removeEventListener('abort', end);
  }
}

function secured(stream: TLSSocket, connection: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error?: Error): void =>
      reject(
        new HawserError('TLS', `TLS fails: ${error === undefined ? 'the connection was closed' : messageOf(error)}`),
      );
    stream
      .once('secureConnect', resolve)
      .once('error', fail)
      .once('close', () => fail());
    connection.once('error', fail).once('close', () => fail());
  });
}

function upgrade(stream: TLSSocket, { serverName, port, prove }: HubCall): Promise<WebSocket> {
  const proof = prove(stream.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0)));
  if (proof === undefined) throw new HawserError('TLS', 'the public key of the peer is none');
  const name = isIP(serverName) === 6 ? `[${serverName}]` : serverName;
  const web = new WebSocket(`ws://${name}${port === httpsPort ? '' : `:${port}`}/`, {
    createConnection: () => stream,
    headers: { Host: port === httpsPort ? name : `${name}:${port}`, Cookie: proofText(proof.bytes) },
    perMessageDeflate: false,
    // Whoever asks and does not read the answers would fill our memory with them.
    autoPong: false,
    maxPayload: tlsMessageMostBytes,
  });
  return new Promise((resolve, reject) => {
    let isHub = false;
    const stranger = (): HawserError =>
      new HawserError(
        'TLS_STRANGER',
        'a web site answers, and not our peer',
        'its public key, ours there, and that nobody decrypts on the way',
      );
    web.on('upgrade', ({ headers }: IncomingMessage) => {
      const answer = headers['set-cookie']?.map(proofIn).find((one) => one !== undefined);
      isHub = answer !== undefined && isAnswer(answer, proof.answer);
    });
    web.once('open', () => {
      if (isHub) return resolve(web);
      web.terminate();
      reject(stranger());
    });
    web.once('unexpected-response', () => {
      web.terminate();
      reject(stranger());
    });
    web.on('error', (error: Error) => reject(new HawserError('TLS', `the upgrade fails: ${messageOf(error)}`)));
    web.once('close', () => reject(new HawserError('TLS', 'the connection was closed')));
  });
}
