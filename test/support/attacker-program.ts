/**
 * A man in the middle: `node attacker-program.js PORT SERVER SERVER_PORT` relays datagrams between one client and the server and
 * keeps the first of the client's. A line on stdin, `forge COUNT` or `replay COUNT`, sends that many forged or kept datagrams
 * from a socket of its own; afterwards it prints how many bytes came back to that socket.
 */
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import process from 'node:process';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const keptMax = 2000;
/** Sizes of initiation, response and cookie reply (WireGuard, section 5.4); 4 = data. */
const forgedBytes = new Map([
  [1, 148],
  [2, 92],
  [3, 64],
  [4, 128],
]);
const batchCount = 50;

const [port = '', server = '', serverPort = ''] = process.argv.slice(2);
const kept: Buffer[] = [];
const outer = dgram.createSocket('udp4');
const inner = dgram.createSocket('udp4');
const own = dgram.createSocket('udp4');
let client: dgram.RemoteInfo | undefined;
let answeredBytes = 0;
let answers = 0;

outer.on('message', (bytes, from) => {
  client = from;
  if (kept.length < keptMax) kept.push(Buffer.from(bytes));
  inner.send(bytes, Number(serverPort), server);
});
inner.on('message', (bytes) => {
  if (client !== undefined) outer.send(bytes, client.port, client.address);
});
own.on('message', (bytes) => {
  answeredBytes += bytes.length;
  answers += 1;
});

/** Right type and size, all else random: only a MAC or a tag tells it from a true one. */
function forge(index: number): Buffer {
  const type = (index % 4) + 1;
  const bytes = randomBytes(index % 9 === 8 ? 1 + (index % 1400) : (forgedBytes.get(type) ?? 64));
  if (index % 9 !== 8) bytes.writeUInt32LE(type, 0);
  return bytes;
}

async function attack(kind: string, count: number): Promise<void> {
  answeredBytes = 0;
  answers = 0;
  let sentBytes = 0;
  for (let i = 0; i < count; i += 1) {
    const bytes = kind === 'forge' ? forge(i) : (kept[i % kept.length] ?? forge(i));
    own.send(bytes, Number(serverPort), server);
    sentBytes += bytes.length;
    if (i % batchCount === batchCount - 1) await sleep(1);
  }
  await sleep(500);
  print({ event: 'done', kind, sent: count, sentBytes, answers, answeredBytes, kept: kept.length });
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

own.bind(0);
outer.bind(Number(port), () => print({ event: 'ready' }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [kind = '', count = ''] = line.split(' ');
  await attack(kind, Number(count));
}
