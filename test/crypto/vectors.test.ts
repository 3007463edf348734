// Published vectors through the entry points of the product: addon.aeadSeal and aeadOpen, the X25519 and Noise of src/crypto.
import { blake2s } from '@noble/hashes/blake2.js';
import t, { type Test } from 'tap';
import { cipher } from '../../src/contract/peer-tables.ts';
import { HandshakeKey } from '../../src/crypto/handshake-key.ts';
import { derive, hash } from '../../src/crypto/kdf.ts';
import { macLength } from '../../src/crypto/macs.ts';
import { NoiseInitiator, NoiseResponder, type NoiseSettings, RemoteStatic } from '../../src/crypto/noise.ts';
import { importKeyPair, importPublicKey, sharedSecret } from '../../src/crypto/x25519.ts';
import { hchacha20, xchacha20Open, xchacha20Seal } from '../../src/crypto/xchacha20.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { hex, readVectors, unhex, type WycheproofAead } from '../support/vectors.ts';

const addon = loadAddon();
const nothing = new Uint8Array(0);
const invalidArgument = -22;
const badMessage = -74;

interface RfcVectors {
  readonly aead: readonly {
    name: string;
    key: string;
    nonce: string;
    additional: string;
    plaintext: string;
    sealed: string;
  }[];
  readonly x25519: readonly { name: string; private: string; public: string; other: string; shared: string }[];
  readonly x25519Iterated: Readonly<Record<string, string>>;
  readonly hchacha20: { key: string; nonce: string; subkey: string };
}
const rfc = readVectors<RfcVectors>('rfc.json');

t.test('aeadSeal() and aeadOpen() agree with RFC 8439', async (t) => {
  for (const one of rfc.aead) {
    const plaintext = unhex(one.plaintext);
    const sealed = new Uint8Array(plaintext.length + 16);
    const [key, nonce, additional] = [unhex(one.key), unhex(one.nonce), unhex(one.additional)];
    t.equal(addon.aeadSeal(cipher.chacha20poly1305, key, nonce, additional, plaintext, sealed), sealed.length);
    t.equal(hex(sealed), one.sealed, one.name);
    const opened = new Uint8Array(plaintext.length);
    t.equal(addon.aeadOpen(cipher.chacha20poly1305, key, nonce, additional, sealed, opened), plaintext.length);
    t.equal(hex(opened), one.plaintext, one.name);
  }
});

function checkWycheproof(t: Test, file: string, kind: number): void {
  const flags = new Set<string>();
  for (const one of readVectors<WycheproofAead>(file).tests) {
    for (const flag of one.flags) flags.add(flag);
    const name = `${file} ${one.tcId} ${one.flags.join(' ')}`;
    const [key, nonce, additional] = [unhex(one.key), unhex(one.iv), unhex(one.aad)];
    const [plaintext, published] = [unhex(one.msg), unhex(one.ct + one.tag)];
    const sealed = new Uint8Array(plaintext.length + 16);
    const opened = new Uint8Array(Math.max(0, published.length - 16)).fill(0xaa);
    const sealResult = addon.aeadSeal(kind, key, nonce, additional, plaintext, sealed);
    const openResult = addon.aeadOpen(kind, key, nonce, additional, published, opened);
    if (nonce.length !== 12) {
      // WireGuard's nonces are 96 bits; every other size is refused, valid elsewhere or not.
      t.same([sealResult, openResult], [invalidArgument, invalidArgument], name);
    } else if (one.result === 'valid') {
      t.same([sealResult, hex(sealed)], [sealed.length, hex(published)], name);
      t.same([openResult, hex(opened)], [plaintext.length, one.msg], name);
    } else {
      t.equal(openResult, badMessage, name);
      t.ok(
        opened.every((byte) => byte === 0),
        `${name} leaves no plaintext`,
      );
    }
  }
  t.ok(flags.size >= 7, `${file} covers ${flags.size} kinds`);
}

t.test('aeadSeal() and aeadOpen() pass Wycheproof for ChaCha20-Poly1305', async (t) => {
  checkWycheproof(t, 'wycheproof-chacha20-poly1305.json', cipher.chacha20poly1305);
});

t.test('aeadSeal() and aeadOpen() pass Wycheproof for AES-256-GCM', async (t) => {
  checkWycheproof(t, 'wycheproof-aes-256-gcm.json', cipher.aes256gcm);
});

t.test('aeadOpen() refuses any single flipped bit of a sealed packet', async (t) => {
  const key = new Uint8Array(32).fill(3);
  const nonce = new Uint8Array(12).fill(4);
  for (const kind of [cipher.chacha20poly1305, cipher.aes256gcm]) {
    const sealed = new Uint8Array(20 + 16);
    addon.aeadSeal(kind, key, nonce, nothing, new Uint8Array(20), sealed);
    const opened = new Uint8Array(20);
    t.equal(addon.aeadOpen(kind, key, nonce, nothing, sealed, opened), 20);
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const forged = Uint8Array.from(sealed);
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      if (addon.aeadOpen(kind, key, nonce, nothing, forged, opened) !== badMessage) t.fail(`bit ${bit} passed`);
    }
  }
});

t.test('aeadSeal() refuses arguments that do not fit', async (t) => {
  const [key, nonce] = [new Uint8Array(32), new Uint8Array(12)];
  t.equal(addon.aeadSeal(9, key, nonce, nothing, nothing, new Uint8Array(16)), invalidArgument);
  t.equal(addon.aeadSeal(0, new Uint8Array(31), nonce, nothing, nothing, new Uint8Array(16)), invalidArgument);
  t.equal(addon.aeadSeal(0, key, nonce, nothing, new Uint8Array(1), new Uint8Array(16)), invalidArgument);
  t.equal(addon.aeadOpen(0, key, nonce, nothing, new Uint8Array(15), nothing), badMessage);
});

t.test('blake2s128() agrees with an independent BLAKE2s', async (t) => {
  for (const length of [0, 1, 64, 65, 116, 132]) {
    const message = Uint8Array.from({ length }, (_, index) => index * 7);
    for (const keyLength of [1, 16, 32]) {
      const key = Uint8Array.from({ length: keyLength }, (_, index) => index + 1);
      const mac = new Uint8Array(macLength);
      t.equal(addon.blake2s128(key, message, mac), macLength);
      t.equal(hex(mac), hex(blake2s(message, { key, dkLen: macLength })));
    }
  }
  t.equal(addon.blake2s128(new Uint8Array(33), nothing, new Uint8Array(16)), invalidArgument);
});

t.test('sharedSecret() agrees with RFC 7748', async (t) => {
  for (const one of rfc.x25519) {
    const pair = importKeyPair(unhex(one.private));
    t.equal(hex(pair.publicKey), one.public, one.name);
    t.equal(hex(sharedSecret(pair.privateKey, importPublicKey(unhex(one.other))) ?? nothing), one.shared, one.name);
  }
  let scalar = Uint8Array.from({ length: 32 }, (_, index) => (index === 0 ? 9 : 0));
  let point = scalar;
  for (let round = 1; round <= 1000; round += 1) {
    const result = sharedSecret(importKeyPair(scalar).privateKey, importPublicKey(point));
    point = scalar;
    scalar = Uint8Array.from(result ?? nothing);
    const expected = rfc.x25519Iterated[String(round)];
    if (expected !== undefined) t.equal(hex(scalar), expected, `after ${round} rounds`);
  }
});

t.test('sharedSecret() passes Wycheproof, and refuses every all-zero result', async (t) => {
  interface File {
    readonly tests: readonly { tcId: number; flags: string[]; public: string; private: string; shared: string }[];
  }
  for (const one of readVectors<File>('wycheproof-x25519.json').tests) {
    const secret = sharedSecret(importKeyPair(unhex(one.private)).privateKey, importPublicKey(unhex(one.public)));
    const isZero = one.flags.includes('ZeroSharedSecret');
    t.equal(secret === undefined ? 'refused' : hex(secret), isZero ? 'refused' : one.shared, `${one.tcId}`);
  }
});

t.test('HandshakeKey agrees with RFC 7748 and Wycheproof, and refuses every all-zero result', async (t) => {
  for (const one of rfc.x25519) {
    const key = new HandshakeKey(addon, unhex(one.private));
    t.equal(hex(key.publicKey), one.public, one.name);
    t.equal(hex(key.derive(unhex(one.other)) ?? nothing), one.shared, one.name);
  }
  interface File {
    readonly tests: readonly { tcId: number; flags: string[]; public: string; private: string; shared: string }[];
  }
  const identity = new HandshakeKey(addon);
  const steady = new HandshakeKey(addon);
  const expected = identity.derive(steady.publicKey);
  for (const one of readVectors<File>('wycheproof-x25519.json').tests) {
    const secret = new HandshakeKey(addon, unhex(one.private)).derive(unhex(one.public));
    const isZero = one.flags.includes('ZeroSharedSecret');
    t.equal(secret === undefined ? 'refused' : hex(secret), isZero ? 'refused' : one.shared, `${one.tcId}`);
    // What a key was asked before, a refusal too, changes nothing about its next answer.
    identity.derive(unhex(one.public));
    t.same(identity.derive(steady.publicKey), expected);
  }
  t.same(steady.derive(identity.publicKey), expected, 'two fresh keys agree');
  t.not(hex(new HandshakeKey(addon).publicKey), hex(new HandshakeKey(addon).publicKey));
  // Nothing of a refusal is left for who asks OpenSSL next.
  t.equal(identity.derive(new Uint8Array(32)), undefined);
  t.equal(importPublicKey(steady.publicKey).asymmetricKeyType, 'x25519');
});

t.test('HandshakeKey serves for nothing once it is cleared, and takes no key of another length', async (t) => {
  const [one, other] = [new HandshakeKey(addon), new HandshakeKey(addon)];
  one.clear();
  one.clear();
  t.equal(one.derive(other.publicKey), undefined);
  t.throws(() => new HandshakeKey(addon, new Uint8Array(31)), /32 bytes/);
  t.throws(() => other.derive(new Uint8Array(33)), /33 bytes/);
  t.equal(new addon.X25519Key().derive(new Uint8Array(31), new Uint8Array(32)), invalidArgument);
  t.equal(new addon.X25519Key().derive(new Uint8Array(32), new Uint8Array(31)), invalidArgument);
});

t.test('blake2s256() and blake2sHkdf() agree with those of node:crypto', async (t) => {
  const bytes = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 11) & 0xff);
  for (const length of [0, 1, 32, 63, 64, 65, 200]) {
    const target = new Uint8Array(32);
    t.equal(addon.blake2s256(bytes(37), bytes(length), target), 32);
    t.equal(hex(target), hex(hash(bytes(37), bytes(length))));
    for (const count of [1, 2, 3]) {
      const outputs = new Uint8Array(32 * count);
      t.equal(addon.blake2sHkdf(bytes(32), bytes(length), outputs), outputs.length);
      t.equal(hex(outputs), derive(bytes(32), bytes(length), count).map(hex).join(''));
    }
  }
  const self = bytes(32);
  t.equal(addon.blake2s256(self, nothing, self), 32);
  t.equal(hex(self), hex(hash(bytes(32))), 'a hash may take the place of what it is made of');
  t.equal(addon.blake2sHkdf(bytes(31), nothing, new Uint8Array(32)), invalidArgument);
  t.equal(addon.blake2sHkdf(bytes(32), nothing, new Uint8Array(128)), invalidArgument);
  t.equal(addon.blake2sHkdf(bytes(32), nothing, new Uint8Array(33)), invalidArgument);
});

t.test('hchacha20() agrees with the XChaCha draft', async (t) => {
  const { key, nonce, subkey } = rfc.hchacha20;
  t.equal(hex(hchacha20(unhex(key), unhex(nonce))), subkey);
});

t.test('xchacha20Seal() and xchacha20Open() pass Wycheproof', async (t) => {
  for (const one of readVectors<WycheproofAead>('wycheproof-xchacha20-poly1305.json').tests) {
    const name = `${one.tcId} ${one.flags.join(' ')}`;
    const [key, nonce, additional] = [unhex(one.key), unhex(one.iv), unhex(one.aad)];
    const opened = xchacha20Open(addon, key, nonce, additional, unhex(one.ct + one.tag));
    const sealed = xchacha20Seal(addon, key, nonce, additional, unhex(one.msg));
    if (one.result === 'valid') {
      t.equal(hex(opened ?? unhex('ff')), one.msg, name);
      t.equal(hex(sealed ?? nothing), one.ct + one.tag, name);
    } else {
      t.equal(opened, undefined, name);
    }
  }
});

t.test('derive() agrees with the KDF vectors of wireguard-go (device/kdf_test.go)', async (t) => {
  const encoder = new TextEncoder();
  t.same(derive(encoder.encode('test-key'), encoder.encode('test-input'), 3).map(hex), [
    '6f0e5ad38daba1bea8a0d213688736f19763239305e0f58aba697f9ffc41c633',
    'df1194df20802a4fe594cde27e92991c8cae66c366e8106aaa937a55fa371e8a',
    'fac6e2745a325f5dc5d11a5b165aad08b0ada28e7b4e666b7c077934a4d76c24',
  ]);
  t.equal(
    hex(derive(nothing, nothing, 1)[0] ?? nothing),
    '8387b46bf43eccfcf349552a095d8315c4055beb90208fb1be23b894bc2ed5d0',
  );
});

interface NoiseVectors {
  readonly vectors: readonly {
    init_prologue: string;
    init_psks: string[];
    init_static: string;
    init_ephemeral: string;
    init_remote_static: string;
    resp_static: string;
    resp_ephemeral: string;
    handshake_hash: string;
    messages: { payload: string; ciphertext: string }[];
  }[];
}

t.test('NoiseInitiator and NoiseResponder reproduce the published IKpsk2 handshake', async (t) => {
  for (const one of readVectors<NoiseVectors>('noise-ikpsk2.json').vectors) {
    const settings = (privateKey: string): NoiseSettings => ({
      primitives: addon,
      identity: new HandshakeKey(addon, unhex(privateKey)),
      prologue: unhex(one.init_prologue),
    });
    const [left, right] = [settings(one.init_static), settings(one.resp_static)];
    const presharedKey = unhex(one.init_psks[0] ?? '');
    const [first, second, ...transport] = one.messages;
    if (first === undefined || second === undefined) throw new Error('the vector holds no handshake');
    const toRight = new RemoteStatic(left.identity, unhex(one.init_remote_static));
    const initiator = new NoiseInitiator(left, toRight);
    const initiation = new Uint8Array(first.ciphertext.length / 2);
    t.ok(
      initiator.writeInitiation(new HandshakeKey(addon, unhex(one.init_ephemeral)), unhex(first.payload), initiation),
    );
    t.equal(hex(initiation), first.ciphertext, 'initiation');

    const responder = new NoiseResponder(right);
    const secret = right.identity.derive(initiation.subarray(0, 32));
    const claimed = responder.readStatic(initiation, secret ?? nothing);
    t.equal(hex(claimed ?? nothing), hex(left.identity.publicKey), 'the initiator names itself');
    const toLeft = new RemoteStatic(right.identity, claimed ?? nothing);
    t.equal(hex(responder.readPayload(initiation, toLeft) ?? nothing), first.payload);
    const response = new Uint8Array(second.ciphertext.length / 2);
    const pair = new HandshakeKey(addon, unhex(one.resp_ephemeral));
    const rightResult = responder.writeResponse(pair, toLeft, presharedKey, unhex(second.payload), response);
    t.equal(hex(response), second.ciphertext, 'response');

    const wrong = initiator.readResponse(response, new Uint8Array(32));
    t.equal(wrong, undefined, 'a response under another preshared key is no answer');
    const finished = initiator.readResponse(response, presharedKey);
    t.equal(hex(finished?.payload ?? nothing), second.payload);
    t.equal(hex(finished?.result.handshakeHash ?? nothing), one.handshake_hash);
    t.equal(hex(rightResult?.handshakeHash ?? nothing), one.handshake_hash);
    const leftKeys = finished?.result.split() ?? [nothing, nothing];
    t.same(leftKeys.map(hex), rightResult?.split().map(hex));

    const counters = [0, 0];
    for (const [index, message] of transport.entries()) {
      // The initiator sends the first message after the handshake, then they alternate.
      const from = index % 2;
      const nonce = new Uint8Array(12);
      nonce[4] = counters[from] ?? 0;
      counters[from] = (counters[from] ?? 0) + 1;
      const sealed = new Uint8Array(message.ciphertext.length / 2);
      addon.aeadSeal(
        cipher.chacha20poly1305,
        leftKeys[from] ?? nothing,
        nonce,
        nothing,
        unhex(message.payload),
        sealed,
      );
      t.equal(hex(sealed), message.ciphertext, `transport message ${index}`);
    }
  }
});
