/**
 * X25519 (RFC 7748, section 5) for the key of a new client, which is made in the browser so that the daemon never sees it. The browser's own
 * is there only where the page came by HTTPS or from this machine, and a hub in a cellar is often neither. Not in constant time: who could
 * measure it sits in the same tab.
 */

const prime = 2n ** 255n - 19n;
/** (486662 - 2) / 4 */
const a24 = 121_665n;

export interface KeyPair {
  /** base64. */
  readonly privateKey: string;
  readonly publicKey: string;
}

export function newKeyPair(random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array): KeyPair {
  const key = random(new Uint8Array(32)).slice();
  clamp(key);
  return { privateKey: toBase64(key), publicKey: toBase64(publicKeyOf(key)) };
}

/** `key`: 32 bytes. */
export function publicKeyOf(key: Uint8Array): Uint8Array {
  const scalar = key.slice();
  clamp(scalar);
  return multiply(scalar, 9n);
}

function clamp(key: Uint8Array): void {
  key[0] = (key[0] as number) & 248;
  key[31] = ((key[31] as number) & 127) | 64;
}

/** The Montgomery ladder of section 5. */
function multiply(scalar: Uint8Array, u: bigint): Uint8Array {
  let [x2, z2, x3, z3] = [1n, 0n, u, 1n];
  let isSwapped = false;
  for (let bit = 254; bit >= 0; bit -= 1) {
    const isSet = (((scalar[bit >> 3] as number) >> (bit & 7)) & 1) === 1;
    if (isSet !== isSwapped) [x2, x3, z2, z3] = [x3, x2, z3, z2];
    isSwapped = isSet;
    const [a, b, c, d] = [x2 + z2, x2 - z2, x3 + z3, x3 - z3];
    const [aa, bb, da, cb] = [reduce(a * a), reduce(b * b), reduce(d * a), reduce(c * b)];
    const e = aa - bb;
    x3 = reduce((da + cb) * (da + cb));
    z3 = reduce(u * reduce((da - cb) * (da - cb)));
    x2 = reduce(aa * bb);
    z2 = reduce(e * (aa + a24 * e));
  }
  if (isSwapped) [x2, z2] = [x3, z3];
  return toBytes(reduce(x2 * power(z2, prime - 2n)));
}

function reduce(value: bigint): bigint {
  const rest = value % prime;
  return rest < 0n ? rest + prime : rest;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let [square, rest] = [base, exponent]; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = reduce(result * square);
    square = reduce(square * square);
  }
  return result;
}

/** Little-endian. */
function toBytes(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 255n));
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
