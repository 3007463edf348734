/** A certificate that nobody has signed, made once and kept in the state directory, for hubs whose owner names none. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { linkSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isCode, readSmallFile } from '../../base/lasting-files.ts';
import type { TlsIdentity } from '../../config/tls-files.ts';
import { certificateEmit, certificateToSign } from '../../wire/certificate.ts';

const mostBytes = 16_384;
/** Long ago enough for any clock. */
const notBefore = '200101000000Z';
const serialBytes = 16;

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
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const toSign = certificateToSign({ name, serial, publicKey: spki, notBefore });
  const der = certificateEmit(toSign, sign('sha256', toSign, privateKey));
  const lines = Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n').trim();
  const key = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  return `${key}-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

/** OpenSSL finds either in the whole. */
function split(pem: string): TlsIdentity {
  return { certificate: pem, key: pem };
}
