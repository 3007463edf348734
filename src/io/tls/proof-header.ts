/** How a proof, or the answer to one, stands in the head of an HTTP message: as a cookie like any other. */

const name = 'session';

/** Of `Cookie` and `Set-Cookie`. */
export function proofText(bytes: Uint8Array): string {
  return `${name}=${Buffer.from(bytes).toString('base64url')}`;
}

/** In the value of such a header; undefined = there is none. */
export function proofIn(value: string): Uint8Array | undefined {
  const text = value
    .split(';')
    .map((part) => part.trim())
    .find((part) => part.startsWith(`${name}=`));
  return text === undefined ? undefined : Uint8Array.from(Buffer.from(text.slice(name.length + 1), 'base64url'));
}

/** In the head of a request to upgrade; undefined = it is another one, or not whole. */
export function proofInRequest(begin: Buffer): Uint8Array | undefined {
  const end = begin.indexOf('\r\n\r\n');
  if (end < 0 || !begin.subarray(0, 4).equals(get)) return undefined;
  const lines = begin.subarray(0, end).toString('latin1').split('\r\n');
  const headerOf = (header: string): string | undefined =>
    lines
      .find((line) => line.slice(0, header.length + 1).toLowerCase() === `${header}:`)
      ?.slice(header.length + 1)
      .trim();
  if (headerOf('upgrade')?.toLowerCase() !== 'websocket') return undefined;
  const cookie = headerOf('cookie');
  return cookie === undefined ? undefined : proofIn(cookie);
}

const get = Buffer.from('GET ');
