/**
 * Many WireGuard peers in one process: `node initiators-program.js JSON` (`SwarmOptions`). Each has an address, a socket and keys of its own,
 * shakes hands as WireGuard does it (retries, cookies, rekeys after 120 s), says a keepalive each 25 s, and answers calls. A line
 * on stdin is a command (`Swarm.say`); every second, and when the last one is connected, a line of JSON (`SwarmState`) goes out.
 */
import dgram from 'node:dgram';
import os from 'node:os';
import process from 'node:process';
import readline from 'node:readline';
import { HandshakeKey } from '../../src/crypto/handshake-key.ts';
import { type Addon, loadAddon } from '../../src/native/addon.ts';
import { CookieJar } from '../../src/protocols/session/cookies.ts';
import {
  type Derived,
  IncomingInitiation,
  Initiation,
  initiationSecret,
  LocalIdentity,
  RemoteIdentity,
} from '../../src/protocols/session/handshake.ts';
import { sessionTimes } from '../../src/protocols/session/peer-session.ts';
import {
  dataHeaderBytes,
  dataHeaderEmit,
  messageType,
  responseReceiver,
  wireguardCheckLength,
  wireguardCounter,
  wireguardReceiver,
  wireguardType,
} from '../../src/wire/wireguard.ts';
import { addressOf, privateKeyOf, type SwarmOptions, type SwarmState } from './swarm.ts';

const tickMs = 20;
/** Calls of one tick: between them each reads what was answered, as peers with a processor of their own would. */
const callsPerTick = 32;
const keepaliveUs = 25_000_000;
const tagBytes = 16;
const nothing = new Uint8Array(0);

interface Session {
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly isInitiator: boolean;
  readonly birthUs: number;
  counter: number;
}

class Peer {
  readonly #addon: Addon;
  readonly #options: SwarmOptions;
  readonly #socket = dgram.createSocket('udp4');
  readonly #local: LocalIdentity;
  readonly #remote: RemoteIdentity;
  readonly #jar: CookieJar;
  readonly #index: number;
  #initiation: Initiation | undefined;
  /** For the next call. */
  #prepared: Initiation | undefined;
  #sessions: Session[] = [];
  /** When it calls, again or for new keys. */
  #callUs = Number.POSITIVE_INFINITY;
  #keepaliveUs = Number.POSITIVE_INFINITY;
  #localIndex = 0;
  /** Microseconds of the last handshake that was finished. */
  connectedUs = 0;
  calls = 0;
  cookies = 0;
  received = 0;

  constructor(addon: Addon, options: SwarmOptions, index: number) {
    this.#addon = addon;
    this.#options = options;
    this.#index = index;
    this.#local = new LocalIdentity(addon, privateKeyOf(options.seed, index));
    const serverKey = Buffer.from(options.serverKey, 'base64');
    this.#remote = new RemoteIdentity(this.#local, serverKey, new Uint8Array(32));
    this.#jar = new CookieJar(addon, serverKey);
    this.#socket.on('message', (bytes) => this.#handleMessage(bytes));
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once('error', reject);
      this.#socket.bind(0, addressOf(this.#index), resolve);
    });
  }

  connect(nowUs: number): void {
    this.#callUs = nowUs;
  }

  /** Computes its next call now: of a crowd each has a processor of its own, and is not in the others' way. */
  prepare(): void {
    this.#prepared = this.#initiate();
  }

  /** Returns whether it called, if it may. */
  tick(nowUs: number, mayCall: boolean): boolean {
    if (nowUs >= this.#keepaliveUs) this.#keepalive(nowUs);
    if (!mayCall || nowUs < this.#callUs) return false;
    this.#call(nowUs);
    return true;
  }

  #call(nowUs: number): void {
    this.#callUs = nowUs + sessionTimes.rekeyTimeoutUs + Math.random() * sessionTimes.rekeyJitterUs;
    const made = this.#prepared ?? this.#initiate();
    this.#prepared = undefined;
    this.#initiation = made;
    this.calls += 1;
    this.#jar.addMacs(made.message, nowUs);
    this.#send(made.message);
  }

  #initiate(): Initiation {
    this.#localIndex = this.#nextIndex();
    const ephemeral = new HandshakeKey(this.#addon);
    const made = Initiation.create(this.#local, this.#remote, this.#localIndex, ephemeral, Date.now() * 1000);
    if (made === undefined) throw new Error('the key of the server serves nobody');
    return made;
  }

  /** Generations tell themselves apart by it. */
  #nextIndex(): number {
    return (this.#localIndex + 1) % 2 ** 32;
  }

  #handleMessage(message: Buffer): void {
    if (!wireguardCheckLength(message, 0, message.length)) return;
    const nowUs = this.#addon.nowUs();
    const type = wireguardType(message, 0);
    if (type === messageType.response) this.#handleResponse(message, nowUs);
    else if (type === messageType.initiation) this.#handleInitiation(message, nowUs);
    else if (type === messageType.data) this.#handleData(message, nowUs);
    else if (this.#jar.handleReply(message, nowUs)) this.cookies += 1;
  }

  #handleResponse(message: Uint8Array, nowUs: number): void {
    const initiation = this.#initiation;
    if (initiation?.localIndex !== responseReceiver(message, 0)) return;
    const derived = initiation.handleResponse(message);
    if (derived === undefined) return;
    this.#initiation = undefined;
    this.#callUs = Number.POSITIVE_INFINITY;
    this.#begin(derived, initiation.localIndex, true, nowUs);
    // Tells the server that its response arrived.
    this.#keepalive(nowUs);
  }

  #handleInitiation(message: Uint8Array, nowUs: number): void {
    const secret = initiationSecret(this.#local, message);
    const incoming = secret === undefined ? undefined : IncomingInitiation.read(this.#local, message, secret);
    if (incoming?.authenticate(this.#remote) === undefined) return;
    this.#localIndex = this.#nextIndex();
    const answer = incoming.respond(this.#remote, this.#localIndex, new HandshakeKey(this.#addon));
    if (answer === undefined) return;
    this.#begin(answer.derived, this.#localIndex, false, nowUs);
    this.#jar.addMacs(answer.message, nowUs);
    this.#send(answer.message);
  }

  #begin({ keys, remoteIndex }: Derived, localIndex: number, isInitiator: boolean, nowUs: number): void {
    const keyPair = { sendKey: keys.send, receiveKey: keys.receive };
    const fresh = { ...keyPair, localIndex, remoteIndex, isInitiator, birthUs: nowUs, counter: 0 };
    this.#sessions = [fresh, ...this.#sessions.slice(0, 1)];
    if (isInitiator) this.connectedUs = nowUs;
  }

  #handleData(message: Uint8Array, nowUs: number): void {
    const session = this.#sessions.find(({ localIndex }) => localIndex === wireguardReceiver(message, 0));
    if (session === undefined) return;
    const sealed = message.subarray(dataHeaderBytes);
    const target = new Uint8Array(sealed.length - tagBytes);
    const nonce = nonceOf(wireguardCounter(message, 0));
    if (this.#addon.aeadOpen(0, session.receiveKey, nonce, nothing, sealed, target) < 0) return;
    this.received += 1;
    // Only now the server is known to have read our response.
    if (!session.isInitiator && this.connectedUs < session.birthUs) {
      this.connectedUs = nowUs;
      this.#callUs = Number.POSITIVE_INFINITY;
      this.#keepaliveUs = nowUs + keepaliveUs;
    }
  }

  /** What is sent under old keys of ours asks for new ones (whitepaper 6.2). */
  #keepalive(nowUs: number): void {
    const [session] = this.#sessions;
    this.#keepaliveUs = nowUs + keepaliveUs;
    if (session === undefined || nowUs - session.birthUs >= sessionTimes.rejectAfterUs) {
      this.#callUs = Math.min(this.#callUs, nowUs);
      return;
    }
    const message = new Uint8Array(dataHeaderBytes + tagBytes);
    dataHeaderEmit(message, 0, { receiver: session.remoteIndex, counter: session.counter });
    const target = message.subarray(dataHeaderBytes);
    this.#addon.aeadSeal(0, session.sendKey, nonceOf(session.counter), nothing, nothing, target);
    session.counter += 1;
    this.#send(message);
    const isOld = session.isInitiator && nowUs - session.birthUs > sessionTimes.rekeyAfterUs;
    if (isOld) this.#callUs = Math.min(this.#callUs, nowUs);
  }

  #send(message: Uint8Array): void {
    this.#socket.send(message, this.#options.port, this.#options.server);
  }
}

/** Whitepaper 5.4.6: 32 zero bits and the counter, little-endian. */
function nonceOf(counter: number): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64LE(BigInt(counter), 4);
  return nonce;
}

function stateOf(peers: readonly Peer[], round: number, sinceUs: number): SwarmState {
  const sum = (of: (peer: Peer) => number): number => peers.reduce((total, peer) => total + of(peer), 0);
  const connected = peers.filter(({ connectedUs }) => connectedUs >= sinceUs);
  return {
    round,
    connected: connected.length,
    lastMs: Math.max(0, ...connected.map(({ connectedUs }) => (connectedUs - sinceUs) / 1000)),
    calls: sum(({ calls }) => calls),
    cookies: sum(({ cookies }) => cookies),
    received: sum(({ received }) => received),
  };
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const options = JSON.parse(process.argv[2] ?? '{}') as SwarmOptions;
if (options.nice !== undefined) os.setPriority(options.nice);
const addon = loadAddon();
const peers = Array.from({ length: options.count }, (_, index) => new Peer(addon, options, index));
for (const peer of peers) await peer.open();
let sinceUs = Number.POSITIVE_INFINITY;
let round = 0;
let isTold = true;
/** Whose turn to call is next: everybody gets one, also while there are too few. */
let first = 0;

function tick(): void {
  const nowUs = addon.nowUs();
  let calls = 0;
  let last = first;
  for (let turned = 0; turned < peers.length; turned += 1) {
    const index = (first + turned) % peers.length;
    if (!peers[index]?.tick(nowUs, calls < callsPerTick)) continue;
    calls += 1;
    last = index + 1;
  }
  first = last % Math.max(1, peers.length);
  setTimeout(tick, calls < callsPerTick ? tickMs : 0);
  if (isTold || peers.some(({ connectedUs }) => connectedUs < sinceUs)) return;
  isTold = true;
  print(stateOf(peers, round, sinceUs));
}

tick();
setInterval(() => print(stateOf(peers, round, sinceUs)), 1000);
for await (const line of readline.createInterface({ input: process.stdin })) {
  // `connect`: all call now. `count`: those count as connected from here on that shake hands again.
  round += 1;
  if (line === 'prepare') {
    for (const peer of peers) peer.prepare();
    continue;
  }
  sinceUs = addon.nowUs();
  isTold = false;
  if (line === 'connect') for (const peer of peers) peer.connect(sinceUs);
}
