/** Tells a peer by each path what we call the link it leaves by, and keeps what the peer says (NAMES of docs/wire-format.md): for people alone. */
import { implicitLinkName, isName } from '../../config/names.ts';
import { capability } from '../../contract/frames.ts';
import { session } from '../../contract/peer-tables.ts';
import { namesEmit, namesHasHeard, namesText } from '../../wire/control-frame.ts';
import type { Challenges } from './challenges.ts';
import type { PathDeskParts } from './path-desk.ts';
import type { PathTrack } from './path-track.ts';
import type { Peer } from './peer-book.ts';

/** A name that was not answered is said again after this long, then twice as long; a few times in a session. */
const firstRetryUs = 1_000_000;
const mostTries = 4;
/** A path may get another name so often. What comes in between is not answered, so an honest peer says it again. */
const renameSpacingUs = 500_000;
const never = Number.POSITIVE_INFINITY;

export class NameDesk {
  readonly #parts: Pick<PathDeskParts, 'sessions' | 'links' | 'outbox' | 'paths'>;
  readonly #challenges: Challenges;

  constructor(parts: Pick<PathDeskParts, 'sessions' | 'links' | 'outbox' | 'paths'>, challenges: Challenges) {
    this.#parts = parts;
    this.#challenges = challenges;
  }

  /** Says it if it is due; returns when it will be. A restarted peer has forgotten it, so it is said under new keys again. */
  tell(peer: Peer, track: PathTrack, slot: number, nowUs: number): number {
    const { sessions, links, outbox } = this.#parts;
    if (slot < 0 || !track.isProven) return never;
    const name = links.nameOf(track.link);
    const isReader = (sessions.int(slot, session.capabilitiesAt) & capability.names) !== 0;
    if (!isReader || name === implicitLinkName || !isName(name)) return never;
    if (track.named?.slot !== slot || track.named.name !== name) {
      track.named = { slot, name, isHeard: false, tries: 0, nextUs: 0 };
    }
    const { named } = track;
    if (named.isHeard || named.tries >= mostTries) return never;
    if (nowUs < named.nextUs) return named.nextUs;
    outbox.sendFrame(peer.row, slot, namesEmit({ name, hasHeard: false }), track.row);
    named.nextUs = nowUs + firstRetryUs * 2 ** named.tries;
    named.tries += 1;
    return named.nextUs;
  }

  /** What is no name of our own form is passed over, without an answer. */
  handleFrame(peer: Peer, slot: number, track: PathTrack, bytes: Uint8Array, nowUs: number): void {
    const { paths } = this.#parts;
    if (namesHasHeard(bytes, 0)) {
      if (track.named !== undefined) track.named.isHeard = true;
      return;
    }
    const name = namesText(bytes, 0);
    if (!isName(name)) return;
    if (paths.peerLink(track.row) !== name) {
      if (nowUs - track.renamedUs < renameSpacingUs) return;
      track.renamedUs = nowUs;
      paths.setPeerLink(track.row, name);
    }
    this.#challenges.reply(peer, slot, track, namesEmit({ name: '', hasHeard: true }));
  }
}
