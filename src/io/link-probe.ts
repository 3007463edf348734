/**
 * Asks a host past the tunnel whether it answers by one link: each probe has a socket of its own, opened by the addon with the
 * daemon's mark and bound to the link's interface. Datagram and connecting sockets are polled from timers; the kernel's own
 * times (arrival, TCP handshake) are what is measured, so a coarse poll costs no accuracy. HTTP and TLS are Node's.
 */

import { randomBytes, randomInt } from 'node:crypto';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import { messageOf } from '../base/errors.ts';
import { familyOf } from '../base/family.ts';
import { hideKeys } from '../config/show.ts';
import { errnoOf } from '../contract/errnos.ts';
import type { DataApi } from '../native/data-api.ts';
import type { NetworkApi } from '../native/network-api.ts';
import { type DnsQuestion, type DnsValues, dnsMostBytes, dnsQueryEmit, dnsValuesParse } from '../wire/dns.ts';
import { type Echo, icmpEchoEmit, icmpIsReplyTo } from '../wire/icmp.ts';
import type { NetlinkSockets } from './netlink.ts';
import { OpenDescriptors } from './open-descriptors.ts';
import { SourceFinder } from './source-finder.ts';
import { converse, type ProbeAnswer } from './tcp-probe.ts';
import { askWeb, type WebAnswer, type WebQuestion } from './web-probe.ts';

export type ProbeSockets = Pick<
  NetworkApi,
  'openMarkedUdp' | 'openMarkedIcmp' | 'openMarkedTcp' | 'bindSource' | 'connectUdp' | 'receiveStamped' | 'tcpConnected'
> &
  NetlinkSockets &
  Pick<DataApi, 'nowUs'>;

/** Where the sockets go. */
export interface ProbeWay {
  readonly fwmark: number;
  /** '' = the kernel's routing chooses. */
  readonly interfaceName: string;
}

/** What is asked; `judge` says of what comes back whether it is a right answer. */
export type ProbeQuestion =
  | { readonly method: 'icmp'; readonly sizeBytes: number; readonly count: number }
  /** `type`: one of `dnsType`. */
  | {
      readonly method: 'dns';
      readonly name: string;
      readonly type: number;
      readonly judge: (reply: DnsValues) => ProbeAnswer;
    }
  /** `takesRefusal`: a port that is closed shows that the host is there. */
  | {
      readonly method: 'tcp';
      readonly send: string | undefined;
      readonly expect: string | undefined;
      readonly takesRefusal: boolean;
    }
  | {
      readonly method: 'http' | 'https';
      readonly web: WebQuestion;
      readonly judge: (answer: WebAnswer) => ProbeAnswer;
    };

export interface ProbeRequest {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
  readonly question: ProbeQuestion;
  readonly timeoutMs: number;
}

/** Address of a host that a redirect leads to, 4 or 16 bytes; undefined = not in time, or there is none. */
export type FindAddress = (host: string, timeoutMs: number) => Promise<Uint8Array | undefined>;

export interface ProbeOutcome extends ProbeAnswer {
  /** One round trip: of the echo, of the question, of the TCP handshake. 0 when nothing answered. */
  readonly rttUs: number;
}

const pollMs = 5;
const emsgsize = -90;
const einprogress = -115;
const econnrefused = -111;
/** Of an echo's data; the rest is zeros. */
const nonceBytes = 16;
const lateDetail = 'no answer';

export class LinkProbe {
  readonly #addon: ProbeSockets;
  readonly #way: ProbeWay;
  readonly #sources: SourceFinder;
  readonly #abort = new AbortController();
  readonly #descriptors = new OpenDescriptors();
  readonly #received = new Uint8Array(2048);
  readonly #time = new Float64Array(1);
  #sequence = randomInt(0x10000);

  readonly #find: FindAddress;

  constructor(addon: ProbeSockets, way: ProbeWay, find: FindAddress) {
    this.#addon = addon;
    this.#way = way;
    this.#sources = new SourceFinder(addon);
    this.#find = find;
  }

  /** Never rejects. The words of the outcome come before people, and may quote what the configuration expects. */
  async ask(request: ProbeRequest): Promise<ProbeOutcome> {
    const outcome = await this.#ask(request);
    return { ...outcome, detail: hideKeys(outcome.detail) };
  }

  async #ask(request: ProbeRequest): Promise<ProbeOutcome> {
    const { question } = request;
    try {
      if (question.method === 'icmp') return await this.#echoes(request, question);
      if (question.method === 'dns') return await this.#dns(request, question);
      if (question.method === 'tcp') return await this.#tcp(request, question);
      return await this.#web(request, question);
    } catch (error) {
      return failed(this.#abort.signal.aborted ? 'closed' : messageOf(error));
    }
  }

  /** Ends all that is under way, and leaves nothing open. Idempotent. */
  close(): void {
    this.#abort.abort();
    this.#descriptors.closeAll();
  }

  /** Several at a time; half of them must come back. */
  async #echoes(
    request: ProbeRequest,
    { sizeBytes, count }: ProbeQuestion & { method: 'icmp' },
  ): Promise<ProbeOutcome> {
    if (count === 1) return this.#echo(request, sizeBytes);
    const all = await Promise.all(Array.from({ length: count }, () => this.#echo(request, sizeBytes)));
    const back = all.filter((one) => one.answered);
    const detail = `${back.length} of ${count} echoes`;
    if (2 * back.length < count) return failed(back.length > 0 ? detail : (all[0]?.detail ?? detail));
    return { answered: true, rttUs: Math.min(...back.map((one) => one.rttUs)), detail };
  }

  #echo(request: ProbeRequest, sizeBytes: number): Promise<ProbeOutcome> {
    this.#sequence = (this.#sequence + 1) & 0xffff;
    const family = familyOf(request.address);
    const nonce = Buffer.concat([randomBytes(nonceBytes), Buffer.alloc(sizeBytes - nonceBytes)]);
    const echo: Echo = { family, identifier: randomInt(0x10000), sequence: this.#sequence, nonce };
    const message = new Uint8Array(8 + sizeBytes);
    icmpEchoEmit(message, 0, echo);
    const fd = this.#descriptors.add(this.#addon.openMarkedIcmp(family, this.#way.fwmark, this.#way.interfaceName));
    return this.#datagrams(fd, request, message, (bytes, length) =>
      icmpIsReplyTo(bytes, length, echo) ? { answered: true, detail: 'echo' } : undefined,
    );
  }

  #dns(request: ProbeRequest, { name, type, judge }: ProbeQuestion & { method: 'dns' }): Promise<ProbeOutcome> {
    const question: DnsQuestion = { id: randomInt(0x10000), name, type };
    const message = new Uint8Array(dnsMostBytes);
    const length = dnsQueryEmit(message, 0, question);
    const fd = this.#descriptors.add(
      this.#addon.openMarkedUdp(familyOf(request.address), this.#way.fwmark, this.#way.interfaceName),
    );
    return this.#datagrams(fd, request, message.subarray(0, length), (bytes, end) => {
      const reply = dnsValuesParse(bytes, end, question);
      return reply === undefined ? undefined : judge(reply);
    });
  }

  /** One message out, and what `match` knows as its answer in. Closes `fd`. */
  async #datagrams(
    fd: number,
    request: ProbeRequest,
    message: Uint8Array,
    match: MatchDatagram,
  ): Promise<ProbeOutcome> {
    try {
      const { interfaceName, fwmark } = this.#way;
      const bound = this.#sources.bind(this.#addon, fd, interfaceName, fwmark, request.address);
      if (bound < 0) return failed(getSystemErrorName(bound));
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
        const rttUs = found.answered ? Math.max(1, (this.#time[0] ?? 0) - sentUs) : 0;
        return { ...found, rttUs };
      }
      return failed(lateDetail);
    } finally {
      this.#descriptors.close(fd);
    }
  }

  /** What arrived: the verdict on it, a negative errno, or undefined for nothing of ours. */
  #receive(fd: number, match: MatchDatagram) {
    for (;;) {
      const length = this.#addon.receiveStamped(fd, this.#received, this.#time);
      if (length === -errnoOf.EAGAIN) return undefined;
      if (length === emsgsize) continue;
      if (length < 0) return length;
      const verdict = match(this.#received, length);
      if (verdict !== undefined) return verdict;
    }
  }

  async #tcp(request: ProbeRequest, question: ProbeQuestion & { method: 'tcp' }): Promise<ProbeOutcome> {
    const { send, expect, takesRefusal } = question;
    const untilMs = performance.now() + request.timeoutMs;
    const opened = await this.#open(request.address, request.port, request.timeoutMs);
    // Refused is an answer too: the host is there and the link carried both ways.
    if (opened.error === econnrefused && takesRefusal)
      return { answered: true, rttUs: opened.rttUs, detail: 'refused' };
    if (opened.fd < 0) return failed(errorText(opened.error));
    const { rttUs } = opened;
    if (send === undefined && expect === undefined) {
      this.#descriptors.close(opened.fd);
      return { answered: true, rttUs, detail: 'connected' };
    }
    const verdict = await converse(this.#socketOf(opened.fd), question, {
      untilMs,
      signal: this.#abort.signal,
    });
    return { ...verdict, rttUs: verdict.answered ? rttUs : 0 };
  }

  async #web(request: ProbeRequest, question: ProbeQuestion & { method: 'http' | 'https' }): Promise<ProbeOutcome> {
    const untilMs = performance.now() + request.timeoutMs;
    const first = await this.#open(request.address, request.port, request.timeoutMs);
    if (first.fd < 0) return failed(errorText(first.error));
    const bounds = { untilMs, signal: this.#abort.signal };
    const connect = (host: string, port: number): Promise<Socket> => this.#connectTo(host, port, untilMs);
    const answer = await askWeb(this.#socketOf(first.fd), question.web, connect, bounds);
    const verdict = question.judge(answer);
    return { ...verdict, rttUs: verdict.answered ? first.rttUs : 0 };
  }

  async #connectTo(host: string, port: number, untilMs: number): Promise<Socket> {
    const leftMs = Math.max(1, untilMs - performance.now());
    const address = await this.#find(host, leftMs);
    if (address === undefined) throw new Error(`redirected to ${host}, whose name is not resolved`);
    const { fd, error } = await this.#open(address, port, Math.max(1, untilMs - performance.now()));
    if (fd < 0) throw new Error(`redirected to ${host}: ${errorText(error)}`);
    return this.#socketOf(fd);
  }

  /** A connection that stands, and how long its handshake took; `fd` -1: `error` says why, 0 = not in time. */
  async #open(address: Uint8Array, port: number, timeoutMs: number) {
    const fd = this.#descriptors.add(
      this.#addon.openMarkedTcp(familyOf(address), this.#way.fwmark, this.#way.interfaceName),
    );
    let isOpen = false;
    try {
      const startUs = this.#addon.nowUs();
      const result = await this.#connect(fd, address, port, startUs + timeoutMs * 1000);
      const elapsedUs = this.#addon.nowUs() - startUs;
      isOpen = result > 0;
      const [kernelUs = 0] = this.#time;
      const rttUs = isOpen && kernelUs > 0 ? kernelUs : elapsedUs;
      return { fd: isOpen ? fd : -1, rttUs, error: result };
    } finally {
      if (!isOpen) this.#descriptors.close(fd);
    }
  }

  #socketOf(fd: number): Socket {
    const socket = new Socket({ fd, readable: true, writable: true });
    this.#descriptors.release(fd);
    return socket;
  }

  async #pause(): Promise<void> {
    await sleep(pollMs);
    if (this.#abort.signal.aborted) throw new Error('closed');
  }

  /** 1 = connected, 0 = not in time, or a negative errno. */
  async #connect(fd: number, address: Uint8Array, port: number, deadlineUs: number): Promise<number> {
    const { interfaceName, fwmark } = this.#way;
    const bound = this.#sources.bind(this.#addon, fd, interfaceName, fwmark, address);
    if (bound < 0) return bound;
    const begun = this.#addon.connectUdp(fd, address, port, 0);
    if (begun < 0 && begun !== einprogress) return begun;
    for (;;) {
      const state = this.#addon.tcpConnected(fd, this.#time);
      if (state !== 0) return state;
      if (this.#addon.nowUs() >= deadlineUs) return 0;
      await this.#pause();
    }
  }
}

type MatchDatagram = (bytes: Uint8Array, lengthBytes: number) => ProbeAnswer | undefined;

function errorText(result: number): string {
  return result === 0 ? lateDetail : getSystemErrorName(result);
}

function failed(detail: string): ProbeOutcome {
  return { answered: false, rttUs: 0, detail };
}
