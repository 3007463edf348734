/** Says and answers CHALLENGEs (docs/wire-format.md): to prove paths, and to say what we want of them. */
import { randomBytes } from 'node:crypto';
import { capability } from '../../contract/frames.ts';
import { path, peer as peerLayout, session } from '../../contract/peer-tables.ts';
import type { TokenBucket } from '../../protocols/session/token-bucket.ts';
import { pathHeaderBytes } from '../../rings/carriers.ts';
import {
  challengeEmit,
  challengeToken,
  challengeWish,
  pathWish,
  responseEmit,
  responseFrameBytes,
  tokenBytes,
} from '../../wire/control-frame.ts';
import { dataHeaderBytes } from '../../wire/wireguard.ts';
import type { PathDeskParts } from './path-desk.ts';
import type { PathTrack } from './path-track.ts';
import type { Peer } from './peer-book.ts';

/** A notice that is not answered is said again after this long, a few times; then after twice as long each time, up to `rareSpacingUs`. */
const noticeSpacingUs = 500_000;
const quickTries = 5;
const rareSpacingUs = 30_000_000;
/** An address that has not sent enough yet is looked at again. */
const poorSpacingUs = 250_000;
/** A frame of 12 bytes, padded, with header and tag. */
const sealedBytes = 16 + dataHeaderBytes + 16;
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

  /** Sends the challenge that is due, if it may leave. `budget`: of all addresses of the peer that nobody has proven. */
  ask(peer: Peer, track: PathTrack, budget: TokenBucket, nowUs: number): void {
    if (!track.proof.isDue(nowUs)) return;
    if (!this.#mayReach(track)) {
      track.proof.postpone(nowUs + poorSpacingUs);
    } else if (this.#isStranger(track) && !budget.take(nowUs)) {
      track.proof.postpone(budget.wakeUs());
    } else {
      this.#spend(track);
      const token = randomBytes(tokenBytes);
      this.#send(peer, track, track.notice?.wish ?? pathWish.none, token);
      track.proof.handleSent(token.toString('hex'), nowUs);
    }
  }

  /**
   * Of `pathWish`: what the peer shall know of a path. A notice that nobody answered may have arrived all the same (its answer was lost), so
   * what it said is taken back by another one.
   */
  wish(track: PathTrack, wish: number): void {
    if (wish === (track.notice?.wish ?? pathWish.none)) return;
    track.notice = { wish, token: randomBytes(tokenBytes), tries: 0, nextUs: 0 };
  }

  /** Goes on saying it until the peer has answered; returns when it will be said again. */
  notify(peer: Peer, track: PathTrack, nowUs: number): number {
    const { notice } = track;
    if (notice === undefined || !track.isProven) return never;
    if (nowUs >= notice.nextUs) {
      this.#send(peer, track, notice.wish, notice.token);
      notice.tries += 1;
      notice.nextUs = nowUs + Math.min(rareSpacingUs, noticeSpacingUs * 2 ** Math.max(0, notice.tries - quickTries));
    }
    return notice.nextUs;
  }

  /** Answers a challenge by the path it came by, under the keys it came under. */
  answer(peer: Peer, slot: number, track: PathTrack, challenge: Uint8Array, nowUs: number): void {
    if (!this.#mayReach(track)) return;
    const wish = challengeWish(challenge, 0);
    if (wish !== pathWish.none) this.#parts.paths.setWish(track.row, wish, nowUs);
    const bytes = new Uint8Array(responseFrameBytes);
    responseEmit(bytes, 0, challengeToken(challenge, 0));
    this.reply(peer, slot, track, bytes);
  }

  /** Sends a frame of 12 bytes by a path, if one may leave for its address. */
  reply(peer: Peer, slot: number, track: PathTrack, bytes: Uint8Array): void {
    if (!this.#mayReach(track)) return;
    this.#spend(track);
    this.#parts.outbox.sendFrame(peer.row, slot, bytes, track.row);
  }

  /** Nobody has configured or ever proven the address. */
  #isStranger(track: PathTrack): boolean {
    return !track.isConfigured && this.#parts.paths.provenUs(track.row) === 0;
  }

  /** Whether one more frame may leave for the address. */
  #mayReach(track: PathTrack): boolean {
    return !this.#isStranger(track) || track.credit.allows(this.#frameBytes(track), this.#heardBytes(track));
  }

  #spend(track: PathTrack): void {
    track.credit.spend(this.#frameBytes(track));
  }

  /** One frame on the wire. */
  #frameBytes(track: PathTrack): number {
    return sealedBytes + this.#headerBytes(track);
  }

  /** Wire bytes that ever came from there. */
  #heardBytes(track: PathTrack): number {
    const { table } = this.#parts.paths;
    const packets = table.number(track.row, path.receivedPacketsAt);
    return track.heardBytes + table.number(track.row, path.receivedBytesAt) + packets * this.#headerBytes(track);
  }

  #headerBytes(track: PathTrack): number {
    return pathHeaderBytes(this.#parts.paths.table, track.row);
  }

  #send(peer: Peer, track: PathTrack, wish: number, token: Uint8Array): void {
    const bytes = new Uint8Array(responseFrameBytes);
    challengeEmit(bytes, 0, token, wish);
    this.#parts.outbox.sendFrame(peer.row, this.slotOf(peer), bytes, track.row);
  }
}
