/** Which learnt paths of a peer lead nowhere any more, so that their rows may be given to others. */
import { sockaddrEquals } from '../../wire/sockaddr.ts';
import type { PathBook } from './path-book.ts';
import type { PathDeskParts } from './path-desk.ts';
import { isDead, type PathTrack } from './path-track.ts';
import type { Peer } from './peer-book.ts';
import { isSameCarrier } from './routes.ts';

/** NAT gave the peer another port: the old one is forgotten when it was silent for this long. */
const reboundSilentUs = 10_000_000;
/** One that was never proven, and one that died. */
const unprovenSilentUs = 30_000_000;
const deadSilentUs = 180_000_000;

/** Never the home path, and never a configured one. */
export function lostPaths(
  { paths, peers }: Pick<PathDeskParts, 'paths' | 'peers'>,
  peer: Peer,
  tracks: readonly PathTrack[],
  nowUs: number,
): PathTrack[] {
  const hasSession = peer.session.keys.current !== undefined;
  return tracks.filter((track) => {
    if (track.isConfigured || track.row === peers.homeOf(peer)) return false;
    const silentUs = nowUs - Math.max(paths.lastReceivedUs(track.row), paths.bornUs(track.row));
    if (silentUs < reboundSilentUs) return false;
    if (!track.isProven && paths.provenUs(track.row) === 0) return silentUs >= unprovenSilentUs;
    if (hasSession && track.isProven && !isDead(paths.table, track.row)) return false;
    return silentUs >= deadSilentUs || tracks.some((other) => other.isProven && isSameHost(paths, track, other));
  });
}

function isSameHost(paths: PathBook, one: PathTrack, other: PathTrack): boolean {
  const [a, b] = [paths.get(one.row), paths.get(other.row)];
  if (a === undefined || b === undefined || one === other || !isSameCarrier(a, b)) return false;
  const withPort = Uint8Array.from(b.endpoint);
  withPort.set(a.endpoint.subarray(2, 4), 2);
  return sockaddrEquals(a.endpoint, 0, withPort, 0);
}
