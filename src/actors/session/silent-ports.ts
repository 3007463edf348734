/**
 * Ports of ours that nothing comes back to. A router that translates goes on with what it knows of a flow: to an address that the provider
 * has taken back, or by a line that is down. Keepalives keep such an entry alive for as long as we speak from the same port, so that the link
 * is dead until somebody restarts the router, or us. Where the kernel chose the port another one is as good, and is a flow that no router knows.
 */
import { lifeState } from '../../bonding/life/path-life-states.ts';
import { path, pathOrigin, pathState } from '../../contract/peer-tables.ts';
import { sessionTimes } from '../../protocols/session/peer-session.ts';
import { carrierOf, linkOf, transportName, transportOf } from '../../rings/carriers.ts';
import type { ActorContext } from '../kit/contract.ts';
import type { LinkBook } from './link-book.ts';
import type { PathBook } from './path-book.ts';
import type { Peer, PeerBook } from './peer-book.ts';

const lookUs = 1_000_000;
/** WireGuard itself gives a peer as long to answer before it calls anew (KEEPALIVE_TIMEOUT + REKEY_TIMEOUT). */
export const leastPatienceUs = 15_000_000;
/** A peer that is switched off does not answer by any port. */
export const mostPatienceUs = 600_000_000;

export interface SilentPortsParts {
  readonly context: Pick<ActorContext, 'emit' | 'wakeAt'>;
  readonly peers: Pick<PeerBook, 'all'>;
  readonly paths: PathBook;
  readonly links: Pick<LinkBook, 'nameOf'>;
  /** Rows of those carriers whose port nobody has named. */
  readonly carriers: readonly number[];
}

/** What is remembered of one carrier. */
interface Silence {
  /** For how long somebody asked by it, since something came or the port is another. */
  askedUs: number;
  patienceUs: number;
  /** When the look before found that somebody asked; 0 = it did not. */
  askedAtUs: number;
  heardUs: number;
}

export class SilentPorts {
  readonly #parts: SilentPortsParts;
  readonly #silences: ReadonlyMap<number, Silence>;
  #lookAtUs = 0;

  constructor(parts: SilentPortsParts) {
    this.#parts = parts;
    const begin = (): Silence => ({ askedUs: 0, patienceUs: leastPatienceUs, askedAtUs: 0, heardUs: 0 });
    this.#silences = new Map(parts.carriers.map((row) => [row, begin()]));
  }

  turn(nowUs: number): void {
    if (this.#silences.size === 0 || nowUs < this.#lookAtUs) return;
    this.#lookAtUs = nowUs + lookUs;
    for (const [row, silence] of this.#silences) this.#look(row, silence, nowUs);
    if ([...this.#silences.values()].some(({ askedAtUs }) => askedAtUs > 0)) this.#parts.context.wakeAt(this.#lookAtUs);
  }

  #look(row: number, silence: Silence, nowUs: number): void {
    const heardUs = this.#heardUs(row);
    if (heardUs > silence.heardUs) {
      silence.askedUs = 0;
      silence.patienceUs = leastPatienceUs;
    } else if (silence.askedAtUs > 0) silence.askedUs += nowUs - silence.askedAtUs;
    silence.heardUs = heardUs;
    const isServing = [...this.#parts.peers.all()].some((peer) => this.#isServed(peer, row, nowUs));
    if (isServing) silence.askedUs = 0;
    silence.askedAtUs = !isServing && this.#isAsking(row) ? nowUs : 0;
    if (silence.askedUs < silence.patienceUs) return;
    const link = this.#parts.links.nameOf(linkOf(row));
    const transport = transportName(transportOf(row)) ?? 'unknown';
    this.#parts.context.emit({ kind: 'move-port', carrier: row, link, transport, silentMs: silence.askedUs / 1000 });
    silence.askedUs = 0;
    silence.patienceUs = Math.min(2 * silence.patienceUs, mostPatienceUs);
  }

  /** When the last authentic packet came by the carrier; 0 = never. */
  #heardUs(row: number): number {
    let heardUs = 0;
    for (const peer of this.#callable())
      for (const each of this.#rowsOf(peer, row)) heardUs = Math.max(heardUs, this.#parts.paths.lastReceivedUs(each));
    return heardUs;
  }

  /** Somebody asks by it in vain. */
  #isAsking(row: number): boolean {
    return this.#callable().some(
      (peer) => isCalled(peer, row) || this.#rowsOf(peer, row).some((each) => this.#isUnanswered(peer, each)),
    );
  }

  /** Only who has endpoints is called, and asked by more than a path that it came by. A hub's clients have none. */
  #callable(): Peer[] {
    return [...this.#parts.peers.all()].filter(({ places }) => places.length > 0);
  }

  #rowsOf(peer: Peer, row: number): number[] {
    const { paths } = this.#parts;
    return paths.rowsOf(peer.row).filter((each) => paths.carrier(each) === row);
  }

  /** Of a path that should be: probes or challenges ask by it, and nothing answers. */
  #isUnanswered(peer: Peer, each: number): boolean {
    const { paths } = this.#parts;
    const state = paths.state(each);
    if (state === pathState.down || peer.session.keys.current === undefined) return false;
    if (paths.table.int(each, path.originAt) !== pathOrigin.configured) return false;
    return state === pathState.unproven || paths.table.int(each, path.lifeAt) === lifeState.dead;
  }

  /**
   * It has keys, was heard under them, and nothing is known against the path: it would have to find us anew, for the sake of one who may be switched
   * off. A stock peer says nothing for minutes, and is there.
   */
  #isServed(peer: Peer, row: number, nowUs: number): boolean {
    const { paths } = this.#parts;
    if (peer.session.keys.current === undefined || peer.session.isAttempting) return false;
    return this.#rowsOf(peer, row).some((each) => {
      const state = paths.state(each);
      const isProven = state === pathState.up || state === pathState.standby;
      const heardUs = paths.lastReceivedUs(each);
      const isHeard = heardUs > 0 && nowUs - heardUs < sessionTimes.rejectAfterUs;
      return isProven && isHeard && paths.table.int(each, path.lifeAt) !== lifeState.dead;
    });
  }
}

/** A handshake is asked for by it, again and again. */
function isCalled(peer: Peer, row: number): boolean {
  const isBy = peer.called.some(({ link, transport }) => carrierOf(link, transport) === row);
  return isBy && peer.session.isAttempting;
}
