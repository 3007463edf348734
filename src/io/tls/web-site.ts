/**
 * What visitors of a hub's TLS port see: files of a folder, whatever an HTTP server says (then their bytes and its bytes pass as they are), or
 * nothing but "not found". A visitor's connection is decrypted already.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import type { WebSite } from '../../config/config.ts';

/** Somebody who says nothing for so long is not there any more. */
const idleMs = 60_000;
const headersMs = 10_000;
const requestMs = 30_000;
const keepAliveMs = 15_000;
const checkMs = 2_000;

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
  readonly #http: Server;

  constructor(site: WebSite | undefined) {
    this.#site = site;
    this.#http = createServer(
      {
        headersTimeout: headersMs,
        requestTimeout: requestMs,
        keepAliveTimeout: keepAliveMs,
        connectionsCheckingInterval: checkMs,
      },
      (request, response) => {
        this.#answer(request, response).catch(() => response.destroy());
      },
    );
  }

  /** Serves a visitor from the first byte on: `begin` was read of the stream already. Ends the stream when all is said. */
  serve(visitor: Duplex, begin: Buffer): void {
    const site = this.#site;
    if (site !== undefined && 'host' in site) passOn(visitor, begin, site.host, site.port);
    else {
      visitor.unshift(begin);
      this.#http.emit('connection', visitor);
    }
  }

  /** Idempotent. */
  close(): void {
    this.#http.closeAllConnections();
    this.#http.close();
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
    else
      createReadStream(found, { end: final.size - 1 })
        .on('error', () => response.destroy())
        .pipe(response);
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
function passOn(visitor: Duplex, begin: Buffer, host: string, port: number): void {
  const server = connect({ host, port, allowHalfOpen: true });
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
