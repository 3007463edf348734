/** Keys that the page makes in the browser, against OpenSSL and its edge cases. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { formatKey, publicKeyOf as opensslPublicKeyOf, parseKey } from '../../src/config/keys.ts';
import { newKeyPair, publicKeyOf } from '../../src/page/x25519.ts';

t.test("publicKeyOf() is OpenSSL's, at random and at the edges", async (t) => {
  const edges = [0x00, 0x01, 0x7f, 0x80, 0xff].map((byte) => new Uint8Array(32).fill(byte));
  const random = Array.from({ length: 20 }, () => new Uint8Array(randomBytes(32)));
  for (const key of [...edges, ...random]) {
    t.equal(formatKey(publicKeyOf(key)), formatKey(opensslPublicKeyOf(key)), formatKey(key));
  }
});

t.test('newKeyPair() makes a clamped key of the bytes that it is given, and its public half', async (t) => {
  const { privateKey, publicKey } = newKeyPair((bytes) => bytes.fill(0xff));
  const key = parseKey(privateKey) ?? new Uint8Array();
  t.same([key[0], key[30], key[31]], [0xf8, 0xff, 0x7f]);
  t.equal(publicKey, formatKey(opensslPublicKeyOf(key)));
});
