/** Which peers are cut off: they have keys, and nothing that is sent to them is answered. */
import type { PathStatus } from './network-rows.ts';
import type { PeerStatus } from './rows.ts';

/** Of `PathStatus.condition`: nothing is sent by it, or nothing sent by it arrives. */
const deadConditions: readonly string[] = ['dead', 'withdrawn'];
/** A stock WireGuard answers data after 10 s at the latest (KEEPALIVE_TIMEOUT), and begins a handshake 5 s later. */
const stockSilenceMs = 15_000;

interface Silence {
  readonly receivedUs: number;
  /** Data left after what was last received was seen, at this time; undefined = none has. */
  readonly sinceUs: number | undefined;
}

/** Since when data to a peer is not answered by anything. A stock peer says no more of its paths. */
export class Unanswered {
  readonly #silences = new Map<string, Silence>();

  /** Times of the last data sent and of anything received, as the peer table has them. Called about once a second. */
  look(peer: string, sentUs: number, receivedUs: number, nowUs: number): void {
    const before = this.#silences.get(peer);
    const isSame = before?.receivedUs === receivedUs;
    // Of thousands most are as they were.
    if (isSame && (before.sinceUs !== undefined || sentUs <= receivedUs)) return;
    const sinceUs = sentUs > receivedUs ? nowUs : undefined;
    this.#silences.set(peer, { receivedUs, sinceUs: isSame ? (before.sinceUs ?? sinceUs) : sinceUs });
  }

  ageMs(peer: string, nowUs: number): number | undefined {
    const sinceUs = this.#silences.get(peer)?.sinceUs;
    return sinceUs === undefined ? undefined : (nowUs - sinceUs) / 1000;
  }
}

/** The peer, or what it is when nothing reaches it. `silentMs`: since data to it is not answered. */
export function judgeCutOff<Peer extends Pick<PeerStatus, 'name' | 'state' | 'cutOffAgeMs'>>(
  peer: Peer,
  paths: readonly Pick<PathStatus, 'peer' | 'condition' | 'changedAgeMs'>[],
  silentMs: number | undefined,
): Peer {
  if (peer.state !== 'connected') return peer;
  const judged = paths.filter((path) => path.peer === peer.name && path.condition !== undefined);
  const dead = judged.filter((path) => deadConditions.includes(path.condition ?? ''));
  if (judged.length > 0) {
    // One that was never proven never carried anything.
    const isCutOff = dead.length > 0 && judged.every((path) => path.condition === 'unproven' || dead.includes(path));
    if (!isCutOff) return peer;
    return { ...peer, state: 'cut off', cutOffAgeMs: Math.min(...dead.map((path) => path.changedAgeMs ?? 0)) };
  }
  return (silentMs ?? 0) < stockSilenceMs ? peer : { ...peer, state: 'cut off', cutOffAgeMs: silentMs };
}
