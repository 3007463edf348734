/** The proof that opens a TLS connection for packets: for one hub, on one connection, by one caller. */
import t from 'tap';
import { isAnswer, proofBytes, proveCaller, readProof } from '../../src/crypto/tls-proof.ts';
import { generateKeyPair } from '../../src/crypto/x25519.ts';
import { loadAddon } from '../../src/native/addon.ts';

const addon = loadAddon();
const [caller, hub, other] = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
const exporter = new Uint8Array(32).fill(7);

function prove(exported = exporter) {
  const proof = proveCaller(addon, caller, hub.publicKey, exported);
  if (proof === undefined) throw new Error('no proof');
  return proof;
}

t.test('a hub reads who calls, and its answer is the one that the caller waits for', async (t) => {
  const { bytes, answer } = prove();
  t.equal(bytes.length, proofBytes);
  const heard = readProof(addon, hub, bytes, exporter);
  t.same(heard?.publicKey, caller.publicKey);
  t.ok(heard !== undefined && isAnswer(heard.answer, answer));
  t.notOk(isAnswer(bytes.subarray(80), answer), 'the request does not hold it');
  t.notSame(prove().bytes, bytes, 'no two requests are alike');
});

t.test('it is worth nothing on another connection, to another hub, or with one bit changed', async (t) => {
  const { bytes } = prove();
  t.equal(
    readProof(addon, hub, bytes, new Uint8Array(32).fill(8)),
    undefined,
    'the man in the middle has two exporters',
  );
  t.equal(readProof(addon, other, bytes, exporter), undefined);
  for (let at = 0; at < proofBytes; at += 1) {
    const changed = Uint8Array.from(bytes);
    changed[at] = (changed[at] as number) ^ 1;
    t.equal(readProof(addon, hub, changed, exporter), undefined, `byte ${at}`);
  }
  t.equal(readProof(addon, hub, bytes.subarray(1), exporter), undefined);
});

t.test('keys of low order share no secret (RFC 7748 section 6.1)', async (t) => {
  t.equal(proveCaller(addon, caller, new Uint8Array(32), exporter), undefined);
  const { bytes } = prove();
  t.equal(readProof(addon, hub, Uint8Array.from(bytes).fill(0, 0, 32), exporter), undefined);
});
