/**
 * Asks the plugin of `server.authorise` before a client gets a session. Nobody else waits meanwhile; whoever is not let in within half a second
 * is not let in, whatever the plugin, or its host, does.
 */

import type { ActorContext } from '../kit/contract.ts';
import type { PluginAnswer, PluginOutcome, PluginQuestion } from '../plugins/questions.ts';
import { silence } from '../plugins/questions.ts';
import { clientOf } from './crowds.ts';
import type { Route } from './path-book.ts';
import type { Peer } from './peer-book.ts';
import type { Refusal } from './refusals.ts';
import { textOf } from './routes.ts';

export interface AccessDeskParts {
  readonly context: Pick<ActorContext, 'emit' | 'wakeAt' | 'spec'>;
  /** Who decides; undefined = everybody who has a right key may come. */
  readonly plugin: string | undefined;
  readonly nameOf: (link: number) => string;
}

/** `refusal`: undefined = it may come. `said`: what the plugin says of that, or what is wrong with it. */
export interface Verdict {
  readonly refusal: Extract<Refusal, 'unauthorised' | 'authoriserSilent'> | undefined;
  readonly said: string;
}

/** Resumes what had to wait; undefined = it is of no interest any more, and neither is the time. */
export type OnVerdict = (verdict: Verdict | undefined, nowUs: number) => void;

export const patienceMs = 500;
/** What was let in may call, or be called, again without a question: a handshake takes two messages. */
const leastUs = 5_000_000;
/** Of others the next call is not far. */
const mostWaiting = 1000;

interface Waiting {
  readonly peer: Peer;
  readonly untilUs: number;
  done: OnVerdict;
}

export class AccessDesk {
  readonly #parts: AccessDeskParts;
  /** By question; one for each peer. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #byPeer = new Map<Peer, number>();
  readonly #allowedUntilUs = new Map<Peer, number>();
  #last = 0;

  constructor(parts: AccessDeskParts) {
    this.#parts = parts;
  }

  /** Whether somebody has to say that the peer may come now. */
  mustAsk(peer: Peer, nowUs: number): boolean {
    if (this.#parts.plugin === undefined || peer.settings.isClient !== true) return false;
    return (this.#allowedUntilUs.get(peer) ?? 0) < nowUs;
  }

  isAsking(peer: Peer): boolean {
    return this.#byPeer.has(peer);
  }

  /** `done` is called later, once, in place of what waited for the same peer before. */
  ask(peer: Peer, route: Route, isCalled: boolean, nowUs: number, done: OnVerdict): void {
    const { plugin, context } = this.#parts;
    const waiting = this.#waiting.get(this.#byPeer.get(peer) ?? 0);
    if (waiting !== undefined) {
      waiting.done(undefined, nowUs);
      waiting.done = done;
      return;
    }
    if (plugin === undefined || this.#waiting.size >= mostWaiting) {
      done({ refusal: 'authoriserSilent', said: `${mostWaiting} others wait for it` }, nowUs);
      return;
    }
    this.#last += 1;
    const id = this.#last;
    const untilUs = nowUs + patienceMs * 1000;
    this.#waiting.set(id, { peer, untilUs, done });
    this.#byPeer.set(peer, id);
    context.wakeAt(untilUs);
    const question = this.#questionOf(peer, route, isCalled);
    const from = context.spec.id;
    const command: PluginQuestion = {
      kind: 'plugin-question',
      from,
      id,
      plugin,
      hook: 'authorise',
      question,
      timeoutMs: patienceMs,
    };
    context.emit({ kind: 'command', to: 'plugin-host', command });
  }

  handleAnswer({ id, outcome }: PluginAnswer, nowUs: number): void {
    this.#settle(id, outcome, nowUs);
  }

  /** Once a turn. */
  turn(nowUs: number): void {
    // In the order of their ends.
    for (const [id, { untilUs }] of this.#waiting) {
      if (untilUs > nowUs) {
        this.#parts.context.wakeAt(untilUs);
        return;
      }
      this.#settle(id, silence(this.#parts.plugin ?? '', patienceMs), nowUs);
    }
  }

  /** The peer has gone, or is another one. */
  forget(peer: Peer): void {
    this.#allowedUntilUs.delete(peer);
    const id = this.#byPeer.get(peer);
    if (id === undefined) return;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    this.#byPeer.delete(peer);
    waiting?.done(undefined, 0);
  }

  #settle(id: number, outcome: PluginOutcome, nowUs: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    const { peer, done } = waiting;
    this.#waiting.delete(id);
    this.#byPeer.delete(peer);
    const verdict = this.#judge(peer, outcome, nowUs);
    done(verdict, nowUs);
  }

  #judge(peer: Peer, outcome: PluginOutcome, nowUs: number): Verdict {
    if (!outcome.ok) return { refusal: 'authoriserSilent', said: outcome.reason };
    // As the plugin-host has checked it.
    const { allow, reason, forSeconds } = outcome.answer as {
      readonly allow: boolean;
      readonly reason: string;
      readonly forSeconds: number;
    };
    if (!allow) return { refusal: 'unauthorised', said: reason };
    this.#allowedUntilUs.set(peer, nowUs + Math.max(leastUs, forSeconds * 1e6));
    return { refusal: undefined, said: '' };
  }

  #questionOf({ settings, session }: Peer, route: Route, isCalled: boolean): object {
    return {
      client: clientOf(settings.name),
      device: settings.name,
      publicKey: settings.publicKey,
      endpoint: textOf(route),
      link: this.#parts.nameOf(route.link),
      hasSession: session.keys.current !== undefined,
      isCalled,
    };
  }
}
