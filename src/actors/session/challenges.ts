/** Says and answers CHALLENGEs (docs/wire-format.md): to prove paths, and to say what we want of them. */
import { randomBytes } from 'node:crypto';
import { peer as peerLayout, session } from '../../rings/layout.ts';
import {
  capability,
  challengeEmit,
  challengeToken,
  challengeWish,
  pathWish,
  responseEmit,
  responseFrameBytes,
  tokenBytes,
} from '../../wire/control-frame.ts';
import type { PathDeskParts } from './path-desk.ts';
import type { PathTrack } from './path-track.ts';
import type { Peer } from './peer-book.ts';

/** A lost notice is said again after this long, a few times. */
const noticeSpacingUs = 500_000;
const noticeTries = 5;
const never = Number.POSITIVE_INFINITY;

export class Challenges {
  readonly #parts: PathDeskParts;

  constructor(parts: PathDeskParts) {
    this.#parts = parts;
  }

  /** Slot to seal challenges under; -1 while the peer has not said in this session that it understands them. */
  slotOf(peer: Peer): number {
    const { current } = peer.session.keys;
    if (current === undefined) return -1;
    const said = this.#parts.sessions.int(current.slot, session.capabilitiesAt);
    const isSending = this.#parts.peerTable.int(peer.row, peerLayout.sendSlotAt) === current.slot;
    return isSending && (said & capability.paths) !== 0 ? current.slot : -1;
  }

  /** Sends the challenge that is due. */
  ask(peer: Peer, track: PathTrack, nowUs: number): void {
    if (track.proof.isDue(nowUs)) track.proof.handleSent(this.#send(peer, track, track.toldWish), nowUs);
  }

  /** Of `pathWish`: what the peer shall know of a path. */
  wish(track: PathTrack, wish: number): void {
    if ((track.notice?.wish ?? track.toldWish) === wish) return;
    track.notice = track.toldWish === wish ? undefined : { wish, token: '', tries: 0, nextUs: 0 };
  }

  /** Goes on saying it until the peer has answered; returns when it will be said again. */
  notify(peer: Peer, track: PathTrack, nowUs: number): number {
    const { notice } = track;
    if (notice === undefined || !track.isProven || notice.tries >= noticeTries) return never;
    if (nowUs >= notice.nextUs) {
      notice.token = this.#send(peer, track, notice.wish);
      notice.tries += 1;
      notice.nextUs = nowUs + noticeSpacingUs;
    }
    return notice.nextUs;
  }

  /** Answers a challenge by the path it came by, under the keys it came under. */
  answer(peer: Peer, slot: number, track: PathTrack, challenge: Uint8Array): void {
    const wish = challengeWish(challenge, 0);
    if (wish !== pathWish.none) track.peerWish = wish;
    const bytes = new Uint8Array(responseFrameBytes);
    responseEmit(bytes, 0, challengeToken(challenge, 0));
    this.#parts.outbox.sendFrame(peer.row, slot, bytes, track.row);
  }

  /** Returns the token. */
  #send(peer: Peer, track: PathTrack, wish: number): string {
    const token = randomBytes(tokenBytes);
    const bytes = new Uint8Array(responseFrameBytes);
    challengeEmit(bytes, 0, token, wish);
    this.#parts.outbox.sendFrame(peer.row, this.slotOf(peer), bytes, track.row);
    return token.toString('hex');
  }
}
