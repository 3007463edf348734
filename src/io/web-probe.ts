/** One HTTP exchange over a connection that stands already, with redirects over connections that the caller makes. */
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { connect as connectTls, rootCertificates } from 'node:tls';
import { readSmallFile } from '../base/lasting-files.ts';

export interface WebQuestion {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly followsRedirects: boolean;
  readonly isVerified: boolean;
  /** PEM file of one's own authority. */
  readonly caFile: string | undefined;
  /** Whether anybody looks into the body. */
  readonly wantsBody: boolean;
}

export interface WebAnswer {
  readonly status: number;
  /** Where a redirect leads. */
  readonly location: string | undefined;
  /** As far as it was read. */
  readonly body: string;
}

export interface WebBounds {
  /** performance.now() at which it must be over. */
  readonly untilMs: number;
  readonly signal: AbortSignal;
}

/** Connects to where a redirect leads; rejects with the reason. */
export type ConnectTo = (host: string, port: number) => Promise<Socket>;

/** RFC 9110 section 15.4; 304 answers a condition that nobody sets. */
const redirects: readonly number[] = [301, 302, 303, 307, 308];
const mostRedirects = 5;
/** What is looked at of a body. */
const mostBodyBytes = 65_536;
/** A bundle of all authorities of the world has 200 KiB. */
const mostAuthorityBytes = 1 << 20;

/** The last answer, after the redirects that are followed. Rejects with the reason when there is none. */
export async function askWeb(first: Socket, question: WebQuestion, connect: ConnectTo, bounds: WebBounds) {
  let url = new URL(question.url);
  let socket = first;
  for (let hops = 0; ; hops += 1) {
    const answer = await exchange(socket, url, question, bounds);
    const { location } = answer;
    const isRedirect = location !== undefined && redirects.includes(answer.status);
    if (!question.followsRedirects || !isRedirect || hops === mostRedirects) return answer;
    if (!URL.canParse(location, url.href)) return answer;
    const next = new URL(location, url);
    if (next.protocol !== 'http:' && next.protocol !== 'https:') return answer;
    url = next;
    socket = await connect(hostOf(url), portOf(url));
  }
}

export function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
}

/** An IPv6 literal without its brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/** Ends the socket. */
async function exchange(socket: Socket, url: URL, question: WebQuestion, { untilMs, signal }: WebBounds) {
  let stream = socket;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), Math.max(1, untilMs - performance.now()));
  try {
    if (url.protocol === 'https:') stream = secure(socket, url, question);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const end = (): void => reject(new Error('no answer'));
      AbortSignal.any([signal, late.signal]).addEventListener('abort', end, { once: true });
      // Not the URL itself: Node's HTTP knows what TLS is to it, and refuses https.
      const asking = requestHttp({
        method: question.method,
        path: `${url.pathname}${url.search}`,
        setHost: false,
        headers: {
          Host: url.host,
          'User-Agent': 'hawser',
          Accept: '*/*',
          'Accept-Encoding': 'identity',
          ...question.headers,
        },
        createConnection: () => stream,
      });
      for (const one of [asking, socket, stream]) one.on('error', reject);
      asking.on('response', resolve);
      asking.end();
    });
    const body = question.wantsBody ? await readBody(response, late.signal) : '';
    const { location } = response.headers;
    return { status: response.statusCode ?? 0, location, body } satisfies WebAnswer;
  } finally {
    clearTimeout(timer);
    stream.destroy();
    socket.destroy();
  }
}

function secure(socket: Socket, url: URL, { isVerified, caFile }: WebQuestion) {
  const host = hostOf(url);
  return connectTls({
    socket,
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: isVerified,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(caFile === undefined ? {} : { ca: [...rootCertificates, readSmallFile(caFile, mostAuthorityBytes)] }),
  });
}

/** As much as is looked at; a server that stops in the middle has said what it said. */
async function readBody(response: IncomingMessage, late: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const end = (): void => void response.destroy();
  late.addEventListener('abort', end, { once: true });
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes >= mostBodyBytes) break;
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
  return Buffer.concat(chunks).subarray(0, mostBodyBytes).toString('utf8');
}
