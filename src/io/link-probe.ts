/**
 * Asks a host past the tunnel whether it answers by one link: each probe has a socket of its own, opened by the addon with the
 * daemon's mark and bound to the link's interface. Datagram and connecting sockets are polled from timers; the kernel's own
 * times (arrival, TCP handshake) are what is measured, so a coarse poll costs no accuracy. HTTP and TLS are Node's.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { closeSync } from 'node:fs';
import { isIP, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { getSystemErrorName } from 'node:util';
import { messageOf } from '../base/errors.ts';
import type { ProbeMethod } from '../config/config.ts';
import type { DataApi } from '../native/data-api.ts';
import type { NetworkApi } from '../native/network-api.ts';
import { type DnsQuestion, dnsMostBytes, dnsQueryEmit, dnsReplyParse, dnsType } from '../wire/dns.ts';
import { type Echo, icmpEchoEmit, icmpIsReplyTo } from '../wire/icmp.ts';

export type ProbeSockets = Pick<
  NetworkApi,
  'openMarkedUdp' | 'openMarkedIcmp' | 'openMarkedTcp' | 'connectUdp' | 'sendBytes' | 'receiveStamped' | 'tcpConnected'
> &
  Pick<DataApi, 'nowUs'>;

/** Where the sockets go. */
export interface ProbeWay {
  readonly fwmark: number;
  /** '' = the kernel's routing chooses. */
  readonly interfaceName: string;
}

export interface ProbeRequest {
  readonly method: ProbeMethod;
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
  /** As the target names itself: for TLS and the Host header. */
  readonly host: string;
  /** HTTP: the path; DNS: the name asked for. */
  readonly path: string;
  readonly timeoutMs: number;
}

export interface ProbeOutcome {
  readonly answered: boolean;
  /** One round trip: of the echo, of the question, of the TCP handshake. 0 when nothing answered. */
  readonly rttUs: number;
  /** What was answered, or why nothing was. */
  readonly detail: string;
}

/** How an exchange over an open connection (HTTP, TLS) reads the text of the answer: undefined = not whole yet. */
export type ReadAnswer = (text: string) => { readonly answered: boolean; readonly detail: string } | undefined;

export interface WebExchange {
  readonly request: string;
  readonly read: ReadAnswer;
}

const pollMs = 5;
const eagain = -11;
const emsgsize = -90;
const einprogress = -115;
const econnrefused = -111;
const nonceBytes = 16;
const lateDetail = 'no answer';

export class LinkProbe {
  readonly #addon: ProbeSockets;
  readonly #way: ProbeWay;
  readonly #abort = new AbortController();
  readonly #received = new Uint8Array(1500);
  readonly #time = new Float64Array(1);
  #sequence = randomInt(0x10000);

  constructor(addon: ProbeSockets, way: ProbeWay) {
    this.#addon = addon;
    this.#way = way;
  }

  /** `web` is what http and https exchange once the connection stands. Never rejects. */
  async ask(request: ProbeRequest, web?: WebExchange): Promise<ProbeOutcome> {
    try {
      if (request.method === 'icmp') return await this.#echo(request);
      if (request.method === 'dns') return await this.#question(request);
      return await this.#connection(request, web);
    } catch (error) {
      return failed(this.#abort.signal.aborted ? 'closed' : messageOf(error));
    }
  }

  /** Ends all that is under way. Idempotent. */
  close(): void {
    this.#abort.abort();
  }

  #echo(request: ProbeRequest): Promise<ProbeOutcome> {
    this.#sequence = (this.#sequence + 1) & 0xffff;
    const family = familyOf(request);
    const nonce = randomBytes(nonceBytes);
    const echo: Echo = { family, identifier: randomInt(0x10000), sequence: this.#sequence, nonce };
    const message = new Uint8Array(8 + nonceBytes);
    icmpEchoEmit(message, 0, echo);
    const fd = this.#addon.openMarkedIcmp(family, this.#way.fwmark, this.#way.interfaceName);
    return this.#datagrams(fd, request, message, (bytes, length) =>
      icmpIsReplyTo(bytes, length, echo) ? 'echo' : undefined,
    );
  }

  #question(request: ProbeRequest): Promise<ProbeOutcome> {
    const question: DnsQuestion = { id: randomInt(0x10000), name: request.path, type: dnsType.a };
    const message = new Uint8Array(dnsMostBytes);
    const length = dnsQueryEmit(message, 0, question);
    const fd = this.#addon.openMarkedUdp(familyOf(request), this.#way.fwmark, this.#way.interfaceName);
    return this.#datagrams(fd, request, message.subarray(0, length), (bytes, end) => {
      const reply = dnsReplyParse(bytes, end, question);
      return reply === undefined ? undefined : `code ${reply.code}`;
    });
  }

  /** One message out, and what `match` knows as its answer in. Closes `fd`. */
  async #datagrams(
    fd: number,
    request: ProbeRequest,
    message: Uint8Array,
    match: (bytes: Uint8Array, lengthBytes: number) => string | undefined,
  ): Promise<ProbeOutcome> {
    try {
      const connected = this.#addon.connectUdp(fd, request.address, request.port, 0);
      if (connected < 0) return failed(getSystemErrorName(connected));
      const sentUs = this.#addon.nowUs();
      const sent = this.#addon.sendBytes(fd, message);
      if (sent < 0) return failed(getSystemErrorName(sent));
      const deadlineUs = sentUs + request.timeoutMs * 1000;
      while (this.#addon.nowUs() < deadlineUs) {
        await this.#pause();
        const found = this.#receive(fd, match);
        if (found === undefined) continue;
        if (typeof found === 'number') return failed(getSystemErrorName(found));
        return { answered: true, rttUs: Math.max(1, (this.#time[0] ?? 0) - sentUs), detail: found };
      }
      return failed(lateDetail);
    } finally {
      closeSync(fd);
    }
  }

  /** What arrived: the answer's words, a negative errno, or undefined for nothing of ours. */
  #receive(fd: number, match: (bytes: Uint8Array, lengthBytes: number) => string | undefined) {
    for (;;) {
      const length = this.#addon.receiveStamped(fd, this.#received, this.#time);
      if (length === eagain) return undefined;
      if (length === emsgsize) continue;
      if (length < 0) return length;
      const words = match(this.#received, length);
      if (words !== undefined) return words;
    }
  }

  async #connection(request: ProbeRequest, web: WebExchange | undefined): Promise<ProbeOutcome> {
    const fd = this.#addon.openMarkedTcp(familyOf(request), this.#way.fwmark, this.#way.interfaceName);
    let isOurs = true;
    try {
      const startUs = this.#addon.nowUs();
      const deadlineUs = startUs + request.timeoutMs * 1000;
      const result = await this.#connect(fd, request, deadlineUs);
      const elapsedUs = this.#addon.nowUs() - startUs;
      // Refused is an answer too: the host is there and the link carried both ways.
      if (result === econnrefused && request.method === 'tcp') {
        return { answered: true, rttUs: elapsedUs, detail: 'refused' };
      }
      if (result < 0) return failed(getSystemErrorName(result));
      if (result === 0) return failed(lateDetail);
      const rttUs = (this.#time[0] ?? 0) > 0 ? (this.#time[0] as number) : elapsedUs;
      if (web === undefined) return { answered: true, rttUs, detail: 'connected' };
      isOurs = false;
      const socket = new Socket({ fd, readable: true, writable: true });
      const leftMs = Math.max(1, Math.ceil((deadlineUs - this.#addon.nowUs()) / 1000));
      const answer = await exchange(socket, request, web, { leftMs, signal: this.#abort.signal });
      return { ...answer, rttUs: answer.answered ? rttUs : 0 };
    } finally {
      if (isOurs) closeSync(fd);
    }
  }

  async #pause(): Promise<void> {
    await sleep(pollMs);
    if (this.#abort.signal.aborted) throw new Error('closed');
  }

  /** 1 = connected, 0 = not in time, or a negative errno. */
  async #connect(fd: number, request: ProbeRequest, deadlineUs: number): Promise<number> {
    const begun = this.#addon.connectUdp(fd, request.address, request.port, 0);
    if (begun < 0 && begun !== einprogress) return begun;
    for (;;) {
      const state = this.#addon.tcpConnected(fd, this.#time);
      if (state !== 0) return state;
      if (this.#addon.nowUs() >= deadlineUs) return 0;
      await this.#pause();
    }
  }
}

interface Bounds {
  readonly leftMs: number;
  readonly signal: AbortSignal;
}

/** Sends the request over a connection that stands, in TLS for https, and reads until the answer is whole. Ends the socket. */
async function exchange(socket: Socket, request: ProbeRequest, web: WebExchange, bounds: Bounds) {
  const name = isIP(request.host) === 0 ? { servername: request.host } : {};
  const stream = request.method === 'https' ? connectTls({ socket, ALPNProtocols: ['http/1.1'], ...name }) : socket;
  const end = (): void => void stream.destroy(new Error(lateDetail));
  socket.on('error', end);
  const timer = setTimeout(end, bounds.leftMs);
  bounds.signal.addEventListener('abort', end);
  try {
    stream.write(web.request);
    let text = '';
    for await (const chunk of stream) {
      text += String(chunk);
      const answer = web.read(text);
      if (answer !== undefined) return answer;
    }
    return { answered: false, detail: 'closed before an answer' };
  } finally {
    clearTimeout(timer);
    bounds.signal.removeEventListener('abort', end);
    stream.destroy();
    socket.destroy();
  }
}

function familyOf(request: ProbeRequest): 4 | 6 {
  return request.address.length === 4 ? 4 : 6;
}

function failed(detail: string): ProbeOutcome {
  return { answered: false, rttUs: 0, detail };
}
