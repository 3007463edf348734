/** XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) for cookie replies: HChaCha20 here, the rest by the addon. */
import { chacha20poly1305, keyBytes, nonceBytes, type Primitives, tagBytes } from './primitives.ts';

const xNonceBytes = 24;
/** "expand 32-byte k" (RFC 8439, 2.3). */
const constants = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

/** Seals `plaintext` under a 24-byte nonce; the result is 16 bytes longer. */
export function xchacha20Seal(
  primitives: Primitives,
  key: Uint8Array,
  nonce: Uint8Array,
  additional: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array | undefined {
  if (nonce.length !== xNonceBytes) return undefined;
  const target = new Uint8Array(plaintext.length + tagBytes);
  const { subkey, rest } = expand(key, nonce);
  const length = primitives.aeadSeal(chacha20poly1305, subkey, rest, additional, plaintext, target);
  return length === target.length ? target : undefined;
}

/** The plaintext, or undefined when it does not authenticate. */
export function xchacha20Open(
  primitives: Primitives,
  key: Uint8Array,
  nonce: Uint8Array,
  additional: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (nonce.length !== xNonceBytes || sealed.length < tagBytes) return undefined;
  const target = new Uint8Array(sealed.length - tagBytes);
  const { subkey, rest } = expand(key, nonce);
  const length = primitives.aeadOpen(chacha20poly1305, subkey, rest, additional, sealed, target);
  return length === target.length ? target : undefined;
}

function expand(key: Uint8Array, nonce: Uint8Array): { subkey: Uint8Array; rest: Uint8Array } {
  const rest = new Uint8Array(nonceBytes);
  rest.set(nonce.subarray(16), 4);
  return { subkey: hchacha20(key, nonce.subarray(0, 16)), rest };
}

/** HChaCha20: 32 bytes of subkey from a key and the first 16 bytes of the nonce. */
export function hchacha20(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const state = new Uint32Array(16);
  state.set(constants, 0);
  for (let word = 0; word < 8; word += 1) state[4 + word] = readU32(key, word * 4);
  for (let word = 0; word < 4; word += 1) state[12 + word] = readU32(nonce, word * 4);
  for (let round = 0; round < 10; round += 1) {
    for (let column = 0; column < 4; column += 1) quarterRound(state, column, column + 4, column + 8, column + 12);
    for (let column = 0; column < 4; column += 1) {
      quarterRound(state, column, ((column + 1) & 3) + 4, ((column + 2) & 3) + 8, ((column + 3) & 3) + 12);
    }
  }
  const subkey = new Uint8Array(keyBytes);
  for (let word = 0; word < 4; word += 1) {
    writeU32(subkey, word * 4, state[word] as number);
    writeU32(subkey, 16 + word * 4, state[12 + word] as number);
  }
  return subkey;
}

function quarterRound(state: Uint32Array, a: number, b: number, c: number, d: number): void {
  addAndRotate(state, a, b, d, 16);
  addAndRotate(state, c, d, b, 12);
  addAndRotate(state, a, b, d, 8);
  addAndRotate(state, c, d, b, 7);
}

/** `to += from; rotated = (rotated ^ to) <<< bits` */
function addAndRotate(state: Uint32Array, to: number, from: number, rotated: number, bits: number): void {
  const sum = ((state[to] as number) + (state[from] as number)) | 0;
  state[to] = sum;
  const mixed = (state[rotated] as number) ^ sum;
  state[rotated] = (mixed << bits) | (mixed >>> (32 - bits));
}

function readU32(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
  return low | ((bytes[at + 3] as number) << 24);
}

function writeU32(target: Uint8Array, at: number, value: number): void {
  for (let byte = 0; byte < 4; byte += 1) target[at + byte] = value >>> (8 * byte);
}
