/** The request of an HTTP probe and the status line of what comes back (RFC 9112 sections 3 and 4). */

/** An answer whose status line is longer is none. */
export const mostStatusBytes = 512;
/** From here on the server itself says that it does not work (RFC 9110 section 15.6). */
const serverErrors = 500;

/** `host` as in the URL; a port that is not the scheme's own belongs to it. */
export function httpRequest(host: string, path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: hawser\r\nAccept: */*\r\nConnection: close\r\n\r\n`;
}

/** Status code of an answer; undefined = its line is not whole yet; 0 = this is no HTTP. */
export function httpStatus(text: string): number | undefined {
  const end = text.indexOf('\r\n');
  if (end < 0 && text.length < mostStatusBytes) return undefined;
  const match = /^HTTP\/\d\.\d (\d{3})(?: |$)/.exec(end < 0 ? '' : text.slice(0, end));
  return match === null ? 0 : Number(match[1]);
}

/** Whether such a status shows that the link carries requests and answers. */
export function httpStatusAnswers(status: number): boolean {
  return status >= 100 && status < serverErrors;
}
