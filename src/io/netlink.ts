/** Talks netlink with the kernel: batches with one verdict a request, and queries. Blocks for ≤ 2 s. */
import { closeSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { HawserError } from '../base/errors.ts';
import { errnoOf } from '../contract/errnos.ts';
import type { NetworkApi } from '../native/network-api.ts';
import {
  netlinkCheckLength,
  netlinkEmitHeader,
  netlinkFinish,
  netlinkFlag,
  netlinkFlags,
  netlinkHeaderBytes,
  netlinkLength,
  netlinkNext,
  netlinkSequence,
  netlinkType,
  netlinkTypeOf,
  netlinkVerdict,
} from '../wire/netlink.ts';

/** What of the addon netlink needs. */
export type NetlinkSockets = Pick<NetworkApi, 'openNetlink' | 'sendBytes' | 'receiveBytes'>;

export interface NetlinkRequest {
  /** RTM_* */
  readonly type: number;
  /** NLM_F_* beside REQUEST and ACK. */
  readonly flags: number;
  /** What a person calls it, for error messages: `add route 10.9.0.0/24 on hawser0`. */
  readonly what: string;
  /** An errno that means the wish is fulfilled already (EEXIST on an add, ESRCH on a delete). */
  readonly tolerates?: readonly number[];
  /** Makes what takes it back. */
  readonly undo?: (() => NetlinkRequest) | undefined;
  /** Of a query: answers for which it says no are not copied, so that a large table costs little. */
  readonly wants?: (bytes: Uint8Array, at: number, end: number) => boolean;
  emit(target: Uint8Array, at: number): number;
}

/** What the kernel said no to. */
export interface NetlinkRefusal {
  readonly request: NetlinkRequest;
  readonly error: HawserError;
}

/** Called with the body of each message, from `at` to `end` of `bytes`, which may be used again afterwards. */
export type NetlinkVisitor = (type: number, bytes: Uint8Array, at: number, end: number) => void;

export interface Netlink {
  /** Sends all, in order, and returns those that were refused; the others were done. */
  apply(requests: readonly NetlinkRequest[]): readonly NetlinkRefusal[];
  /** Asks, and visits the answers. Throws what the kernel says. */
  query(request: NetlinkRequest, visit: NetlinkVisitor): void;
  close(): void;
}

/** The kernel cuts a dump into messages of at most 32 KiB when the reader offers that much (net/netlink/af_netlink.c). */
export const receiveBytes = 64 * 1024;
const batchBytes = 32 * 1024;
/** No request of ours is longer. */
const requestBytes = 512;
/** The kernel answers within the send; a longer silence means that the answer was lost. */
const answerTimeoutMs = 2000;
/** NETLINK_NETFILTER */
const netfilterProtocol = 12;
/** A dump disturbed by changes is asked for again this often. */
const dumpAttempts = 5;

export function openNetlink(addon: NetlinkSockets): Netlink {
  return new NativeNetlink(addon, 0);
}

/** Of conntrack and nftables. */
export function openNetfilter(addon: NetlinkSockets): Netlink {
  return new NativeNetlink(addon, netfilterProtocol);
}

class NativeNetlink implements Netlink {
  readonly #addon: NetlinkSockets;
  readonly #fd: number;
  readonly #received = new Uint8Array(receiveBytes);
  readonly #batch = new Uint8Array(batchBytes);
  #sequence = 1;
  #open = true;

  constructor(addon: NetlinkSockets, protocol: number) {
    this.#addon = addon;
    this.#fd = addon.openNetlink(0, protocol);
  }

  apply(requests: readonly NetlinkRequest[]): readonly NetlinkRefusal[] {
    const refusals: NetlinkRefusal[] = [];
    let index = 0;
    while (index < requests.length) {
      const pending = new Map<number, NetlinkRequest>();
      let end = 0;
      while (index < requests.length && end + requestBytes <= batchBytes) {
        const request = requests[index++] as NetlinkRequest;
        const sequence = this.#nextSequence();
        pending.set(sequence, request);
        // A refusal is said in any case, and before the last is answered (netlink_rcv_skb): each answer costs a read.
        const isLast = index === requests.length || end + 2 * requestBytes > batchBytes;
        end = emitRequest(this.#batch, end, request, isLast ? netlinkFlag.ack : 0, sequence);
        if (isLast) break;
      }
      this.#send(end, requests[index - 1] as NetlinkRequest);
      this.#collectVerdicts(pending, refusals);
    }
    return refusals;
  }

  query(request: NetlinkRequest, visit: NetlinkVisitor): void {
    for (let attempt = 1; attempt <= dumpAttempts; attempt++) {
      const answers = this.#queryOnce(request);
      if (answers === undefined) continue;
      for (const { type, body } of answers) visit(type, body, 0, body.length);
      return;
    }
    throw new HawserError('EINTR', `Cannot ${request.what}: the kernel's tables changed during ${dumpAttempts} dumps`);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }

  #nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }

  #send(end: number, request: NetlinkRequest): void {
    const sent = this.#addon.sendBytes(this.#fd, this.#batch.subarray(0, end));
    if (sent < 0) throw kernelError(request.what, -sent, '');
  }

  /** Until the last that was sent is answered. */
  #collectVerdicts(pending: ReadonlyMap<number, NetlinkRequest>, refusals: NetlinkRefusal[]): void {
    const last = this.#sequence;
    let isAnswered = false;
    const visit = (at: number): void => {
      const sequence = netlinkSequence(this.#received, at);
      const request = pending.get(sequence);
      if (request === undefined || netlinkTypeOf(this.#received, at) !== netlinkType.error) return;
      isAnswered ||= sequence === last;
      const verdict = netlinkVerdict(this.#received, at);
      if (verdict === undefined || verdict.errno === 0 || request.tolerates?.includes(verdict.errno)) return;
      refusals.push({ request, error: kernelError(request.what, verdict.errno, verdict.text) });
    };
    while (!isAnswered) this.#receive(pending.get(last) as NetlinkRequest, visit);
  }

  /** Copies of the answers; undefined when a change disturbed the dump, which then mixes two states. */
  #queryOnce(request: NetlinkRequest): { readonly type: number; readonly body: Uint8Array }[] | undefined {
    const answers: { readonly type: number; readonly body: Uint8Array }[] = [];
    const sequence = this.#nextSequence();
    // A dump ends by itself with DONE; one answer is ended by the acknowledgement.
    const ack = (request.flags & netlinkFlag.dump) === netlinkFlag.dump ? 0 : netlinkFlag.ack;
    this.#send(emitRequest(this.#batch, 0, request, ack, sequence), request);
    let done = false;
    let whole = true;
    while (!done) {
      this.#receive(request, (at) => {
        const bytes = this.#received;
        if (netlinkSequence(bytes, at) !== sequence || done) return;
        const type = netlinkTypeOf(bytes, at);
        if ((netlinkFlags(bytes, at) & netlinkFlag.dumpInterrupted) !== 0) whole = false;
        if (type === netlinkType.error || type === netlinkType.done) {
          done = true;
          const verdict = netlinkVerdict(bytes, at);
          if (verdict !== undefined && verdict.errno > 0) throw kernelError(request.what, verdict.errno, verdict.text);
          return;
        }
        const [from, to] = [at + netlinkHeaderBytes, at + netlinkLength(bytes, at)];
        if (request.wants?.(bytes, from, to) !== false) answers.push({ type, body: bytes.slice(from, to) });
      });
    }
    return whole ? answers : undefined;
  }

  #receive(request: NetlinkRequest, visit: (at: number) => void): void {
    const end = this.#addon.receiveBytes(this.#fd, this.#received, answerTimeoutMs);
    if (end === -errnoOf.EINTR) return;
    if (end === -errnoOf.EAGAIN) {
      const message = `Cannot ${request.what}: no answer from the kernel within ${answerTimeoutMs} ms`;
      throw new HawserError('ETIMEDOUT', message);
    }
    if (end < 0) throw kernelError(request.what, -end, '');
    for (let at = 0; netlinkCheckLength(this.#received, at, end); at = netlinkNext(this.#received, at)) visit(at);
  }
}

function emitRequest(target: Uint8Array, at: number, request: NetlinkRequest, flags: number, sequence: number): number {
  const bodyAt = netlinkEmitHeader(target, at, request.type, netlinkFlag.request | request.flags | flags, sequence);
  return netlinkFinish(target, at, request.emit(target, bodyAt));
}

/** An error in the kernel's words, with what a person can do about it. */
export function kernelError(what: string, errno: number, text: string): HawserError {
  const [code, meaning] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
  const words = text === '' ? meaning : `${meaning}: ${text}`;
  return new HawserError(code, `Cannot ${what}: ${code}, ${words}`, remedyOf(errno));
}

function remedyOf(errno: number): string {
  switch (errno) {
    case errnoOf.EPERM:
      return 'run as root or with CAP_NET_ADMIN';
    case errnoOf.ENODEV:
      return 'see `ip link` for the interfaces there are';
    case errnoOf.EEXIST:
      return 'see `ip route` and `ip address` for what stands in the way';
    case errnoOf.EOPNOTSUPP:
    case errnoOf.EAFNOSUPPORT:
      return 'this kernel lacks the feature, or IPv6 is disabled';
    default:
      return '';
  }
}
