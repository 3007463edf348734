/**
 * The nft tables of an instance, which bear its name: `ip` for marks on answers (`source-mark.ts`), `inet` for address translation and
 * isolation (`io/nat/`). Each is replaced in one transaction, and both go in one; so they are found and removed after a SIGKILL too.
 */
import { spawn, spawnSync } from 'node:child_process';
import { isCode } from '../../base/lasting-files.ts';
import { tagOf } from './own-tables.ts';

export type NftFamily = 'ip' | 'inet';

const syncTimeoutMs = 5_000;
/** 10,000 leases are loaded in less than a second; a machine that is busy takes its time. */
const timeoutMs = 20_000;
const mostOutputBytes = 64 << 20;
export const nftRemedy = 'apt-get install nftables';

/** The same in both families. */
export function nftTableOf(name: string): string {
  return `hawser_${tagOf(name).toString(16)}`;
}

/** Lines of a transaction that remove a table, whether it is there or not. */
export function clearNftTable(family: NftFamily, name: string): string {
  const table = `${family} ${nftTableOf(name)}`;
  return `add table ${table}\ndelete table ${table}\n`;
}

/** Without nft there is no table of ours either, and one that does not exist is no failure to clear. */
export function forgetNftTables(name: string): void {
  runNft(`${clearNftTable('ip', name)}${clearNftTable('inet', name)}`);
}

/** `table inet hawser_…` of the instance that the kernel has. */
export function listOwnNftTables(name: string): string[] {
  const run = spawnSync('nft', ['list', 'tables'], { encoding: 'utf8', timeout: syncTimeoutMs });
  if (run.error !== undefined || run.status !== 0) return [];
  return run.stdout.split('\n').filter((line) => line.endsWith(` ${nftTableOf(name)}`));
}

/** Waits for the end. undefined = done in one transaction, else why not. `isTrial`: the kernel says what it would, and does nothing. */
export function runNft(script: string, isTrial = false): string | undefined {
  const args = isTrial ? ['-c', '-f', '-'] : ['-f', '-'];
  const run = spawnSync('nft', args, { input: script, encoding: 'utf8', timeout: syncTimeoutMs });
  if (run.error !== undefined) return wordsOf(run.error);
  return run.status === 0 ? undefined : firstLines(run.stderr);
}

/** The same without holding the thread. */
export async function applyNft(script: string): Promise<string | undefined> {
  const { failure } = await startNft(['-f', '-'], script);
  return failure;
}

/** What `nft -j …` prints. Throws why it does not. */
export async function askNft(...words: readonly string[]): Promise<unknown> {
  const { failure, output } = await startNft(['-j', ...words], '');
  if (failure !== undefined) throw new Error(failure);
  return JSON.parse(output === '' ? '{"nftables":[]}' : output);
}

function startNft(args: readonly string[], input: string): Promise<{ failure: string | undefined; output: string }> {
  return new Promise((resolve) => {
    const child = spawn('nft', args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    let bytes = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > mostOutputBytes) child.kill('SIGKILL');
      else output.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    // It may end before it has read everything.
    child.stdin.on('error', () => undefined);
    child.once('error', (error) => resolve({ failure: wordsOf(error), output: '' }));
    child.once('close', (code, signal) => {
      const said = firstLines(Buffer.concat(errors).toString());
      const ended = signal === null ? `exit code ${code}` : `ended by ${signal}`;
      const failure = code === 0 ? undefined : said === '' ? `nft: ${ended}` : said;
      resolve({ failure, output: Buffer.concat(output).toString() });
    });
    child.stdin.end(input);
  });
}

function wordsOf(error: Error): string {
  return isCode(error, 'ENOENT') ? `nft is not installed (${nftRemedy})` : error.message;
}

/** nft repeats the rule and marks the place below it. */
function firstLines(text: string): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^[\s^~]+$/.test(line))
    .slice(0, 2)
    .map((line) => line.trim())
    .join(': ');
}
