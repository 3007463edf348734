/** What HTTPS brings, within limits of bytes and time: a server that sends without end or not at all costs neither disk nor patience. */
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { HawserError, messageOf } from '../../base/errors.ts';
import { isCode } from '../../base/lasting-files.ts';

export interface DownloadLimits {
  readonly mostBytes: number;
  /** Without a byte. */
  readonly idleMs: number;
  readonly totalMs: number;
}

/** Where releases lie they are handed on once or twice; what comes is checked whoever sends it. */
const mostRedirects = 4;

/** Calls `take` with each part of the body. Throws one sentence with the address. */
export async function download(url: string, limits: DownloadLimits, take: (part: Buffer) => void): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new Error(`it takes more than ${limits.totalMs / 1000} s`)),
    limits.totalMs,
  );
  try {
    await follow(new URL(url), limits, take, late);
  } catch (error) {
    if (error instanceof HawserError) throw error;
    const why = late.signal.aborted ? messageOf(late.signal.reason) : messageOf(error);
    throw new HawserError('DOWNLOAD', `Cannot get ${url}: ${why}`, 'try again; nothing was changed');
  } finally {
    clearTimeout(timer);
  }
}

/** All of a small document. */
export async function downloadWhole(url: string, limits: DownloadLimits): Promise<Buffer> {
  const parts: Buffer[] = [];
  await download(url, limits, (part) => parts.push(part));
  return Buffer.concat(parts);
}

async function follow(
  first: URL,
  limits: DownloadLimits,
  take: (part: Buffer) => void,
  late: AbortController,
): Promise<void> {
  let url = first;
  for (let redirects = 0; redirects <= mostRedirects; redirects += 1) {
    const response = await ask(url, limits, late);
    const { statusCode = 0, headers } = response;
    if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
      response.destroy();
      url = new URL(headers.location, url);
      if (url.protocol !== 'https:')
        throw new Error(`it is handed on to ${url.protocol}//${url.host}, which is not encrypted`);
      continue;
    }
    if (statusCode !== 200) {
      response.destroy();
      throw new Error(`the server answers ${statusCode}`);
    }
    await read(response, limits.mostBytes, take);
    return;
  }
  throw new Error(`it is handed on more than ${mostRedirects} times`);
}

function ask(url: URL, { idleMs }: DownloadLimits, late: AbortController): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent: false, signal: late.signal, headers: { 'user-agent': 'hawser' } }, resolve);
    // Counts from the last byte in either direction, from before the connection on.
    asked.setTimeout(idleMs, () => late.abort(new Error(`the server is silent for ${idleMs / 1000} s`)));
    asked.on('error', reject);
    asked.end();
  });
}

async function read(response: IncomingMessage, mostBytes: number, take: (part: Buffer) => void): Promise<void> {
  const promised = Number(response.headers['content-length'] ?? 0);
  if (promised > mostBytes) {
    response.destroy();
    throw new Error(`it has ${promised} bytes, where ${mostBytes} are the most`);
  }
  let count = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      count += part.length;
      if (count > mostBytes) throw new Error(`it has more than ${mostBytes} bytes`);
      take(part);
    }
  } catch (error) {
    response.destroy();
    if (isCode(error, 'ECONNRESET')) throw new Error(`the connection broke after ${count} bytes`);
    throw error;
  }
}
