// WireGuard's session machines under a virtual clock: timers, key generations, cookies, handshake messages.
import t from 'tap';
import { cipher } from '../../src/contract/peer-tables.ts';
import { HandshakeKey } from '../../src/crypto/handshake-key.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { AddressLimiter } from '../../src/protocols/session/address-limiter.ts';
import { CookieChecker, CookieJar, replyRandomBytes } from '../../src/protocols/session/cookies.ts';
import {
  IncomingInitiation,
  Initiation,
  initiationSecret,
  LocalIdentity,
  RemoteIdentity,
} from '../../src/protocols/session/handshake.ts';
import { KeyGenerations, type KeySlot } from '../../src/protocols/session/key-generations.ts';
import { type PeerActivity, PeerSession, type SessionAction } from '../../src/protocols/session/peer-session.ts';
import {
  handshakeType,
  responseReceiver,
  wireguardReceiver,
  wireguardSender,
  wireguardType,
} from '../../src/wire/wireguard.ts';
import { hex } from '../support/vectors.ts';

const addon = loadAddon();
const second = 1_000_000;
const jitterUs = 100_000;

/** One peer's session with a clock, a data path that is only times, and a log of what the machine asked for. */
class Bench {
  readonly session: PeerSession;
  readonly log: { atS: number; action: SessionAction }[] = [];
  readonly activity: PeerActivity = {
    lastDataSentUs: 0,
    lastSentUs: 0,
    lastDataReceivedUs: 0,
    lastReceivedUs: 0,
    handshakeWanted: 0,
    isWorn: false,
    isCutOff: false,
    hasWaiting: false,
    isOursToCall: false,
  };
  nowUs = 1000 * second;
  readonly #startUs = this.nowUs;
  #slots = 0;

  constructor(persistentS = 0) {
    this.session = new PeerSession(persistentS * second);
  }

  sendData(): void {
    this.activity.lastDataSentUs = this.nowUs;
    this.activity.lastSentUs = this.nowUs;
    this.poll();
  }

  receiveData(): void {
    this.activity.lastDataReceivedUs = this.nowUs;
    this.activity.lastReceivedUs = this.nowUs;
    this.poll();
  }

  receiveKeepalive(): void {
    this.activity.lastReceivedUs = this.nowUs;
    this.poll();
  }

  want(): void {
    this.activity.handshakeWanted += 1;
    this.poll();
  }

  derive(isInitiator: boolean, earlyUs = 0): KeySlot[] {
    this.#slots += 1;
    return this.session.handleDerived({ slot: this.#slots, isInitiator, birthUs: this.nowUs }, this.nowUs, earlyUs);
  }

  poll(): void {
    this.session.handleActivity(this.activity, this.nowUs, jitterUs);
    for (;;) {
      const action = this.session.nextAction(this.nowUs);
      if (action === undefined) return;
      this.log.push({ atS: (this.nowUs - this.#startUs) / second, action });
      if (action === 'initiate') this.session.handleInitiationSent(this.nowUs, jitterUs);
      if (action === 'keepalive' && this.session.keys.current !== undefined) {
        this.activity.lastSentUs = this.nowUs;
        this.session.handleActivity(this.activity, this.nowUs, jitterUs);
      }
    }
  }

  /** Jumps from wake-up to wake-up. */
  run(seconds: number): void {
    const endUs = this.nowUs + seconds * second;
    for (;;) {
      const wakeUs = Math.max(this.nowUs, this.session.nextWakeUs());
      if (wakeUs > endUs) break;
      this.nowUs = wakeUs;
      this.poll();
    }
    this.nowUs = endUs;
  }

  /** Sends or receives data every `everyS` for `seconds`. */
  exchange(seconds: number, everyS: number, step: () => void): void {
    for (let passed = 0; passed < seconds; passed += everyS) {
      step();
      this.run(everyS);
    }
  }

  times(action: SessionAction): number[] {
    return this.log.filter((one) => one.action === action).map((one) => one.atS);
  }
}

t.test('nextAction() initiates at once for the first waiting packet, then every 5 s for 90 s', async (t) => {
  const bench = new Bench();
  bench.want();
  t.same(bench.times('initiate'), [0], 'the first packet waits for nothing');
  bench.run(200);
  const times = bench.times('initiate');
  t.equal(times[1], 5 + jitterUs / second);
  t.equal(times.length, 18);
  t.ok((times.at(-1) ?? 0) < 90);
  t.notOk(bench.session.isAttempting, 'it gave up');
  bench.want();
  t.equal(bench.times('initiate').length, 19, 'new data begins anew');
});

/** One with keys of two seconds ago, of which nothing is heard since its paths died. */
function cutOff(isOursToCall: boolean, hasWaiting: boolean): Bench {
  const bench = new Bench();
  bench.derive(true);
  bench.receiveData();
  bench.sendData();
  bench.receiveKeepalive();
  bench.run(10);
  Object.assign(bench.activity, { isCutOff: true, isOursToCall, hasWaiting });
  bench.poll();
  return bench;
}

t.test('nextAction() calls at once who is cut off and ours to call, and goes on while data waits', async (t) => {
  const bench = cutOff(true, true);
  // Each look finds the same; a second apart, as they come.
  bench.exchange(200, 1, () => bench.poll());
  const times = bench.times('initiate');
  t.equal(times[0], 10 + jitterUs / second);
  t.equal(times[1], 10 + 5 + (2 * jitterUs) / second);
  t.equal(times.filter((each) => each < 100 + jitterUs / second).length, 18, 'as often as any call, for 90 s');
  t.match(times.slice(18), [Number, Number, Number], 'and again 15 s after it was given up, as for data that left');
});

t.test('nextAction() lets those for whom nothing waits call within a longer time, once', async (t) => {
  const bench = cutOff(true, false);
  bench.exchange(200, 1, () => bench.poll());
  t.equal(bench.times('initiate')[0], 10 + (4 * jitterUs) / second);
  t.equal(bench.times('initiate').length, 18);
  bench.activity.isCutOff = false;
  bench.receiveKeepalive();
  bench.run(1);
  bench.activity.isCutOff = true;
  bench.poll();
  bench.run(1);
  t.equal(bench.times('initiate').length, 19, 'another death, another call');
});

t.test('nextAction() calls who knows better where we are for data that waits 15 s, and else not', async (t) => {
  const bench = cutOff(false, true);
  bench.exchange(20, 1, () => bench.poll());
  t.equal(bench.times('initiate')[0], 10 + 15 + jitterUs / second);
  const idle = cutOff(false, false);
  idle.exchange(100, 1, () => idle.poll());
  t.same(idle.times('initiate'), []);
});

t.test('nextAction() calls nobody who is heard, though no path leads there', async (t) => {
  const bench = cutOff(true, true);
  bench.exchange(60, 0.5, () => bench.receiveKeepalive());
  t.same(bench.times('initiate'), []);
});

t.test('nextAction() never initiates twice within 5 s, whatever asks for it', async (t) => {
  const bench = new Bench();
  bench.exchange(30, 0.1, () => bench.want());
  const times = bench.times('initiate');
  t.ok(times.length >= 5 && times.length <= 7);
  for (let index = 1; index < times.length; index += 1) {
    t.ok((times[index] ?? 0) - (times[index - 1] ?? 0) >= 5 - 1e-9, `initiation ${index}`);
  }
});

t.test('nextAction() goes on trying for more than 90 s while data keeps coming', async (t) => {
  const bench = new Bench();
  bench.exchange(300, 20, () => bench.want());
  t.ok((bench.times('initiate').at(-1) ?? 0) > 290);
});

t.test('nextAction() rekeys as initiator after 120 s when it sends, as responder never', async (t) => {
  const initiator = new Bench();
  initiator.derive(true);
  const both = (bench: Bench) => () => {
    bench.sendData();
    bench.receiveData();
  };
  initiator.exchange(125, 1, both(initiator));
  t.same(initiator.times('initiate'), [121]);
  const responder = new Bench();
  responder.derive(false);
  responder.session.handleConfirmed();
  responder.exchange(175, 1, both(responder));
  t.same(responder.times('initiate'), []);
});

t.test('nextAction() rekeys as initiator that only receives, once, in the last 15 s', async (t) => {
  const bench = new Bench();
  bench.derive(true);
  bench.exchange(164, 1, () => bench.receiveKeepalive());
  t.same(bench.times('initiate'), []);
  bench.exchange(4, 1, () => bench.receiveKeepalive());
  t.same(bench.times('initiate'), [166]);
});

t.test('nextAction() rekeys sooner where many would at once, also as responder', async (t) => {
  const sending = new Bench();
  sending.derive(true, 20 * second);
  sending.exchange(105, 1, () => {
    sending.sendData();
    sending.receiveData();
  });
  t.same(sending.times('initiate'), [101]);
  const receiving = new Bench();
  receiving.derive(true, 20 * second);
  receiving.exchange(150, 1, () => receiving.receiveKeepalive());
  t.same(receiving.times('initiate').slice(0, 1), [145], 'of itself');
  t.equal(receiving.times('initiate').length, 1, 'once');
  receiving.derive(true);
  receiving.exchange(164, 1, () => receiving.receiveKeepalive());
  t.equal(receiving.times('initiate').length, 1, 'each keys have their own time');
  const responder = new Bench();
  responder.derive(false, 20 * second);
  responder.session.handleConfirmed();
  responder.exchange(102, 1, () => responder.receiveKeepalive());
  t.same(responder.times('initiate'), [100]);
  responder.exchange(5, 1, () => {
    responder.receiveKeepalive();
    t.notOk(responder.session.isRetry(responder.nowUs), 'its keys serve: nothing is doubted when the call is lost');
  });
  responder.exchange(60, 1, () => responder.receiveKeepalive());
  t.same(responder.times('initiate'), [100], 'once: the peer renews by itself what it has begun');
  t.notOk(responder.session.isAttempting);
  responder.sendData();
  responder.run(40);
  t.ok(responder.times('initiate').length > 3, 'data that nothing answers calls as ever');
  const served = new Bench();
  served.derive(false, 20 * second);
  served.session.handleConfirmed();
  served.exchange(90, 1, () => served.receiveKeepalive());
  served.derive(false);
  served.session.handleConfirmed();
  served.exchange(175, 1, () => served.receiveKeepalive());
  t.same(served.times('initiate'), [], 'who has called meanwhile is not called');
  const asleep = new Bench();
  asleep.derive(false, 20 * second);
  asleep.session.handleConfirmed();
  asleep.exchange(65, 1, () => asleep.receiveKeepalive());
  asleep.run(100);
  t.same(asleep.times('initiate'), [], 'nor who sleeps');
});

t.test('nextAction() rekeys after 2^60 messages also as responder', async (t) => {
  const bench = new Bench();
  bench.derive(false);
  bench.session.handleConfirmed();
  bench.activity.isWorn = true;
  bench.sendData();
  t.same(bench.times('initiate'), [0]);
});

t.test('nextAction() starts a handshake when 15 s passed without an answer to data', async (t) => {
  const silent = new Bench();
  silent.derive(true);
  silent.run(6);
  silent.exchange(14, 1, () => silent.sendData());
  t.same(silent.times('initiate'), []);
  silent.run(3);
  t.same(silent.times('initiate'), [21 + jitterUs / second]);
  const answered = new Bench();
  answered.derive(true);
  answered.run(6);
  answered.sendData();
  answered.run(14);
  answered.receiveKeepalive();
  answered.run(10);
  t.same(answered.times('initiate'), [], 'anything authentic counts as an answer');
});

t.test('nextAction() answers data with a keepalive after 10 s of silence, keepalives with nothing', async (t) => {
  const bench = new Bench();
  bench.derive(true);
  bench.receiveData();
  bench.run(9.9);
  t.same(bench.times('keepalive'), []);
  bench.run(0.2);
  t.same(bench.times('keepalive'), [10]);
  bench.receiveKeepalive();
  bench.run(60);
  t.same(bench.times('keepalive'), [10]);
});

t.test('nextAction() sends no keepalive when data went out after what was received', async (t) => {
  const bench = new Bench();
  bench.derive(true);
  bench.receiveData();
  bench.run(5);
  bench.sendData();
  bench.receiveKeepalive();
  bench.run(30);
  t.same(bench.times('keepalive'), []);
});

t.test('nextAction() answers all data before it with one keepalive, and later data with another', async (t) => {
  const bench = new Bench();
  bench.derive(true);
  bench.receiveData();
  bench.run(4);
  bench.receiveData();
  bench.run(8);
  t.same(bench.times('keepalive'), [10]);
  bench.receiveData();
  bench.run(30);
  t.same(bench.times('keepalive'), [10, 22]);
});

t.test('nextAction() keeps a NAT open by the persistent keepalive, counted from the last packet', async (t) => {
  const bench = new Bench(25);
  bench.derive(true);
  bench.run(20);
  bench.receiveKeepalive();
  bench.run(60);
  t.same(bench.times('keepalive'), [45, 70]);
});

t.test(
  'nextAction() lets the persistent keepalive call an absent peer for ever, but more and more rarely',
  async (t) => {
    const bench = new Bench(25);
    bench.session.handleWanted();
    bench.poll();
    bench.run(3000);
    const called = bench.times('initiate');
    const early = called.filter((at) => at < 95);
    const late = called.filter((at) => at >= 95);
    t.ok(early.length >= 17, "WireGuard's 90 seconds");
    t.ok(late.length >= 10 && late.length <= 16, `${late.length} calls in the 48 minutes after`);
    const gaps = late.slice(1).map((at, index) => at - (late[index] ?? 0));
    t.ok(gaps.every((gap) => gap <= 335) && (gaps.at(-1) ?? 0) >= 290, gaps.join());
    bench.session.handleWanted();
    bench.poll();
    bench.run(80);
    t.ok(bench.times('initiate').length - called.length >= 14, 'who is wanted anew is called as at first');
  },
);

t.test('nextAction() forgets all keys 540 s after the last were derived', async (t) => {
  const bench = new Bench();
  bench.derive(true);
  bench.run(300);
  bench.derive(true);
  bench.run(600);
  t.same(bench.times('forget-keys'), [840]);
});

t.test('handleInitiation() answers a peer 50 times a second at most', async (t) => {
  const bench = new Bench();
  t.ok(bench.session.handleInitiation(bench.nowUs));
  t.notOk(bench.session.handleInitiation(bench.nowUs + 19_000));
  t.ok(bench.session.handleInitiation(bench.nowUs + 20_000));
});

t.test('handleConfirmed() ends our own attempt when both sides began at once', async (t) => {
  const bench = new Bench();
  bench.want();
  bench.session.handleInitiation(bench.nowUs);
  bench.session.handleResponseSent(bench.nowUs);
  bench.derive(false);
  t.ok(bench.session.isAttempting);
  t.equal(bench.session.keys.current, undefined, 'a responder may not send yet');
  bench.session.handleConfirmed();
  t.notOk(bench.session.isAttempting);
  bench.run(100);
  t.same(bench.times('initiate'), [0]);
});

t.test('KeyGenerations moves keys as the table in its file says', async (t) => {
  const keys = new KeyGenerations();
  const key = (slot: number, isInitiator: boolean): KeySlot => ({ slot, isInitiator, birthUs: 0 });
  const state = () => [keys.previous?.slot, keys.current?.slot, keys.next?.slot];
  t.same(keys.handleDerived(key(1, true)), []);
  t.same(state(), [undefined, 1, undefined]);
  t.same(keys.handleDerived(key(2, false)), []);
  t.same(state(), [undefined, 1, 2], 'still sealing under the old key');
  t.same(keys.handleConfirmed(), []);
  t.same(state(), [1, 2, undefined]);
  t.same(
    keys.handleDerived(key(3, true)).map((one) => one.slot),
    [1],
  );
  t.same(state(), [2, 3, undefined]);
  t.same(
    keys.handleDerived(key(4, false)).map((one) => one.slot),
    [2],
  );
  t.same(
    keys.handleDerived(key(5, true)).map((one) => one.slot),
    [3],
  );
  t.same(state(), [4, 5, undefined], 'the answered key stays to be received under');
  keys.handleGone(5);
  t.same(state(), [4, undefined, undefined]);
});

function identities() {
  const [left, right] = [new LocalIdentity(addon, Buffer.alloc(32, 1)), new LocalIdentity(addon, Buffer.alloc(32, 2))];
  const presharedKey = new Uint8Array(32).fill(9);
  return {
    left,
    right,
    toRight: new RemoteIdentity(left, right.key.publicKey, presharedKey),
    toLeft: new RemoteIdentity(right, left.key.publicKey, presharedKey),
  };
}

t.test('Initiation and IncomingInitiation agree on keys for both ciphers', async (t) => {
  const { left, right, toRight, toLeft } = identities();
  const initiation = Initiation.create(left, toRight, 0x11223344, new HandshakeKey(addon, Buffer.alloc(32, 3)), 1.7e15);
  if (initiation === undefined) throw new Error('no initiation');
  t.equal(handshakeType(initiation.message.length), 1);
  t.same([wireguardType(initiation.message, 0), wireguardSender(initiation.message, 0)], [1, 0x11223344]);
  const secret = initiationSecret(right, initiation.message) ?? new Uint8Array(32);
  const incoming = IncomingInitiation.read(right, initiation.message, secret);
  t.same(incoming?.publicKey, Buffer.from(left.key.publicKey));
  t.ok(
    secret.every((byte) => byte === 0),
    'the secret is overwritten',
  );
  // 1.7e15 µs is 2023-11-14 22:13:20 UTC, ten seconds later in TAI64N's count.
  t.equal(hex(incoming?.authenticate(toLeft) ?? new Uint8Array(0)), '400000006553f10a00000000');
  const answer = incoming?.respond(toLeft, 0x55667788, new HandshakeKey(addon, Buffer.alloc(32, 4)));
  if (answer === undefined) throw new Error('no answer');
  t.equal(responseReceiver(answer.message, 0), 0x11223344);
  const forged = Uint8Array.from(answer.message);
  forged[50] = (forged[50] ?? 0) ^ 1;
  t.equal(initiation.handleResponse(forged), undefined);
  const derived = initiation.handleResponse(answer.message);
  if (derived === undefined) throw new Error('no session');
  t.equal(derived.remoteIndex, 0x55667788);
  t.same(derived.keys.send, answer.derived.keys.receive);
  t.same(derived.keys.receive, answer.derived.keys.send);
  t.same(derived.keys.sendAes, answer.derived.keys.receiveAes);
  t.same(derived.keys.receiveAes, answer.derived.keys.sendAes);
  const distinct = new Set(Object.values(derived.keys).map((key) => hex(key)));
  t.equal(distinct.size, 4, 'no key serves twice');
  t.equal(initiation.handleResponse(answer.message), undefined, 'a response is read once');
});

t.test('IncomingInitiation.authenticate() refuses a claimed key that is not owned', async (t) => {
  const { right, toRight, left } = identities();
  const thief = new LocalIdentity(addon, Buffer.alloc(32, 7));
  // Sealed with the thief's static key, but read as if it were left's.
  const initiation = Initiation.create(
    thief,
    new RemoteIdentity(thief, right.key.publicKey, toRight.presharedKey),
    1,
    new HandshakeKey(addon, Buffer.alloc(32, 3)),
    1e15,
  );
  const message = initiation?.message ?? new Uint8Array(148);
  const incoming = IncomingInitiation.read(right, message, initiationSecret(right, message) ?? new Uint8Array(32));
  t.equal(incoming?.authenticate(new RemoteIdentity(right, left.key.publicKey, toRight.presharedKey)), undefined);
});

t.test('CookieChecker hands out cookies, and takes them from the same address for two minutes', async (t) => {
  const { left, right, toRight } = identities();
  const checker = new CookieChecker(addon, right.key.publicKey);
  const jar = new CookieJar(addon, right.key.publicKey);
  const message =
    Initiation.create(left, toRight, 5, new HandshakeKey(addon, Buffer.alloc(32, 3)), 1e15)?.message ??
    new Uint8Array(148);
  const source = Uint8Array.of(1, 2, 3, 4);
  let nowUs = 50 * second;
  t.notOk(checker.hasMac1(message));
  jar.addMacs(message, nowUs);
  t.ok(checker.hasMac1(message));
  t.notOk(checker.hasMac2(message, source, nowUs));

  const random = new Uint8Array(replyRandomBytes).fill(0x5a);
  const reply = checker.nextReply(message, source, nowUs, random) ?? new Uint8Array(64);
  t.equal(handshakeType(reply.length), 3);
  t.equal(wireguardReceiver(reply, 0), 5);
  const forged = Uint8Array.from(reply);
  forged[40] = (forged[40] ?? 0) ^ 1;
  t.notOk(jar.handleReply(forged, nowUs));
  t.notOk(new CookieJar(addon, right.key.publicKey).handleReply(reply, nowUs), 'not to somebody who sent nothing');
  t.ok(jar.handleReply(reply, nowUs));

  jar.addMacs(message, nowUs);
  t.ok(checker.hasMac2(message, source, nowUs));
  t.notOk(checker.hasMac2(message, Uint8Array.of(1, 2, 3, 5), nowUs), 'not from another address');
  nowUs += 119 * second;
  t.ok(checker.hasMac2(message, source, nowUs));
  nowUs += 2 * second;
  t.notOk(checker.hasMac2(message, source, nowUs), 'the secret has changed');
  jar.addMacs(message, nowUs);
  t.ok(
    message.subarray(132).every((byte) => byte === 0),
    'an old cookie is not shown',
  );
});

t.test(
  'CookieChecker.isUnderLoad() begins with a burst of what leads to nothing, and ends a second after it',
  async (t) => {
    const checker = new CookieChecker(addon, new Uint8Array(32));
    let nowUs = 10 * second;
    for (let message = 0; message < 100; message += 1) checker.handleUseless(nowUs);
    t.notOk(checker.isUnderLoad(nowUs));
    checker.handleUseless(nowUs);
    t.ok(checker.isUnderLoad(nowUs));
    nowUs += second;
    t.notOk(checker.isUnderLoad(nowUs));
    for (let message = 0; message < 400; message += 1) {
      nowUs += 5000;
      checker.handleUseless(nowUs);
    }
    t.notOk(checker.isUnderLoad(nowUs), '200 a second are no load');
  },
);

t.test('CookieChecker.mayReply() allows 400 at once and 2,000 a second, to all the world together', async (t) => {
  const checker = new CookieChecker(addon, new Uint8Array(32));
  let nowUs = 10 * second;
  const allowed = (count: number) =>
    Array.from({ length: count }, () => checker.mayReply(nowUs)).filter(Boolean).length;
  t.equal(allowed(1000), 400);
  t.equal(allowed(1000), 0);
  let replies = 0;
  for (let step = 0; step < 100; step += 1) {
    nowUs += 10_000;
    replies += allowed(200);
  }
  t.equal(replies, 2000, '20,000 asked in a second');
  nowUs += 60 * second;
  t.equal(allowed(1000), 400, 'a quiet minute saves up no more than that');
});

t.test('AddressLimiter serves 5 at once and 20 a second, for each address', async (t) => {
  const limiter = new AddressLimiter();
  let nowUs = 7 * second;
  const served = (address: string, count: number) =>
    Array.from({ length: count }, () => limiter.isAllowed(address, nowUs)).filter(Boolean).length;
  t.equal(served('a', 20), 5);
  t.equal(served('b', 20), 5);
  nowUs += 100_000;
  t.equal(served('a', 20), 2);
  nowUs += 10 * second;
  t.equal(served('a', 20), 5);
});

t.test('aeadOpen() takes with one key what aeadSeal() made with its twin only', async (t) => {
  // The property the whole schedule rests on: AES keys and ChaCha keys of one session are unrelated.
  const { left, right, toRight, toLeft } = identities();
  const initiation = Initiation.create(left, toRight, 1, new HandshakeKey(addon, Buffer.alloc(32, 3)), 1e15);
  const message = initiation?.message ?? new Uint8Array(148);
  const incoming = IncomingInitiation.read(right, message, initiationSecret(right, message) ?? new Uint8Array(32));
  incoming?.authenticate(toLeft);
  const keys = incoming?.respond(toLeft, 2, new HandshakeKey(addon, Buffer.alloc(32, 4)))?.derived.keys;
  const [nonce, nothing] = [new Uint8Array(12), new Uint8Array(0)];
  const sealed = new Uint8Array(17);
  const opened = new Uint8Array(1);
  if (keys === undefined) throw new Error('no keys');
  addon.aeadSeal(cipher.aes256gcm, keys.sendAes, nonce, nothing, Uint8Array.of(7), sealed);
  t.equal(addon.aeadOpen(cipher.aes256gcm, keys.sendAes, nonce, nothing, sealed, opened), 1);
  t.equal(addon.aeadOpen(cipher.aes256gcm, keys.send, nonce, nothing, sealed, opened), -74);
});
