/** A small HTTP proxy that knows CONNECT alone: `node connect-proxy-program.js HOST PORT [USER:PASSWORD]`; prints a line when it listens. */
import { createServer } from 'node:http';
import { connect } from 'node:net';
import process from 'node:process';

const [host = '127.0.0.1', port = '3128', account] = process.argv.slice(2);
const wanted = account === undefined ? undefined : `Basic ${Buffer.from(account).toString('base64')}`;

const server = createServer((_, response) => response.writeHead(405).end());
server.on('connect', (request, client, head) => {
  const end = (): void => {
    client.destroy();
    far.destroy();
  };
  const [, name = '', at = ''] = /^\[?([^\]]*)\]?:(\d+)$/.exec(request.url ?? '') ?? [];
  if (wanted !== undefined && request.headers['proxy-authorization'] !== wanted) {
    client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="test"\r\n\r\n');
    return;
  }
  const far = connect(Number(at), name, () => {
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    far.write(head);
    far.pipe(client);
    client.pipe(far);
  });
  for (const one of [far, client]) one.on('error', end).on('close', end);
});
server.listen(Number(port), host, () => process.stdout.write('listens\n'));
