/** Links of a running instance, one more or one less: the same limits as in the file. */
import { HawserError } from '../base/errors.ts';
import { buildLink } from './build-links.ts';
import type { LinkConfig } from './config.ts';
import { findingsOf, formatPath } from './problems.ts';
import { configJsonSchema, linkSchema, mostLinks } from './schema.ts';
import { hideKeys } from './show.ts';

/** Throws CONFIG with every problem of `link`. */
export function withLink(links: readonly LinkConfig[], link: unknown): readonly LinkConfig[] {
  const parsed = linkSchema.safeParse(link, { reportInput: true });
  if (!parsed.success) {
    const json = configJsonSchema();
    const findings = parsed.error.issues.flatMap((issue) =>
      findingsOf({ ...issue, path: ['links', 0, ...issue.path] }, json),
    );
    const told = findings.map(({ path, message, allowed }) => {
      const hint = allowed.length === 0 ? '' : ` (allowed: ${allowed.join(', ')})`;
      return hideKeys(`${formatPath(path.slice(2))}: ${message}${hint}`);
    });
    throw new HawserError('CONFIG', told.join('; '));
  }
  const added = buildLink(parsed.data);
  if (links.some((one) => one.name === added.name)) {
    throw new HawserError('LINK_EXISTS', `There is a link "${added.name}" already`, 'choose another name');
  }
  if (links.length >= mostLinks) throw new HawserError('CONFIG', `There are ${mostLinks} links, which is the limit`);
  return [...links, added];
}

export function withoutLink(links: readonly LinkConfig[], name: string): readonly LinkConfig[] {
  const left = links.filter((one) => one.name !== name);
  const known = links.map((one) => one.name).join(', ');
  if (left.length === links.length) {
    throw new HawserError('NO_SUCH_LINK', `There is no link "${name}"`, `there are: ${known}`);
  }
  if (left.length === 0) throw new HawserError('LAST_LINK', `"${name}" is the only link`, 'add another one first');
  return left;
}
