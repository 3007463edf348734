/**
 * Why handshakes fail, for people: the last reason of each peer in its row, and an event for each peer and reason, or for each reason
 * among strangers, once a minute at most. Whoever sends rubbish to the port must not wash out the events.
 */

import { peer as peerLayout, peerRefusal } from '../../contract/peer-tables.ts';
import type { InstanceEvent } from '../../control/events.ts';
import type { RowTable } from '../../rings/table.ts';
import type { ActorContext } from '../kit/contract.ts';
import { clientOf } from './crowds.ts';
import type { Route } from './path-book.ts';
import type { Peer } from './peer-book.ts';
import { textOf } from './routes.ts';

export type Refusal = Exclude<keyof typeof peerRefusal, 'none'>;
/** Of whoever is no peer. */
export type StrangerRefusal = 'unknownKey' | 'otherHub' | 'underLoad';

export interface RefusalFacts {
  /** Of `clockBehind`. */
  readonly behindUs?: number;
  /** By whoever decided it. */
  readonly said?: string;
}

const spacingUs = 60_000_000;
const refused = 'handshake-refused';

const sentences: Readonly<Record<Refusal | StrangerRefusal, string>> = {
  clockBehind: 'its clock is behind what it showed before',
  notItsKey: 'it claims a public key whose private key it does not have',
  unreadable: 'its response cannot be opened: the preshared keys differ',
  unused: 'it does not use our responses: the preshared keys differ, or they do not arrive',
  busy: 'it is under load and wants to see a cookie',
  obfuscation: 'its handshakes wear another obfuscation than is configured for it',
  quota: 'it has used up its quota',
  perAddress: 'as many clients as server.limits.perAddress allows have sessions from its address',
  unauthorised: 'the plugin of server.authorise does not let it in',
  authoriserSilent: 'nobody is let in while the plugin of server.authorise does not say who may',
  perClient: 'as many devices of this client as server.limits.perClient allows have sessions',
  unknownKey: 'no peer here has its public key',
  otherHub: 'it calls another public key than ours',
  underLoad: 'too many handshakes come in: callers are asked for a cookie',
};

interface Told {
  readonly atUs: number;
  /** Since then, and between the two times before. */
  more: number;
  readonly before: number;
}

export class Refusals {
  readonly #context: Pick<ActorContext, 'emit'>;
  readonly #peers: RowTable;
  readonly #told = new Map<string, Told>();

  constructor(context: Pick<ActorContext, 'emit'>, peers: RowTable) {
    this.#context = context;
    this.#peers = peers;
  }

  /** `route`: where it came from. */
  ofPeer(peer: Peer, refusal: Refusal, route: Route | undefined, nowUs: number, more: RefusalFacts = {}): void {
    const { behindUs = 0, said = '' } = more;
    const { row } = peer;
    this.#peers.setInt(row, peerLayout.refusalAt, peerRefusal[refusal]);
    this.#peers.setNumber(row, peerLayout.refusedUsAt, nowUs);
    this.#peers.addNumber(row, peerLayout.refusedCountAt, 1);
    this.#peers.setNumber(row, peerLayout.behindUsAt, behindUs);
    const key = `${row} ${refusal}`;
    if (!this.#isDue(key, nowUs)) return;
    const behind = behindUs === 0 ? {} : { behindSeconds: Math.round(behindUs / 1e6) };
    const { name } = peer.settings;
    this.#tell(key, { kind: refused, peer: name, ...placeOf(route), ...behind, ...why(refusal, said) });
    if (refusal === 'perAddress' || refusal === 'perClient')
      this.#context.emit({ kind: 'limit-reached', client: clientOf(name), limit: refusal });
  }

  /** `fingerprint`: the first characters of a public key. */
  ofStranger(refusal: StrangerRefusal, route: () => Route, nowUs: number, fingerprint?: string): void {
    if (!this.#isDue(refusal, nowUs)) return;
    const key = fingerprint === undefined ? {} : { key: `${fingerprint}…` };
    this.#tell(refusal, { kind: refused, ...placeOf(route()), ...key, ...why(refusal) });
  }

  /** Its stamp lies in the far future, and was taken all the same. */
  noteClockAhead(peer: Peer, aheadUs: number, nowUs: number): void {
    const key = `${peer.row} ahead`;
    if (!this.#isDue(key, nowUs)) return;
    const reason = 'its clock is ahead of ours; its handshakes are taken, and go on being taken when it is set right';
    this.#tell(key, { kind: 'peer-clock', peer: peer.settings.name, aheadSeconds: Math.round(aheadUs / 1e6), reason });
  }

  /** The next peer in its row has reasons of its own. */
  forget(peer: Peer): void {
    for (const refusal of [...Object.keys(peerRefusal), 'ahead']) this.#told.delete(`${peer.row} ${refusal}`);
  }

  /** A handshake with the peer came to its end. */
  clear(peer: Peer): void {
    const { row } = peer;
    this.#peers.setInt(row, peerLayout.refusalAt, peerRefusal.none);
    this.#peers.setNumber(row, peerLayout.refusedCountAt, 0);
  }

  /** Whether it is time to tell again; counts what is not told. */
  #isDue(key: string, nowUs: number): boolean {
    const told = this.#told.get(key);
    if (told === undefined || nowUs - told.atUs >= spacingUs) {
      this.#told.set(key, { atUs: nowUs, more: 0, before: told?.more ?? 0 });
      return true;
    }
    told.more += 1;
    return false;
  }

  #tell(key: string, event: InstanceEvent): void {
    const before = this.#told.get(key)?.before ?? 0;
    this.#context.emit(before === 0 ? event : { ...event, more: before });
  }
}

function placeOf(route: Route | undefined): { endpoint?: string } {
  return route === undefined ? {} : { endpoint: textOf(route) };
}

function why(refusal: Refusal | StrangerRefusal, said = ''): { reason: string } {
  return { reason: said === '' ? sentences[refusal] : `${sentences[refusal]}: ${said}` };
}
