/**
 * A man in the middle who lies about where packets come from: `node spraying-program.js PORT SERVER SERVER_PORT` relays datagrams between
 * one client and the server. After a line `spray SOURCES COUNT` on stdin the next COUNT of the client's come from the addresses
 * 10.66.0.1, 10.66.0.2 … in turn, which this host must own (`ip route add local 10.66.0.0/16 dev lo`); a second later it prints, with the
 * headers of IPv4 and UDP, by how much more came back to the worst of them than it ever sent, and how much to all since the line. An
 * address may draw in one spray what it paid for in the one before.
 */
import dgram from 'node:dgram';
import process from 'node:process';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const headerBytes = 28;
const drawsMs = 1000;

interface Source {
  readonly socket: dgram.Socket;
  sentBytes: number;
  drawnBytes: number;
}

const [port = '', server = '', serverPort = ''] = process.argv.slice(2);
const outer = dgram.createSocket('udp4');
const inner = dgram.createSocket('udp4');
const sources = new Map<number, Source>();
let client: dgram.RemoteInfo | undefined;
let remaining = 0;
let wanted = 1;
let next = 0;
let finish: () => void = () => undefined;

outer.on('message', (bytes, from) => {
  client = from;
  if (remaining === 0) {
    inner.send(bytes, Number(serverPort), server);
    return;
  }
  remaining -= 1;
  const source = sourceOf(next % wanted);
  next += 1;
  source.sentBytes += bytes.length + headerBytes;
  source.socket.send(bytes, Number(serverPort), server);
  if (remaining === 0) finish();
});
inner.on('message', (bytes) => {
  if (client !== undefined) outer.send(bytes, client.port, client.address);
});

function sourceOf(index: number): Source {
  const known = sources.get(index);
  if (known !== undefined) return known;
  const socket = dgram.createSocket('udp4');
  const source = { socket, sentBytes: 0, drawnBytes: 0 };
  socket.on('message', (bytes) => {
    source.drawnBytes += bytes.length + headerBytes;
  });
  socket.bind(7000, `10.66.${(index + 1) >> 8}.${(index + 1) & 255}`);
  sources.set(index, source);
  return source;
}

async function spray(count: number, packets: number): Promise<void> {
  [wanted, next, remaining] = [count, 0, packets];
  const before = totals();
  const startMs = performance.now();
  await new Promise<void>((resolve) => {
    finish = resolve;
  });
  await sleep(drawsMs);
  const after = totals();
  print({
    event: 'done',
    sources: sources.size,
    seconds: (performance.now() - startMs) / 1000,
    worst: Math.max(...[...sources.values()].map((one) => one.drawnBytes / one.sentBytes)),
    sentBytes: after.sentBytes - before.sentBytes,
    drawnBytes: after.drawnBytes - before.drawnBytes,
  });
}

/** Of all addresses since the start. */
function totals(): { readonly sentBytes: number; readonly drawnBytes: number } {
  const all = [...sources.values()];
  return {
    sentBytes: all.reduce((sum, one) => sum + one.sentBytes, 0),
    drawnBytes: all.reduce((sum, one) => sum + one.drawnBytes, 0),
  };
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

inner.bind(0);
outer.bind(Number(port), () => print({ event: 'ready' }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [, count = '', packets = ''] = line.split(' ');
  await spray(Number(count), Number(packets));
}
