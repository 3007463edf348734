/**
 * A certificate that nobody has signed, made once and kept in the state directory, for hubs whose owner names none. It looks like any other that
 * was made with `openssl req`, some time ago. It may expire: a peer that calls looks at the hub's proof, and never at the certificate.
 */
import { createHash, generateKeyPairSync, randomBytes, randomInt, sign } from 'node:crypto';
import { linkSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isCode, readSmallFile } from '../../base/lasting-files.ts';
import type { TlsIdentity } from '../../config/tls-files.ts';
import { certificateEmit, certificateToSign } from '../../wire/certificate.ts';

const mostBytes = 16_384;
const dayS = 86_400;
/** Its beginning says neither when the hub was set up nor that Hawser did it; a clock that is a year late still takes it. */
const oldestDays = 365;
/** What guides to self-signed certificates tell people to write. */
const lifetimeDays = 3650;
/** As OpenSSL makes them. */
const serialBytes = 20;
/** Of SubjectPublicKeyInfo: the bits of a point of P-256, uncompressed, stand at its end. */
const pointBytes = 65;

/** Key and certificate stand in one file. `name`: of the host, for those who look. */
export function ownCertificate(stateDirectory: string, instance: string, name: string): TlsIdentity {
  const file = path.join(stateDirectory, `${instance}.tls.pem`);
  try {
    return split(readSmallFile(file, mostBytes));
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error;
  }
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  writeFileSync(draft, makePem(name), { mode: 0o600, flag: 'wx' });
  try {
    // Several links may begin at once: the first one's stays.
    linkSync(draft, file);
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return split(readSmallFile(file, mostBytes));
}

function makePem(name: string): string {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const serial = randomBytes(serialBytes);
  serial[0] = (serial[0] ?? 0) & 0x7f || 1;
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const notBeforeS = Math.floor(Date.now() / 1000) - randomInt(1, oldestDays * dayS);
  const toSign = certificateToSign({
    name,
    serial,
    publicKey: spki,
    keyIdentifier: createHash('sha1').update(spki.subarray(-pointBytes)).digest(),
    notBeforeS,
    notAfterS: notBeforeS + lifetimeDays * dayS,
  });
  const der = certificateEmit(toSign, sign('sha256', toSign, privateKey));
  const lines = Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n').trim();
  const key = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  return `${key}-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

/** OpenSSL finds either in the whole. */
function split(pem: string): TlsIdentity {
  return { certificate: pem, key: pem };
}
