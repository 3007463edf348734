/** Patterns for kinds of events, such as `quota-*`. */

/** What is no kind of any version: letters and dashes, and `*` for any of them. */
export function eventPatternFits(input: string): boolean {
  return /^[a-z0-9*][a-z0-9*-]{0,63}$/.test(input);
}

export function matchesEvent(patterns: readonly string[], kind: string): boolean {
  return patterns.some((pattern) => matches(pattern.split('*'), kind));
}

/** `parts`: what stands between the stars, in this order. */
function matches(parts: readonly string[], kind: string): boolean {
  const [first = '', ...others] = parts;
  if (others.length === 0) return kind === first;
  const last = others.pop() ?? '';
  if (!kind.startsWith(first) || !kind.endsWith(last) || kind.length < first.length + last.length) return false;
  let rest = kind.slice(first.length, kind.length - last.length);
  for (const part of others) {
    const at = rest.indexOf(part);
    if (at < 0) return false;
    rest = rest.slice(at + part.length);
  }
  return true;
}
