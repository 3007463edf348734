/** A webhook as configured, and the secret that its requests are signed with. */
import { HawserError } from '../base/errors.ts';
import { inWords, readWithMode } from '../base/lasting-files.ts';

export interface WebhookConfig {
  /** https, or http where the receiver has a private address. */
  readonly url: string;
  /** Kinds of events; `*` stands for any characters. */
  readonly events: readonly string[];
  readonly secretFile: string;
  /** The receiver may have an address that is not of the Internet. */
  readonly allowPrivate: boolean;
  /** PEM of an authority beside the public ones; undefined = those alone. */
  readonly caFile: string | undefined;
  /** The plugin that makes the body of an event; undefined = it is JSON of ours. */
  readonly format: string | undefined;
}

const mostSecretFileBytes = 1024;
/** Standard Webhooks, "Signature scheme": 24 to 64 bytes. */
const secretBytes = { least: 24, most: 64 } as const;

/** Throws when others could read it too, with the chmod that mends it, and when it holds no secret. */
export function readWebhookSecret(file: string): Uint8Array {
  let read: ReturnType<typeof readWithMode>;
  try {
    read = readWithMode(file, mostSecretFileBytes);
  } catch (error) {
    const remedy = `openssl rand -base64 32 > '${file}'`;
    throw new HawserError('KEY_READ', `Cannot read webhook secret ${file}: ${inWords(error)}`, remedy);
  }
  if ((read.mode & 0o077) !== 0) {
    const octal = (read.mode & 0o777).toString(8).padStart(4, '0');
    const message = `Webhook secret ${file} has mode ${octal}: others can read it`;
    throw new HawserError('KEY_MODE', message, `chmod 600 '${file}'`);
  }
  const base64 = read.text.trim().replace(/^whsec_/, '');
  const secret = Buffer.from(base64, 'base64');
  const isRight = /^[A-Za-z0-9+/]+={0,2}$/.test(base64);
  if (!isRight || secret.length < secretBytes.least || secret.length > secretBytes.most) {
    const message = `Webhook secret ${file} does not hold ${secretBytes.least} to ${secretBytes.most} bytes as base64`;
    throw new HawserError('KEY_FORM', message, `openssl rand -base64 32 > '${file}'`);
  }
  return new Uint8Array(secret);
}

/** What is wrong with the secrets, by the place of their webhook. */
export function webhookSecretFaults(webhooks: readonly WebhookConfig[]): ReadonlyMap<number, string> {
  const faults = new Map<number, string>();
  for (const [index, { secretFile }] of webhooks.entries()) {
    try {
      readWebhookSecret(secretFile).fill(0);
    } catch (error) {
      if (!(error instanceof HawserError)) throw error;
      faults.set(index, error.message);
    }
  }
  return faults;
}
