/**
 * Finds out in every session whether the other end is a Hawser too, and which cipher to send with (docs/wire-format.md).
 * A HELLO is said beside real data only, at most three times; a stock WireGuard drops it without a word. Who was a Hawser in the
 * session before is taken for one, so that a rekey does not fold a bond of many paths for a round trip, and hears HELLO at once; when
 * it stays silent after all three, it is one no more.
 */
import type { CipherChoice } from '../../config/config.ts';
import { capability } from '../../contract/frames.ts';
import { cipher, peerKind, peer as peerLayout, session } from '../../contract/peer-tables.ts';
import type { SessionTable } from '../../rings/session-table.ts';
import type { RowTable } from '../../rings/table.ts';
import {
  controlFrameCheckLength,
  helloAesIndex,
  helloBytes,
  helloCapabilities,
  helloEmit,
  helloHasHeard,
} from '../../wire/control-frame.ts';
import type { Outbox } from './outbox.ts';
import type { Peer } from './peer-book.ts';

const mostTries = 3;
const mostReplies = 3;
/** A lost HELLO is said again after this long, then twice as long. */
const firstRetryUs = 1_000_000;
/** The ring to the sealer was full. */
const fullPauseUs = 10_000;
const never = Number.POSITIVE_INFINITY;

/** What we always say. */
const understood =
  capability.controlFrames |
  capability.paths |
  capability.fec |
  capability.pathSizes |
  capability.ecn |
  capability.names |
  capability.limits |
  capability.again;
/** What a peer is taken to say still in its next session; ciphers have indices of each session. */
const inherited = understood | capability.repairs;

interface HelloSettings {
  readonly hasAesHardware: boolean;
  readonly repairsAlone: boolean;
  /** There is a store of clients behind us. */
  readonly enrols: boolean;
}

interface HelloState {
  /** The peer said HELLO in this session. */
  hasHeard: boolean;
  /** All HELLOs were said, and none was answered in time. */
  isOver: boolean;
  tries: number;
  replies: number;
  nextUs: number;
}

export class HelloDesk {
  readonly #sessions: SessionTable;
  readonly #peers: RowTable;
  readonly #outbox: Outbox;
  readonly #hasAesHardware: boolean;
  /** Bits that are said whatever the session. */
  readonly #always: number;
  readonly #states = new Map<number, HelloState>();

  constructor(
    sessions: SessionTable,
    peers: RowTable,
    outbox: Outbox,
    { hasAesHardware, repairsAlone, enrols }: HelloSettings,
  ) {
    this.#sessions = sessions;
    this.#peers = peers;
    this.#outbox = outbox;
    this.#hasAesHardware = hasAesHardware;
    this.#always = understood | (repairsAlone ? capability.repairs : 0) | (enrols ? capability.enrol : 0);
  }

  /** Whether AES-256-GCM packets of this peer are welcome: `auto` only where the CPU has instructions for it. */
  offersAes(choice: CipherChoice): boolean {
    return choice === 'aes-256-gcm' || (choice === 'auto' && this.#hasAesHardware);
  }

  /** A slot has new keys; `before` is the one that the peer was spoken to under until now, -1 = none. */
  handleSession(slot: number, before: number): void {
    this.#states.set(slot, { hasHeard: false, isOver: false, tries: 0, replies: 0, nextUs: 0 });
    if (before < 0 || before === slot) return;
    this.#setCapabilities(slot, this.#sessions.int(before, session.capabilitiesAt) & inherited);
  }

  /** Looks at the peer's current key: says HELLO beside data unless it was heard, or said often enough. Returns when there is more to do. */
  poll(peer: Peer, slot: number, hasData: boolean, nowUs: number): number {
    const state = this.#stateOf(slot);
    const isAssumed = this.#sessions.int(slot, session.capabilitiesAt) !== 0;
    if (state.hasHeard || state.isOver || !(hasData || isAssumed)) return never;
    if (nowUs < state.nextUs) return state.nextUs;
    if (state.tries >= mostTries) {
      this.#peers.setInt(peer.row, peerLayout.kindAt, peerKind.wireguard);
      if (isAssumed) {
        this.#setCapabilities(slot, 0);
        peer.hasPaths = false;
      }
      state.isOver = true;
      return never;
    }
    if (!this.#say(peer, slot, false)) return nowUs + fullPauseUs;
    state.nextUs = nowUs + firstRetryUs * 2 ** state.tries;
    state.tries += 1;
    return state.nextUs;
  }

  /** A control frame that was opened under `slot`. True when it was a HELLO. */
  handleFrame(peer: Peer, slot: number, bytes: Uint8Array): boolean {
    if (!controlFrameCheckLength(bytes, 0, bytes.length)) return false;
    const said = helloCapabilities(bytes, 0) | capability.controlFrames;
    const aesIndex = helloAesIndex(bytes, 0);
    const takesAes = (said & capability.aes256gcm) !== 0 && aesIndex !== 0 && this.offersAes(peer.settings.cipher);
    // The index first: the sealer reads it once it sees the cipher.
    this.#sessions.setInt(slot, session.remoteIndexAesAt, takesAes ? aesIndex | 0 : 0);
    this.#setCapabilities(slot, said);
    this.#peers.setInt(peer.row, peerLayout.kindAt, peerKind.hawser);
    peer.hasPaths = (said & capability.paths) !== 0;
    if (takesAes) this.#sessions.setInt(slot, session.sendCipherAt, cipher.aes256gcm);
    const state = this.#stateOf(slot);
    state.hasHeard = true;
    if (!helloHasHeard(bytes, 0) && state.replies < mostReplies && this.#say(peer, slot, true)) state.replies += 1;
    return true;
  }

  #setCapabilities(slot: number, said: number): void {
    this.#sessions.setInt(slot, session.capabilitiesAt, said);
    this.#peers.tell(this.#sessions.int(slot, session.peerAt));
  }

  #stateOf(slot: number): HelloState {
    const known = this.#states.get(slot);
    if (known !== undefined) return known;
    // A predecessor of this actor left the slot; what it had heard stands there.
    const hasHeard = this.#sessions.int(slot, session.capabilitiesAt) !== 0;
    const state = { hasHeard, isOver: false, tries: 0, replies: 0, nextUs: 0 };
    this.#states.set(slot, state);
    return state;
  }

  #say(peer: Peer, slot: number, hasHeard: boolean): boolean {
    const aesIndex = this.#sessions.int(slot, session.localIndexAesAt) >>> 0;
    const capabilities = this.#always | (aesIndex === 0 ? 0 : capability.aes256gcm);
    const bytes = new Uint8Array(helloBytes);
    helloEmit(bytes, 0, { hasHeard, capabilities, aesIndex });
    return this.#outbox.sendFrame(peer.row, slot, bytes);
  }
}
