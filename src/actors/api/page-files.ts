/**
 * The web page: the files that `npm run build` has put into `build/page`, if they are there. All of them are read, and compressed, once: an upgrade
 * that replaces them under a running daemon does no harm. Whoever opens it needs no token yet.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { packageRoot } from '../../base/package-info.ts';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.md': 'text/markdown; charset=utf-8',
};
/** Nothing but the page's own files and the API of this host; no script, style or markup that comes as text. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/** Where the page is when it was built. */
const pageFolder = path.join(packageRoot(), 'build', 'page');

/** `/` is index.html, which names the others by their hashes: it alone is asked for again. */
export function servePage(app: FastifyInstance, folder = pageFolder): void {
  for (const name of filesOf(folder)) {
    const plain = readFileSync(path.join(folder, name));
    const packed = gzipSync(plain, { level: 9 });
    const common = {
      'content-security-policy': policy,
      'cache-control': name.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
      'content-type': types[path.extname(name)] ?? 'application/octet-stream',
      vary: 'accept-encoding',
    };
    app.get(name === 'index.html' ? '/' : `/${name}`, ({ headers }, reply) =>
      takesGzip(headers['accept-encoding'])
        ? reply.headers({ ...common, 'content-encoding': 'gzip' }).send(packed)
        : reply.headers(common).send(plain),
    );
  }
}

function takesGzip(encodings: string | string[] | undefined): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(String(encodings ?? ''));
}

/** Relative, with slashes. */
function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'));
  } catch {
    // It was not built.
    return [];
  }
}
