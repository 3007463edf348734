/** Connections that Node refuses end here also when the other side never ends its half. */
import { once } from 'node:events';
import { createServer as createPlainServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { answerBroken } from '../../../src/actors/api/broken-requests.ts';
import { ownCertificate } from '../../../src/io/tls/own-certificate.ts';

const limits = { headersTimeout: 200, requestTimeout: 400, connectionsCheckingInterval: 50 };

/** Who connects to it says `text`, `more` once something is answered, and keeps its side open. Returns what it hears. */
async function keepOpen(t: Test, server: Server, text: string, more = ''): Promise<() => string> {
  server.on('clientError', (error, socket) => answerBroken(error, socket as Socket, 8192));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true }).on('error', () => undefined);
  t.teardown(() => {
    socket.destroy();
    server.close();
    server.closeAllConnections();
  });
  let said = '';
  socket.on('data', (chunk) => {
    if (said === '') socket.write(more);
    said += String(chunk);
  });
  await once(socket, 'connect');
  socket.write(text);
  return () => said;
}

async function isLeft(server: Server): Promise<boolean> {
  const count = (): Promise<number> =>
    new Promise((resolve, reject) =>
      server.getConnections((error, open) => (error === null ? resolve(open) : reject(error))),
    );
  await sleep(300);
  for (let tries = 0; tries < 100 && (await count()) > 0; tries += 1) await sleep(50);
  return (await count()) === 0;
}

t.test('half a header is answered 408, and the connection is gone', async (t) => {
  const server = createPlainServer(limits);
  const said = await keepOpen(t, server, 'GET / HTTP/1.1\r\nhost: h\r\nx-half: ');
  t.ok(await isLeft(server), 'it is not half open for ever');
  t.match(said(), /^HTTP\/1\.1 408 /);
});

t.test('an answer that is under way is cut, and nothing is put into it', async (t) => {
  const server = createPlainServer(limits, (_request, response) => void response.write('begun'));
  const said = await keepOpen(t, server, 'GET / HTTP/1.1\r\nhost: h\r\n\r\n', 'no request\r\n\r\n');
  t.ok(await isLeft(server));
  t.equal(said().match(/HTTP\/1\.1 /g)?.length ?? 0, 1, said());
  t.match(said(), /200 OK/);
});

t.test('a handshake of TLS that never comes ends the connection', async (t) => {
  const { certificate: cert, key } = ownCertificate(t.testdir(), 'c', 'hub.example.net');
  const server = createTlsServer({ ...limits, cert, key, handshakeTimeout: 200 });
  const said = await keepOpen(t, server, '');
  t.ok(await isLeft(server));
  t.equal(said(), '');
});
