/**
 * Ports of ours that nothing comes back to. A router that translates goes on with what it knows of a flow: to an address that the provider
 * has taken back, or by a line that is down. Keepalives keep such an entry alive for as long as we speak from the same port, so that the link
 * is dead until somebody restarts the router, or us. Where the kernel chose the port another one is as good, and is a flow that no router knows.
 */
import { lifeState } from '../../bonding/life/path-life-states.ts';
import { path, pathOrigin, pathState } from '../../contract/peer-tables.ts';
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
    silence.askedAtUs = this.#isAsking(row) ? nowUs : 0;
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
    for (const each of this.#rowsBy(row)) heardUs = Math.max(heardUs, this.#parts.paths.lastReceivedUs(each));
    return heardUs;
  }

  #isAsking(row: number): boolean {
    for (const peer of this.#parts.peers.all()) if (isCalled(peer, row)) return true;
    return this.#rowsBy(row).some((each) => isUnanswered(this.#parts.paths, each));
  }

  /** Paths of all peers by the carrier. */
  #rowsBy(row: number): number[] {
    const { peers, paths } = this.#parts;
    return [...peers.all()].flatMap((peer) => paths.rowsOf(peer.row).filter((each) => paths.carrier(each) === row));
  }
}

/** A handshake is asked for by it, again and again. */
function isCalled(peer: Peer, row: number): boolean {
  const isBy = peer.called.some(({ link, transport }) => carrierOf(link, transport) === row);
  return isBy && peer.session.isAttempting;
}

/** Of a path that should be: probes or challenges ask by it, and nothing answers. */
function isUnanswered(paths: PathBook, row: number): boolean {
  const state = paths.state(row);
  if (state === pathState.down || paths.table.int(row, path.originAt) !== pathOrigin.configured) return false;
  return state === pathState.unproven || paths.table.int(row, path.lifeAt) === lifeState.dead;
}
