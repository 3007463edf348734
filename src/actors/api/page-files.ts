/** The web page: the files that `npm run build` has put into `build/page`, if they are there. Whoever opens it needs no token yet. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { packageRoot } from '../../base/package-info.ts';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
};
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Where the page is when it was built. */
export const pageFolder = path.join(packageRoot(), 'build', 'page');

/** `/` is index.html; all files are read once. */
export function servePage(app: FastifyInstance, folder = pageFolder): void {
  for (const name of filesOf(folder)) {
    const content = readFileSync(path.join(folder, name));
    const type = types[path.extname(name)] ?? 'application/octet-stream';
    const isIndex = name === 'index.html';
    app.get(isIndex ? '/' : `/${name}`, (_request, reply) =>
      reply
        .headers({
          'content-security-policy': policy,
          'cache-control': name.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
        })
        .type(type)
        .send(content),
    );
  }
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
