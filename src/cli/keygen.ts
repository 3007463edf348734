/** `hawser keygen`: new private and preshared keys, and the public key of a private one, in WireGuard's form. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { HawserError } from '../base/errors.ts';
import { formatKey, keyBytes, newPrivateKey, parseKey, publicKeyOf, readKeyFile } from '../config/keys.ts';
import { usageError } from './exit.ts';
import { writeNewFiles } from './new-files.ts';

interface KeygenOptions {
  readonly public?: string;
  readonly preshared?: true;
  readonly out?: string;
  readonly force?: true;
}

export function addKeygenCommand(program: Command): void {
  program
    .command('keygen')
    .description('make a private key, or show the public key of one')
    .option('--public <file>', 'print the public key of the private key in this file (- = standard input)')
    .option('--preshared', 'make a preshared key instead of a private one')
    .option('--out <file>', 'write the new key to this file (mode 0600), print its public key')
    .option('--force', 'let --out overwrite')
    .addHelpText(
      'after',
      `
Examples:
  hawser keygen --out /etc/hawser/home.key      # makes a key, prints the public one
  hawser keygen --public /etc/hawser/home.key   # prints the public key again
  hawser keygen | tee key | hawser keygen --public -
`,
    )
    .action(runKeygen);
}

function runKeygen(options: KeygenOptions): void {
  if (options.public !== undefined) {
    if (options.out !== undefined || options.preshared === true) {
      throw usageError('--public only reads: it goes with neither --out nor --preshared');
    }
    process.stdout.write(`${formatKey(publicKeyOf(readPrivateKey(options.public)))}\n`);
    return;
  }
  const isPreshared = options.preshared === true;
  const key = isPreshared ? new Uint8Array(randomBytes(keyBytes)) : newPrivateKey();
  if (options.out === undefined) {
    process.stdout.write(`${formatKey(key)}\n`);
    return;
  }
  writeNewFiles([{ file: options.out, content: `${formatKey(key)}\n` }], options.force === true);
  if (!isPreshared) process.stdout.write(`${formatKey(publicKeyOf(key))}\n`);
}

function readPrivateKey(file: string): Uint8Array {
  if (file !== '-') return readKeyFile(file);
  const key = parseKey(readFileSync(0, 'utf8').trim());
  if (key === undefined) throw new HawserError('KEY_FORM', 'Standard input is not one base64 key of 32 bytes');
  return key;
}
