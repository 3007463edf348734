/** How a machine that was invited reaches its hub before there is a tunnel: by UDP from every link, and by FakeTCP and TLS when that stays unanswered. */
import { setTimeout as sleep } from 'node:timers/promises';
import { HawserError } from '../base/errors.ts';
import type { ObfuscationConfig } from '../config/obfuscation.ts';
import type { Enrolment } from '../protocols/session/enrolment.ts';
import { dress, undress } from './join-dress.ts';
import { openFakeTcpWays } from './join-faketcp.ts';
import { openTlsWays, openUdpWays, type Way, type WaysOptions } from './join-ways.ts';

export interface CallOptions extends WaysOptions {
  /** By UDP. */
  readonly worn: ObfuscationConfig | undefined;
  /** Give up after this. */
  readonly patienceMs: number;
}

const pollMs = 20;
/** Where UDP passes, a hub has answered by then. */
const connectAfterMs = 2_000;

/** Resolves to the answer: an ENROL frame. Rejects with what was in the way, or NO_ANSWER. */
export async function askHub(enrolment: Enrolment, options: CallOptions): Promise<Uint8Array> {
  const call = new Call(enrolment, options);
  try {
    await call.open();
    return await call.run();
  } finally {
    call.close();
  }
}

class Call {
  readonly #enrolment: Enrolment;
  readonly #options: CallOptions;
  readonly #ways: Way[] = [];
  readonly #troubles: string[] = [];
  readonly #waiting = new Set<string>();
  readonly #abort = new AbortController();
  /** There is FakeTCP or TLS, and it was not tried yet. */
  #hasConnections: boolean;
  #chosen: Way | undefined;
  #stampUs = 0;
  readonly #startMs = performance.now();

  constructor(enrolment: Enrolment, options: CallOptions) {
    this.#enrolment = enrolment;
    this.#options = options;
    this.#hasConnections = options.endpoints.some(({ transport }) => transport === 'faketcp' || transport === 'tls');
  }

  async open(): Promise<void> {
    this.#ways.push(...(await openUdpWays(this.#options, this.#troubles, this.#options.patienceMs / 2)));
    if (this.#ways.length === 0 && !this.#hasConnections) throw this.#noWay();
  }

  async run(): Promise<Uint8Array> {
    const startMs = this.#startMs;
    while (performance.now() - startMs < this.#options.patienceMs) {
      const isLate = performance.now() - startMs > connectAfterMs && this.#enrolment.state === 'calling';
      if (isLate || this.#ways.length === 0) this.#openConnections();
      this.#turn();
      const { answer, isTooOld } = this.#enrolment;
      if (isTooOld) throw new HawserError('OLD_HUB', 'The hub takes no invitations', 'update hawser there');
      if (answer !== undefined) return answer;
      await sleep(pollMs);
    }
    throw this.#ways.length === 0 ? this.#noWay() : this.#noAnswer();
  }

  close(): void {
    this.#abort.abort();
    for (const way of this.#ways.splice(0)) way.close();
  }

  /** Once. What comes of each is a way, or a trouble. */
  #openConnections(): void {
    if (!this.#hasConnections) return;
    this.#hasConnections = false;
    const { signal } = this.#abort;
    const onWay = (way: Way): void => {
      if (signal.aborted) way.close();
      else this.#ways.push(way);
    };
    const open = { signal, onWay, waiting: this.#waiting, troubles: this.#troubles };
    // A proxy passes no FakeTCP, and who names one has no other way out.
    if (this.#options.proxy === undefined) openFakeTcpWays(this.#options.endpoints, open);
    void openTlsWays(this.#options, open);
  }

  /** Each call goes everywhere again: what answered before may be gone. */
  #turn(): void {
    const enrolment = this.#enrolment;
    const nowUs = this.#options.addon.nowUs();
    if (this.#ways.length > 0) {
      this.#stampUs = Math.max(this.#stampUs + 1, Date.now() * 1000);
      const message = enrolment.nextMessage(nowUs, this.#stampUs);
      const isCall = enrolment.state === 'calling' || this.#chosen === undefined;
      if (message !== undefined)
        for (const way of isCall ? this.#ways : [this.#chosen]) this.#send(way, message, nowUs);
    }
    for (const way of this.#ways)
      for (const datagram of way.receive())
        if (this.#read(way, datagram).some((message) => enrolment.handleMessage(message, nowUs))) this.#chosen = way;
  }

  #send(way: Way | undefined, message: Uint8Array, nowUs: number): void {
    const { worn } = this.#options;
    if (worn === undefined || way?.canWear !== true) way?.send(message);
    else for (const datagram of dress(this.#enrolment, message, worn, nowUs)) way.send(datagram);
  }

  #read(way: Way, datagram: Uint8Array): Uint8Array[] {
    const { worn } = this.#options;
    return worn === undefined || !way.canWear ? [datagram] : undress(datagram, worn);
  }

  #noWay(): HawserError {
    const message = `The hub cannot be called: ${this.#allTroubles().join('; ')}`;
    return new HawserError('NO_WAY', message, 'see whether this machine has a way out: ip route; hawser doctor');
  }

  #allTroubles(): string[] {
    return [...this.#troubles, ...[...this.#waiting].map((text) => `${text}: no connection`)];
  }

  #noAnswer(): HawserError {
    const places = [...this.#ways.map(({ text }) => text), ...this.#allTroubles()].join(', ');
    if (this.#enrolment.state !== 'calling')
      return new HawserError(
        'NO_ANSWER',
        `The hub was there, and has become silent (${places})`,
        'run the same line again',
      );
    const remedy =
      'an invitation that was used, taken back or has expired gets no answer either: ask for another, and see whether UDP gets through';
    return new HawserError('NO_ANSWER', `The hub does not answer (${places})`, remedy);
  }
}
