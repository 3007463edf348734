/**
 * What visitors of a hub's TLS port see: files of a folder, whatever an HTTP server says (then their bytes and its bytes pass as they are), or
 * nothing but "not found". A visitor's connection is decrypted already.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { finished, pipeline } from 'node:stream/promises';
import type { WebSite } from '../../config/config.ts';

/** How long a visitor is waited for. */
export interface SiteWaits {
  /** For the whole head of a request that has begun. */
  readonly headMs: number;
  /** For the next request. */
  readonly keepAliveMs: number;
  /** Somebody who neither says nor takes anything for so long is not there any more. */
  readonly idleMs: number;
}

/** On one connection, which ends with the answer to the last. Requests wait in memory for their turn. */
const mostRequests = 1000;
/** What Node says to whoever is late. */
const tooLate = `HTTP/1.1 408 ${STATUS_CODES[408]}\r\nConnection: close\r\n\r\n`;

/** By the ending of a file's name. */
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.htm': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
  '.xml': 'application/xml',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.ico': 'image/vnd.microsoft.icon',
  '.pdf': 'application/pdf',
  '.woff2': 'font/woff2',
};

export class WebSiteServer {
  readonly #site: WebSite | undefined;
  readonly #waits: SiteWaits;
  readonly #http: Server;
  readonly #visits = new WeakMap<Socket, Visit>();

  constructor(site: WebSite | undefined, waits: SiteWaits) {
    this.#site = site;
    this.#waits = waits;
    // It never listens, so that its own limits for heads (headersTimeout, requestTimeout) are never looked at: `Visit` has them.
    this.#http = createServer({ keepAliveTimeout: waits.keepAliveMs }, (request, response) =>
      this.#visits.get(request.socket)?.take(response, () => this.#answer(request, response)),
    );
    this.#http.timeout = waits.idleMs;
  }

  /** Serves a visitor from the first byte on: `begin` was read of the stream already. Ends the stream when all is said. */
  serve(visitor: Socket, begin: Buffer): void {
    const site = this.#site;
    if (site !== undefined && 'host' in site) passOn(visitor, begin, site, this.#waits.idleMs);
    else {
      this.#visits.set(visitor, new Visit(visitor, this.#waits));
      visitor.unshift(begin);
      this.#http.emit('connection', visitor);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const site = this.#site;
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return say(request, response, 405, { Allow: 'GET, HEAD' });
    if (site === undefined || !('folder' in site)) return say(request, response, 404);
    const name = nameOf(request.url ?? '/');
    if (name === undefined) return say(request, response, 400);
    const file = path.join(site.folder, name);
    const facts = await stat(file).catch(() => undefined);
    if (facts?.isDirectory() === true && !name.endsWith('/'))
      return say(request, response, 301, { Location: `${encodeURI(name)}/` });
    const found = facts?.isDirectory() === true ? path.join(file, 'index.html') : file;
    const final = found === file ? facts : await stat(found).catch(() => undefined);
    if (final === undefined || !final.isFile() || (found === file && name.endsWith('/')))
      return say(request, response, 404);
    const tag = `"${final.mtimeMs.toString(16)}-${final.size.toString(16)}"`;
    const headers = {
      ETag: tag,
      'Last-Modified': final.mtime.toUTCString(),
      'Content-Type': types[path.extname(found).toLowerCase()] ?? 'application/octet-stream',
    };
    if (request.headers['if-none-match'] === tag) {
      response.writeHead(304, headers).end();
      return;
    }
    response.writeHead(200, { ...headers, 'Content-Length': final.size });
    if (request.method === 'HEAD' || final.size === 0) response.end();
    else await pipeline(createReadStream(found, { end: final.size - 1 }), response);
  }
}

/** One visitor's connection: his requests are answered one after the other, and he is not waited for without end. */
class Visit {
  readonly #visitor: Socket;
  readonly #waits: SiteWaits;
  #last: Promise<void> = Promise.resolve();
  #takenCount = 0;
  #unansweredCount = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(visitor: Socket, waits: SiteWaits) {
    this.#visitor = visitor;
    this.#waits = waits;
    visitor.once('close', () => clearTimeout(this.#timer));
    this.#awaitHead(waits.headMs);
  }

  /** The head of a request has come. `answer` is called when all that was asked before is answered, unless the visitor is gone by then. */
  take(response: ServerResponse, answer: () => Promise<void>): void {
    clearTimeout(this.#timer);
    this.#takenCount += 1;
    if (this.#takenCount > 2 * mostRequests) this.#visitor.destroy();
    if (this.#takenCount > mostRequests) return;
    if (this.#takenCount === mostRequests) response.setHeader('Connection', 'close');
    this.#unansweredCount += 1;
    this.#last = this.#answerAfter(this.#last, response, answer);
  }

  async #answerAfter(before: Promise<void>, response: ServerResponse, answer: () => Promise<void>): Promise<void> {
    await before;
    if (this.#visitor.destroyed) return;
    try {
      await Promise.all([answer(), finished(response)]);
    } catch {
      response.destroy();
    }
    this.#unansweredCount -= 1;
    const { headMs, keepAliveMs } = this.#waits;
    // Node ends who says nothing for `keepAliveMs`; it would go on hearing one byte now and then.
    if (this.#unansweredCount === 0 && !this.#visitor.destroyed) this.#awaitHead(keepAliveMs + headMs);
  }

  #awaitHead(waitMs: number): void {
    this.#timer = setTimeout(() => {
      this.#visitor.write(tooLate);
      this.#visitor.destroySoon();
    }, waitMs).unref();
  }
}

/** The path below the folder; undefined = it makes no sense. `..` never leads out: it is resolved before. */
function nameOf(url: string): string | undefined {
  try {
    const name = decodeURIComponent((url.split('?', 1)[0] ?? '/').replace(/^https?:\/\/[^/]*/i, ''));
    return name.startsWith('/') && !name.includes('\0') ? path.posix.normalize(name) : undefined;
  } catch {
    return undefined;
  }
}

function say(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = `${status} ${STATUS_CODES[status] ?? ''}`;
  const body = `<html><head><title>${text}</title></head><body><h1>${text}</h1></body></html>\n`;
  response.writeHead(status, { 'Content-Type': 'text/html', 'Content-Length': Buffer.byteLength(body), ...headers });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Byte for byte, both ways; whoever says that nothing more comes is believed, and still heard to. */
function passOn(visitor: Socket, begin: Buffer, at: { host: string; port: number }, idleMs: number): void {
  const server = connect({ host: at.host, port: at.port, allowHalfOpen: true });
  const end = (): void => {
    visitor.destroy();
    server.destroy();
  };
  server.setTimeout(idleMs, end);
  server.on('error', end);
  visitor.on('error', end).on('close', () => server.destroy());
  server.write(begin);
  visitor.pipe(server);
  server.pipe(visitor);
}
