// Codecs that read what comes from the network: round trips, and no length, type or byte that makes them read beyond the end.
import fc from 'fast-check';
import t from 'tap';
import { capability, controlKind } from '../../src/contract/frames.ts';
import {
  controlFrameCheckLength,
  helloAesIndex,
  helloBytes,
  helloCapabilities,
  helloEmit,
  helloHasHeard,
  helloVersion,
  helloVersionOf,
  namesCheckLength,
  namesEmit,
  namesHasHeard,
  namesText,
} from '../../src/wire/control-frame.ts';
import {
  sockaddrAddress,
  sockaddrCheckLength,
  sockaddrEmit,
  sockaddrEquals,
  sockaddrLength,
  sockaddrPort,
} from '../../src/wire/sockaddr.ts';
import {
  cookieReplyBytes,
  cookieReplyEmit,
  dataHeaderBytes,
  dataHeaderEmit,
  handshakeType,
  initiationBytes,
  initiationEmit,
  messageType,
  responseBytes,
  responseEmit,
  responseReceiver,
  wireguardCheckLength,
  wireguardCookie,
  wireguardCookieNonce,
  wireguardCounter,
  wireguardReceiver,
  wireguardSender,
  wireguardType,
} from '../../src/wire/wireguard.ts';
import { hex } from '../support/vectors.ts';

const u32 = fc.nat(0xffffffff);

t.test('wireguardCheckLength() takes each type in its own length only', async (t) => {
  const lengths = new Map<number, (length: number) => boolean>([
    [messageType.initiation, (length) => length === initiationBytes],
    [messageType.response, (length) => length === responseBytes],
    [messageType.cookieReply, (length) => length === cookieReplyBytes],
    [messageType.data, (length) => length >= 32],
  ]);
  for (let type = 0; type < 7; type += 1) {
    for (let length = 0; length < 200; length += 1) {
      const bytes = new Uint8Array(length);
      if (length > 0) bytes[0] = type;
      const expected = lengths.get(type)?.(length) ?? false;
      if (wireguardCheckLength(bytes, 0, length) !== expected) t.fail(`type ${type}, ${length} bytes`);
    }
  }
  const reserved = new Uint8Array(initiationBytes);
  reserved[0] = 1;
  reserved[2] = 1;
  t.notOk(wireguardCheckLength(reserved, 0, initiationBytes), 'reserved bytes are zero');
});

t.test('handshakeType() knows each message by its length alone', async (t) => {
  const known = new Map<number, number>([
    [initiationBytes, messageType.initiation],
    [responseBytes, messageType.response],
    [cookieReplyBytes, messageType.cookieReply],
  ]);
  for (let length = 0; length < 200; length += 1) t.equal(handshakeType(length), known.get(length));
});

t.test(
  'initiationEmit(), responseEmit() and cookieReplyEmit() write what the getters read, at any offset',
  async () => {
    fc.assert(
      fc.property(u32, u32, fc.nat(20), (sender, receiver, at) => {
        const bytes = new Uint8Array(at + 200).fill(0xee);
        initiationEmit(bytes, at, { sender });
        const isInitiation =
          wireguardType(bytes, at) === messageType.initiation && wireguardSender(bytes, at) === sender;
        responseEmit(bytes, at, { sender, receiver });
        const isResponse = wireguardSender(bytes, at) === sender && responseReceiver(bytes, at) === receiver;
        const [nonce, cookie] = [new Uint8Array(24).fill(1), new Uint8Array(32).fill(2)];
        cookieReplyEmit(bytes, at, { receiver, nonce, cookie });
        const isReply =
          wireguardReceiver(bytes, at) === receiver &&
          hex(wireguardCookieNonce(bytes, at)) === hex(nonce) &&
          hex(wireguardCookie(bytes, at)) === hex(cookie);
        return isInitiation && isResponse && isReply && bytes[at + cookieReplyBytes] !== 0;
      }),
    );
  },
);

t.test('dataHeaderEmit() writes counters that wireguardCounter() reads', async (t) => {
  const bytes = new Uint8Array(dataHeaderBytes + 16);
  for (const counter of [0, 1, 0xffffffff, 2 ** 32, 2 ** 40 + 12345, 2 ** 52]) {
    dataHeaderEmit(bytes, 0, { receiver: 0x80000001, counter });
    t.equal(wireguardCounter(bytes, 0), counter);
    t.equal(wireguardReceiver(bytes, 0), 0x80000001);
  }
  dataHeaderEmit(bytes, 0, { receiver: 0x01020304, counter: 0x0102030405 });
  t.equal(hex(bytes.subarray(0, 16)), '04000000040302010504030201000000', 'little-endian, as the whitepaper has it');
});

t.test('helloEmit() writes what the getters read; what is cut or of another kind is no HELLO', async (t) => {
  fc.assert(
    fc.property(fc.boolean(), u32, u32, (hasHeard, capabilities, aesIndex) => {
      const bytes = new Uint8Array(helloBytes + 4);
      helloEmit(bytes, 2, { hasHeard, capabilities, aesIndex });
      return (
        controlFrameCheckLength(bytes, 2, bytes.length) &&
        helloHasHeard(bytes, 2) === hasHeard &&
        helloCapabilities(bytes, 2) === capabilities &&
        helloAesIndex(bytes, 2) === aesIndex &&
        helloVersionOf(bytes, 2) === helloVersion
      );
    }),
  );
  const bytes = new Uint8Array(helloBytes);
  helloEmit(bytes, 0, { hasHeard: false, capabilities: capability.aes256gcm, aesIndex: 0x11223344 });
  t.equal(hex(bytes), '000101000200000044332211');
  for (let end = 0; end < helloBytes; end += 1) t.notOk(controlFrameCheckLength(bytes, 0, end));
  for (const [at, value] of [
    [0, 0x45],
    [1, 9],
    [2, 0],
  ] as const) {
    const other = Uint8Array.from(bytes);
    other[at] = value;
    t.notOk(controlFrameCheckLength(other, 0, helloBytes), `byte ${at}`);
  }
});

t.test('sockaddrEmit() writes addresses as the kernel has them', async (t) => {
  const raw = new Uint8Array(28);
  sockaddrEmit(raw, 0, { address: Uint8Array.of(10, 0, 0, 1), port: 51820, scopeId: 0 });
  t.equal(hex(raw.subarray(0, 16)), '0200ca6c0a0000010000000000000000');
  t.same([sockaddrLength(raw, 0), sockaddrPort(raw, 0), sockaddrAddress(raw, 0).length], [16, 51820, 4]);
  const other = Uint8Array.from(raw);
  other[10] = 1;
  t.ok(sockaddrEquals(raw, 0, other, 0), 'padding says nothing');
  other[7] = 2;
  t.notOk(sockaddrEquals(raw, 0, other, 0));
  const address = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
  sockaddrEmit(raw, 0, { address, port: 1, scopeId: 7 });
  t.equal(hex(raw), '0a000001000000000102030405060708090a0b0c0d0e0f1007000000');
  const flow = Uint8Array.from(raw);
  flow[5] = 9;
  t.ok(sockaddrEquals(raw, 0, flow, 0), 'nor does the flow label');
  t.ok(sockaddrCheckLength(raw, 0, 28));
  t.notOk(sockaddrCheckLength(raw, 0, 27));
  raw[0] = 1;
  t.notOk(sockaddrCheckLength(raw, 0, 28), 'an unknown family');
});

t.test('namesEmit() writes what the getters read, and no bytes make them read beyond the frame', async (t) => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/), fc.boolean(), (name, hasHeard) => {
      const bytes = namesEmit({ name, hasHeard });
      const isRead = namesCheckLength(bytes, 0, bytes.length) && namesText(bytes, 0) === name;
      return isRead && namesHasHeard(bytes, 0) === hasHeard && bytes.length >= 12 && bytes.length <= 36;
    }),
  );
  const plausible = fc.tuple(fc.nat(255), fc.nat(60), fc.uint8Array({ maxLength: 60 })).map(([flags, length, rest]) => {
    return Uint8Array.from([0, controlKind.names, flags, length, ...rest]);
  });
  let taken = 0;
  fc.assert(
    fc.property(fc.oneof(plausible, fc.uint8Array({ maxLength: 60 })), fc.nat(3), (frame, at) => {
      // What lies behind the frame is somebody else's.
      const bytes = new Uint8Array(at + frame.length + 64).fill(0x41);
      bytes.set(frame, at);
      const end = at + frame.length;
      if (!namesCheckLength(bytes, at, end)) return true;
      taken += 1;
      const text = namesText(bytes, at);
      return text.length <= 32 && text === String.fromCharCode(...bytes.subarray(at + 4, end)).slice(0, text.length);
    }),
  );
  t.ok(taken > 0);
});
