/** What `tls` names: certificate and key that fit each other, a password that others cannot read, a folder that is one. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import { HawserError, messageOf } from '../base/errors.ts';
import { inWords, readSmallFile, readWithMode } from '../base/lasting-files.ts';
import type { Config, TlsConfig } from './config.ts';

/** PEM, the chain behind the certificate. */
export interface TlsIdentity {
  readonly certificate: string;
  readonly key: string;
}

/** A chain of a few certificates has 8 KiB. */
const mostBytes = 1 << 20;
const mostPasswordBytes = 1024;

/** Of the configuration; undefined = it names none. Throws what keeps them from serving. */
export function readTlsIdentity({
  certificate: file,
  key: keyFile,
}: Pick<TlsConfig, 'certificate' | 'key'>): TlsIdentity | undefined {
  if (file === undefined || keyFile === undefined) return undefined;
  const [certificate, key] = [readFile('certificate', file), readFile('key', keyFile)];
  const parsed = parsed509(file, certificate);
  if (!parsed.checkPrivateKey(parsedKey(keyFile, key)))
    throw new HawserError('TLS_FILES', `The key in ${keyFile} is not that of the certificate in ${file}`);
  return { certificate, key };
}

/** '' = none is named. */
export function readProxyPassword({ proxyPasswordFile: file }: Pick<TlsConfig, 'proxyPasswordFile'>): string {
  if (file === undefined) return '';
  const { text, mode } = explained(`the proxy's password ${file}`, () => readWithMode(file, mostPasswordBytes));
  if ((mode & 0o077) !== 0) {
    const octal = (mode & 0o777).toString(8).padStart(4, '0');
    throw new HawserError(
      'KEY_MODE',
      `Password file ${file} has mode ${octal}: others can read it`,
      `chmod 600 '${file}'`,
    );
  }
  return text.replace(/\r?\n$/, '');
}

/** By key of `tls`, what is wrong with the files it names. */
export function tlsFileFaults({ tls }: Pick<Config, 'tls'>): Partial<Record<keyof TlsConfig, string>> {
  const faultOf = (look: () => unknown): string | undefined => {
    try {
      look();
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  };
  const faults = {
    certificate: faultOf(() => readTlsIdentity(tls)),
    proxyPasswordFile: faultOf(() => readProxyPassword(tls)),
    site: faultOf(() => checkFolder(tls.site)),
  };
  return Object.fromEntries(Object.entries(faults).filter(([, fault]) => fault !== undefined));
}

function checkFolder(site: TlsConfig['site']): void {
  if (site === undefined || !('folder' in site)) return;
  const { folder } = site;
  if (!explained(`the folder ${folder}`, () => statSync(folder)).isDirectory())
    throw new HawserError('TLS_FILES', `${folder} is no folder`);
}

function readFile(what: string, file: string): string {
  return explained(`the ${what} ${file}`, () => readSmallFile(file, mostBytes));
}

function explained<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new HawserError('TLS_FILES', `Cannot read ${what}: ${inWords(error)}`);
  }
}

function parsed509(file: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new HawserError('TLS_FILES', `${file} holds no certificate in PEM`);
  }
}

function parsedKey(file: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new HawserError('TLS_FILES', `${file} holds no private key in PEM without a passphrase`);
  }
}
