/**
 * The one way in which values of a configuration come before people: in a problem, a note, the output of a command. What may be
 * a key is never shown, nor a part of it: people paste messages into forums.
 */

/** Characters of base64, of its url-safe form and of hexadecimal, in a run that has room for a key of 32 bytes with a few lost. */
const longRun = /[A-Za-z0-9+/_-]{40,}={0,2}/g;
const hexKey = /[0-9A-Fa-f]{60}/;
/** Of 43 random characters fewer than four capitals, or fewer than four small letters, come once in some million keys. */
const fewestOfEachCase = 4;
const hidden = '(hidden: it may be a key)';
const longestShown = 60;
/** So many characters of a key say too much of it. */
const tellingPart = 8;

/** Whether `text` holds what may be a key: 43 or 44 characters of base64, url-safe or not, or 64 of hexadecimal. */
export function mayHoldKey(text: string): boolean {
  return runsOf(text).length > 0;
}

/** A value as people may see it: quoted, what may be a key hidden, then cut. */
export function showValue(value: unknown): string {
  const json = hideKeys(JSON.stringify(value) ?? String(value));
  return json.length > longestShown ? `${json.slice(0, longestShown - 3)}...` : json;
}

/** `text` without what may be a key, and without the password of a URL (RFC 3986 section 3.2.1). */
export function hideKeys(text: string): string {
  return text
    .replace(longRun, (run) => (looksLikeKey(run) ? hidden : run))
    .replace(/(:\/\/[^\s/@:]*:)[^\s/@]+@/g, '$1(hidden)@');
}

/** As `hideKeys`, for words that somebody else made of `source`: they may quote a part of a key. */
export function hideKeysOf(source: string, text: string): string {
  const runs = runsOf(source);
  return hideKeys(text).replace(/[A-Za-z0-9+/_=-]{8,}/g, (word) => {
    const starts = Array.from({ length: word.length - tellingPart + 1 }, (_, at) => word.slice(at, at + tellingPart));
    return starts.some((part) => runs.some((run) => run.includes(part))) ? hidden : word;
  });
}

function runsOf(text: string): string[] {
  return (text.match(longRun) ?? []).filter(looksLikeKey);
}

/** A run of characters that has the form of a key, as far as anybody can tell. */
export function looksLikeKey(run: string): boolean {
  if (hexKey.test(run)) return true;
  const capitals = run.match(/[A-Z]/g)?.length ?? 0;
  const small = run.match(/[a-z]/g)?.length ?? 0;
  return capitals >= fewestOfEachCase && small >= fewestOfEachCase;
}
