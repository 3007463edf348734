/** One update from the index to services that are ready, or back to where it began: `hawser update` without its words. */
import { createHash } from 'node:crypto';
import { chmodSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { HawserError } from '../../base/errors.ts';
import { inWords, isCode } from '../../base/lasting-files.ts';
import { type DownloadLimits, download, downloadWhole } from './download.ts';
import {
  checkFreshness,
  compareVersions,
  mostIndexBytes,
  mostSignatureBytes,
  readIndex,
  type UpdateFile,
  type UpdateIndex,
} from './index-document.ts';
import { keepUpdates, recallUpdates } from './memory.ts';
import { configNameOf, lackingIn, restartService, runningServices } from './services.ts';
import * as versions from './versions.ts';

export interface UpdateSource {
  readonly index: string;
  /** Of ed25519, base64. */
  readonly key: string;
  readonly stateDirectory: string;
}

export interface Offer {
  readonly index: UpdateIndex;
  /** undefined = nothing newer than what is installed. */
  readonly file: UpdateFile | undefined;
}

export interface ApplyOptions {
  readonly installation: versions.Installation;
  readonly source: UpdateSource;
  readonly offer: Offer;
  /** Where the configurations of the services lie. */
  readonly configFolder: string;
  readonly readyMs: number;
  /** Of a server that sends nothing. */
  readonly idleMs: number;
  /** Also what did not get ready here before. */
  readonly again: boolean;
  readonly tell: (line: string) => void;
}

const documentTotalMs = 60_000;
/** 30 MB by a link of 100 kbit/s take 40 minutes. */
const fileTotalMs = 3_600_000;
/** Who goes back has nothing else to try, and waits for it also where the machine is very busy. */
const leastBackMs = 120_000;
const platform = `linux-${process.arch}`;

/** Asks for the index and believes it or throws. Remembers its serial. */
export async function findOffer(source: UpdateSource, installed: string, idleMs: number): Promise<Offer> {
  const limits = (mostBytes: number): DownloadLimits => ({ mostBytes, idleMs, totalMs: documentTotalMs });
  const signatureUrl = new URL(source.index);
  signatureUrl.pathname += '.sig';
  const signature = await downloadWhole(signatureUrl.href, limits(mostSignatureBytes));
  const bytes = await downloadWhole(source.index, limits(mostIndexBytes));
  const index = readIndex(bytes, signature.toString('latin1'), source.key);
  const memory = recallUpdates(source.stateDirectory);
  const newest = memory.serials[source.key] ?? 0;
  checkFreshness(index, newest, Date.now());
  if (index.serial > newest)
    keepUpdates(source.stateDirectory, { ...memory, serials: { ...memory.serials, [source.key]: index.serial } });
  if (compareVersions(index.version, installed) <= 0) return { index, file: undefined };
  const file = index.files[platform];
  if (file !== undefined) return { index, file };
  const offered = Object.keys(index.files).join(', ');
  throw new HawserError(
    'PLATFORM',
    `Version ${index.version} is there for ${offered}, and this is ${platform}`,
    'ask the publisher',
  );
}

/** Installs what is offered and restarts the services. Throws when the old version goes on. Returns seconds to ready by service. */
export async function applyOffer(options: ApplyOptions, file: UpdateFile): Promise<Readonly<Record<string, number>>> {
  const { installation, source, offer, tell } = options;
  const { folder } = installation;
  if (recallUpdates(source.stateDirectory).failed === file.sha256 && !options.again) {
    const message = `Version ${offer.index.version} did not get ready here before`;
    throw new HawserError('FAILED_BEFORE', message, '--again tries it once more');
  }
  const services = runningServices();
  // What did not run before the update is no fault of it.
  const lacking = new Map(services.map((service) => [service, lackingIn(service)]));
  const name = await fetchTree(options, file, services);
  versions.pointTo(folder, 'previous', installation.current);
  versions.pointTo(folder, 'current', name);
  versions.syncDisk(folder);
  const done: Record<string, number> = {};
  for (const [at, service] of services.entries()) {
    const startMs = performance.now();
    const failure = await restartService(service, options.readyMs, lacking.get(service) ?? []);
    if (failure !== undefined)
      throw await goBack(options, file, new Map([...lacking].slice(0, at + 1)), `${service}: ${failure}`);
    done[service] = Math.round(performance.now() - startMs) / 1000;
    tell(`${service} runs ${offer.index.version}`);
  }
  rmSync(path.join(folder, 'previous'), { force: true });
  return done;
}

/** Everything that can go wrong before anything is touched goes wrong here. Returns the name of the new version's folder. */
async function fetchTree(options: ApplyOptions, file: UpdateFile, services: readonly string[]): Promise<string> {
  const { installation, source, offer, tell } = options;
  const { folder } = installation;
  versions.checkSpace(folder, file.size + file.unpacked);
  const draft = makeDraft(folder);
  try {
    const archive = path.join(draft, 'archive.tar.gz');
    const url = new URL(file.url, source.index);
    if (url.protocol !== 'https:') throw new HawserError('INDEX', `${url.href} is not encrypted`, 'ask the publisher');
    tell(`getting ${url.href} (${(file.size / 1e6).toFixed(1)} MB)`);
    await fetchArchive(url.href, file, archive, options.idleMs);
    const tree = path.join(draft, 'tree');
    mkdirSync(tree);
    chmodSync(tree, 0o755);
    versions.unpack(archive, tree);
    checkTree(tree, offer.index.version);
    for (const service of services) {
      const config = path.join(options.configFolder, `${configNameOf(service)}.yaml`);
      if (existsSync(config)) versions.tryProgram(tree, ['check', config]);
    }
    return versions.place(folder, tree, offer.index.version);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function makeDraft(folder: string): string {
  try {
    versions.removeDrafts(folder);
    return mkdtempSync(path.join(folder, versions.draftPrefix));
  } catch (error) {
    const remedy = isCode(error, 'EACCES') || isCode(error, 'EROFS') ? 'run it as root' : 'make room there';
    throw new HawserError('DRAFT', `Cannot write to ${folder}: ${inWords(error)}`, remedy);
  }
}

async function fetchArchive(url: string, file: UpdateFile, archive: string, idleMs: number): Promise<void> {
  const hash = createHash('sha256');
  let count = 0;
  const fd = openSync(archive, 'wx', 0o600);
  try {
    await download(url, { mostBytes: file.size, idleMs, totalMs: fileTotalMs }, (part) => {
      hash.update(part);
      count += part.length;
      for (let at = 0; at < part.length; ) at += writeSync(fd, part, at);
    });
  } catch (error) {
    if (!isCode(error, 'ENOSPC')) throw error;
    throw new HawserError(
      'SPACE',
      `No room for the update in ${path.dirname(path.dirname(archive))}`,
      'make room there',
    );
  } finally {
    closeSync(fd);
  }
  if (count !== file.size) {
    throw new HawserError(
      'SIZE',
      `${url} has ${count} bytes, and the index says ${file.size}`,
      'try again; nothing was changed',
    );
  }
  if (hash.digest('hex') !== file.sha256) {
    const remedy = 'nothing was changed; the server does not hold what the publisher signed';
    throw new HawserError('DIGEST', `${url} is not what the index says (SHA-256)`, remedy);
  }
}

/** Signed by whom we trust, and yet it may be for another processor or C library. */
function checkTree(tree: string, version: string): void {
  const found = versions.versionOf(tree);
  if (found !== version || !existsSync(path.join(tree, 'build-id'))) {
    throw new HawserError('TREE', `The archive holds ${found}, and the index says ${version}`, 'ask the publisher');
  }
  const said = versions.tryProgram(tree, ['--version']).trim();
  if (said !== version) throw new HawserError('TRIAL', `The new version calls itself ${said}`, 'ask the publisher');
}

/** Back to the old version, also for services that were ready. `touched`: with the actors that each lacked before. Returns what to throw. */
async function goBack(
  options: ApplyOptions,
  file: UpdateFile,
  touched: ReadonlyMap<string, readonly string[]>,
  why: string,
): Promise<HawserError> {
  const { installation, source, offer, tell } = options;
  const { folder, current, version } = installation;
  tell(`${why}; going back to ${version}`);
  versions.pointTo(folder, 'current', current);
  const last = [...touched.keys()].at(-1);
  const lost: string[] = [];
  for (const [service, lacking] of touched) {
    const failure = await restartService(service, Math.max(options.readyMs, leastBackMs), lacking);
    if (failure !== undefined) lost.push(`${service}: ${failure}`);
  }
  rmSync(path.join(folder, 'previous'), { force: true });
  keepUpdates(source.stateDirectory, { ...recallUpdates(source.stateDirectory), failed: file.sha256 });
  const what = `Version ${offer.index.version} did not get ready (${why})`;
  if (lost.length === 0) return new HawserError('NOT_READY', `${what}; ${version} runs again`, `journalctl -u ${last}`);
  return new HawserError('NOT_BACK', `${what}, nor did ${version} (${lost.join('; ')})`, `journalctl -u ${last}`);
}
