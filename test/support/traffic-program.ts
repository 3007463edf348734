/**
 * Traffic ends that run inside a namespace, one JSON object a line on stdout: `node traffic-program.js serve PORT`,
 * `… pull|push HOST PORT BYTES` (hashed TCP), `… echo PORT`, `… probe HOST PORT INTERVAL_MS SECONDS` (UDP gaps and round trips).
 */
import { createHash, type Hash } from 'node:crypto';
import dgram from 'node:dgram';
import net from 'node:net';
import process from 'node:process';

const blockBytes = 1 << 18;

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Seeded bytes (xorshift32): every block differs, so a block sent twice or in the wrong place changes the hash. */
class SeededSource {
  readonly #block = new Uint32Array(blockBytes >> 2);
  #remaining: number;

  constructor(bytes: number, seed: number) {
    this.#remaining = bytes;
    let state = seed | 1;
    for (let i = 0; i < this.#block.length; i += 1) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      this.#block[i] = state;
    }
  }

  /** The next piece, or undefined at the end. The bytes are a copy: a socket may hold on to them. */
  next(): Buffer | undefined {
    if (this.#remaining === 0) return undefined;
    this.#block[0] = this.#remaining;
    const piece = Buffer.from(Buffer.from(this.#block.buffer).subarray(0, Math.min(blockBytes, this.#remaining)));
    this.#remaining -= piece.length;
    return piece;
  }
}

function send(socket: net.Socket, bytes: number, hash: Hash, onEnd: () => void): void {
  const source = new SeededSource(bytes, 0x48415753);
  const pump = () => {
    for (let piece = source.next(); piece !== undefined; piece = source.next()) {
      hash.update(piece);
      if (!socket.write(piece)) {
        socket.once('drain', pump);
        return;
      }
    }
    onEnd();
  };
  pump();
}

/** Counts and hashes what arrives; the longest silence shows what a restart costs a flow. */
class Receiver {
  readonly hash = createHash('sha256');
  bytes = 0;
  maxGapMs = 0;
  #lastMs = performance.now();

  take(chunk: Buffer): void {
    const nowMs = performance.now();
    if (this.bytes > 0) this.maxGapMs = Math.max(this.maxGapMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    this.bytes += chunk.length;
    this.hash.update(chunk);
  }
}

/** A request is one line: `pull BYTES` or `push BYTES`; the server answers with the bytes, or with the hash of what it got. */
function serve(port: number): void {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', (error) => print({ event: 'error', message: error.message }));
    socket.once('data', (first: Buffer) => {
      const end = first.indexOf(10);
      const [verb, count] = first.subarray(0, end).toString().split(' ');
      if (verb === 'pull') {
        send(socket, Number(count), createHash('sha256'), () => socket.end());
        return;
      }
      const receiver = new Receiver();
      const check = () => {
        if (receiver.bytes === Number(count)) socket.end(receiver.hash.digest('hex'));
      };
      if (first.length > end + 1) receiver.take(first.subarray(end + 1));
      socket.on('data', (chunk: Buffer) => {
        receiver.take(chunk);
        check();
      });
      check();
    });
  });
  server.listen(port, '::', () => print({ event: 'ready' }));
}

function expectedHash(bytes: number): string {
  const hash = createHash('sha256');
  const source = new SeededSource(bytes, 0x48415753);
  for (let piece = source.next(); piece !== undefined; piece = source.next()) hash.update(piece);
  return hash.digest('hex');
}

function pull(host: string, port: number, bytes: number): void {
  const expected = expectedHash(bytes);
  const receiver = new Receiver();
  const startMs = performance.now();
  const socket = net.connect(port, host, () => socket.write(`pull ${bytes}\n`));
  socket.on('data', (chunk: Buffer) => receiver.take(chunk));
  socket.on('close', () => {
    const ms = performance.now() - startMs;
    const isIntact = receiver.bytes === bytes && receiver.hash.digest('hex') === expected;
    print({ event: 'done', bytes: receiver.bytes, ms, isIntact, maxGapMs: receiver.maxGapMs });
  });
  socket.on('error', (error) => print({ event: 'error', message: error.message }));
}

function push(host: string, port: number, bytes: number): void {
  const hash = createHash('sha256');
  const startMs = performance.now();
  let answer = '';
  const socket = net.connect(port, host, () => {
    socket.write(`push ${bytes}\n`);
    send(socket, bytes, hash, () => undefined);
  });
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
  });
  socket.on('close', () => {
    const isIntact = answer === hash.digest('hex');
    print({ event: 'done', bytes, ms: performance.now() - startMs, isIntact, maxGapMs: 0 });
  });
  socket.on('error', (error) => print({ event: 'error', message: error.message }));
}

function echo(port: number): void {
  const socket = dgram.createSocket({ type: 'udp6', ipv6Only: false });
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
  socket.bind(port, '::', () => print({ event: 'ready' }));
}

/** Sends one small datagram an interval and reports lost ones, the round trips, and the longest silence between answers. */
function probe(host: string, port: number, intervalMs: number, seconds: number): void {
  const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const total = Math.round((seconds * 1000) / intervalMs);
  const tripsMs: number[] = [];
  const startMs = performance.now();
  let sent = 0;
  let lastMs = startMs;
  let maxGapMs = 0;
  socket.on('message', (bytes) => {
    const nowMs = performance.now();
    tripsMs.push(nowMs - bytes.readDoubleLE(0));
    maxGapMs = Math.max(maxGapMs, nowMs - lastMs);
    lastMs = nowMs;
  });
  const finish = () => {
    socket.close();
    const sorted = Float64Array.from(tripsMs).sort();
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    maxGapMs = Math.max(maxGapMs, tripsMs.length === 0 ? seconds * 1000 : 0);
    const quantiles = { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
    print({ event: 'done', sent, received: tripsMs.length, maxGapMs, ...quantiles });
  };
  const timer = setInterval(() => {
    // Timers run late under load: send what is due by now.
    const due = Math.min(total, Math.floor((performance.now() - startMs) / intervalMs));
    for (; sent < due; sent += 1) {
      const bytes = Buffer.alloc(64);
      bytes.writeDoubleLE(performance.now(), 0);
      socket.send(bytes, port, host, (error) =>
        error === null ? undefined : print({ event: 'error', message: error.message }),
      );
    }
    if (sent < total) return;
    clearInterval(timer);
    setTimeout(finish, 300);
  }, intervalMs);
}

const [verb = '', ...rest] = process.argv.slice(2);
const [first = '', second = '', third = '', fourth = ''] = rest;
if (verb === 'serve') serve(Number(first));
else if (verb === 'echo') echo(Number(first));
else if (verb === 'pull') pull(first, Number(second), Number(third));
else if (verb === 'push') push(first, Number(second), Number(third));
else if (verb === 'probe') probe(first, Number(second), Number(third), Number(fourth));
else throw new Error(`Unknown verb "${verb}" (serve, echo, pull, push, probe)`);
