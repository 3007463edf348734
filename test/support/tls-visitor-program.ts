/**
 * Strangers at a TLS port, one line of JSON each: `get HOST PORT` says what the site answers; `crowd HOST PORT COUNT` opens connections that
 * begin a handshake and never end it, others that send a request byte by byte, and garbage, and keeps them until it is killed
 * (`[ADDRESS,…]` behind it: from these addresses in turn);
 * `deaf HOST PORT PATH` asks for a file and takes nothing of the answer until it is killed.
 */
import { once } from 'node:events';
import { get } from 'node:https';
import { connect } from 'node:net';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';

const [verb, host = '', portText = '', last = '0', from = ''] = process.argv.slice(2);
const port = Number(portText);
const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
/** The beginning of a ClientHello. */
const hello = Buffer.from('16030100ff010000fb0303', 'hex');

if (verb === 'get') {
  const asking = get({ host, port, rejectUnauthorized: false });
  const [response] = await once(asking, 'response');
  const { subject } = response.socket.getPeerCertificate();
  print({ status: response.statusCode, name: subject?.CN, body: await text(response) });
} else if (verb === 'deaf') {
  const socket = connectTls({ host, port, rejectUnauthorized: false });
  socket.on('error', () => undefined);
  socket.write(`GET ${last} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, () => print('asked'));
  setInterval(() => undefined, 60_000);
} else {
  const count = Number(last);
  const ended = { count: 0 };
  const addresses = from.split(',');
  for (let index = 0; index < count; index += 1) {
    const kind = index % 3;
    const localAddress = addresses[index % addresses.length] || undefined;
    const to = { host, port, noDelay: true, ...(localAddress === undefined ? {} : { localAddress }) };
    const socket = kind === 0 ? connectTls({ ...to, rejectUnauthorized: false }) : connect(to);
    socket.on('error', () => undefined).on('close', () => (ended.count += 1));
    socket.resume();
    if (kind === 0) {
      const slowly = setInterval(() => socket.write('G'), 300);
      socket.on('close', () => clearInterval(slowly));
    } else socket.write(kind === 1 ? hello : Buffer.alloc(64, index));
  }
  setTimeout(() => print({ opened: count, ended: ended.count }), 2000);
  setTimeout(() => undefined, 60_000);
}
