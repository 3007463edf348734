/**
 * WireGuard's timers with one peer (whitepaper 6; drivers/net/wireguard/timers.c), as a machine without clock or chance. The
 * data path does not call it: it leaves the times of its last packets in shared memory, and `handleActivity` reads what moved.
 *
 * | timer               | set by                                    | ended by              | when it fires              |
 * | ------------------- | ----------------------------------------- | --------------------- | -------------------------- |
 * | retry               | our initiation                            | session established   | initiate, give up at 90 s  |
 * | absent              | given up: 10 s, doubling up to 5 min      | session, a new wish   | the keepalive may initiate once |
 * | new handshake       | data sent, 15 s + jitter                  | anything received     | initiate                   |
 * |                     | cut off (`handleActivity`): at once       | anything received     | initiate                   |
 * | keepalive           | data received, 10 s                       | anything sent         | keepalive                  |
 * | persistent          | anything sent or received, interval       | –                     | keepalive, or initiate     |
 * | renew               | a crowd's keys derived, 30 to 165 s       | keys derived          | initiate                   |
 * | forget keys         | session derived or given up, 3 × 180 s    | –                     | forget keys                |
 */
import { KeyGenerations, type KeySlot } from './key-generations.ts';

const second = 1_000_000;

/** Whitepaper 6.1, in microseconds. */
export const sessionTimes = {
  rekeyAfterUs: 120 * second,
  rejectAfterUs: 180 * second,
  rekeyAttemptUs: 90 * second,
  rekeyTimeoutUs: 5 * second,
  keepaliveUs: 10 * second,
  /** timers.c adds up to a third of a second, so that two peers do not keep colliding. */
  rekeyJitterUs: 334_000,
  /** Of thousands that got their keys at once each has others sooner by a part of this: half a minute of handshakes in the place of a few seconds. */
  rekeySpreadUs: 30 * second,
  /** Those that called at once would all call again after two minutes, and so on: we call them before, over so long a time. */
  renewSpreadUs: 90 * second,
  /** noise.c: one peer's initiations are answered 50 times a second at most. */
  initiationSpacingUs: 20_000,
} as const;

/** The initiator rekeys on receive this late in a session, for links that only ever carry downloads. */
const lastMinuteUs = sessionTimes.rejectAfterUs - sessionTimes.keepaliveUs - sessionTimes.rekeyTimeoutUs;
const newHandshakeUs = sessionTimes.keepaliveUs + sessionTimes.rekeyTimeoutUs;
/** Of a peer that was heard later than this only the way there is dead, and keys that it uses need no others. */
const cutOffSilenceUs = 600_000;
/** Of thousands that lose their hub in the same moment, those for which nothing waits call within so many times the jitter. */
const unhurriedSpread = 4;
/** Longer than most persistent keepalives: who was not heard for so long is asleep, or elsewhere. */
const renewSilenceUs = 30 * second;
const forgetAfterUs = 3 * sessionTimes.rejectAfterUs;
/**
 * A peer that did not answer for 90 s is called once by a persistent keepalive, then more and more rarely: it calls itself when it is
 * back. Data that waits, or a network that changed, begins anew at once.
 */
const absentUs = { first: 10 * second, most: 300 * second } as const;
const never = Number.POSITIVE_INFINITY;

/** What the data path says of a peer; times in microseconds, 0 = never. */
export interface PeerActivity {
  /** Last packet with an inner IP packet in it, and last packet of any kind. */
  lastDataSentUs: number;
  lastSentUs: number;
  lastDataReceivedUs: number;
  lastReceivedUs: number;
  /** Moves when data waits and no key serves. */
  handshakeWanted: number;
  /** The current key has sealed REKEY-AFTER-MESSAGES. */
  isWorn: boolean;
  /** The paths by which it was reached are dead: what is for it waits, and leaves neither `lastDataSentUs` nor anything else behind. */
  isCutOff: boolean;
  /** Data waits for it. */
  hasWaiting: boolean;
  /** We know by ourselves where it is, so that it is for us to call. */
  isOursToCall: boolean;
}

export type SessionAction = 'initiate' | 'keepalive' | 'forget-keys';

export class PeerSession {
  readonly keys = new KeyGenerations();
  #persistentUs: number;
  readonly #seen: PeerActivity = {
    lastDataSentUs: 0,
    lastSentUs: 0,
    lastDataReceivedUs: 0,
    lastReceivedUs: 0,
    handshakeWanted: 0,
    isWorn: false,
    isCutOff: false,
    hasWaiting: false,
    isOursToCall: false,
  };
  /** It was called since it was last not cut off. */
  #hasCalledCutOff = false;
  #isWanted = false;
  #lastInitiationReadUs = -never;
  /** Our last initiation or response. */
  #lastHandshakeSentUs = -never;
  /** First initiation of the attempt that runs; `never` = none runs. */
  #attemptSinceUs = never;
  #hasTriedLastMinute = false;
  /** So much sooner than it must the present keys are followed by others. */
  #earlyUs = 0;
  #renewAtUs = never;
  /** A handshake is due that nobody needs: the peer renews by itself what it has begun. One call, and no more when that is lost. */
  #isSpareWanted = false;
  /** The attempt under way is such a one. */
  #isSpare = false;
  #retryAtUs = never;
  #newHandshakeAtUs = never;
  #keepaliveAtUs = never;
  #persistentAtUs = never;
  #forgetAtUs = never;
  /** How long nothing is tried after the last attempt that failed, 0 = the peer is not absent; and until when. */
  #absentUs = 0;
  #absentUntilUs = -never;

  /** `persistentUs`: interval of the persistent keepalive, 0 = off. */
  constructor(persistentUs: number) {
    this.#persistentUs = persistentUs;
  }

  /** `PeerActivity.handshakeWanted` as it was seen last. */
  get handshakeWanted(): number {
    return this.#seen.handshakeWanted;
  }

  /** `PeerActivity.isCutOff` as it was seen last. */
  get isCutOff(): boolean {
    return this.#seen.isCutOff;
  }

  /** An initiation of ours is out, and neither answered nor given up. */
  get isAttempting(): boolean {
    return this.#attemptSinceUs !== never;
  }

  /** Whether an initiation at `nowUs` repeats one that was not answered. */
  isRetry(nowUs: number): boolean {
    return this.isAttempting && !this.#isSpare && nowUs - this.#attemptSinceUs >= sessionTimes.rekeyTimeoutUs;
  }

  /** What a predecessor left in shared memory: keys, and the wishes that it has met already. */
  restore(keys: Partial<Record<'previous' | 'current' | 'next', KeySlot | undefined>>, handshakeWanted: number): void {
    this.keys.restore(keys.previous, keys.current, keys.next);
    if (keys.current !== undefined) this.#seen.handshakeWanted = handshakeWanted;
  }

  /** Keys are in use: whoever had asked for a handshake until now (`PeerActivity.handshakeWanted`) has been served. */
  handleServed(handshakeWanted: number): void {
    this.#seen.handshakeWanted = handshakeWanted;
  }

  /** Whether nothing has moved since the last `handleActivity`. */
  isSame(activity: PeerActivity): boolean {
    const seen = this.#seen;
    return (
      activity.lastReceivedUs === seen.lastReceivedUs &&
      activity.lastSentUs === seen.lastSentUs &&
      activity.lastDataReceivedUs === seen.lastDataReceivedUs &&
      activity.lastDataSentUs === seen.lastDataSentUs &&
      activity.handshakeWanted === seen.handshakeWanted
    );
  }

  /** Looks at what moved since the last call; whether any packet did. `jitterUs`: random, below `sessionTimes.rekeyJitterUs`. */
  handleActivity(activity: PeerActivity, nowUs: number, jitterUs: number): boolean {
    const seen = this.#seen;
    const hasSent = activity.lastSentUs > seen.lastSentUs;
    const hasReceived = activity.lastReceivedUs > seen.lastReceivedUs;
    if (hasReceived) this.#newHandshakeAtUs = never;
    if (activity.lastDataSentUs > Math.max(seen.lastDataSentUs, activity.lastReceivedUs)) {
      if (this.#newHandshakeAtUs === never)
        this.#newHandshakeAtUs = activity.lastDataSentUs + newHandshakeUs + jitterUs;
    }
    this.#followCutOff(activity, nowUs, jitterUs);
    this.#followKeepalive(activity, hasSent);
    if (hasSent || hasReceived) this.#traverse(Math.max(activity.lastSentUs, activity.lastReceivedUs));
    if (hasSent) this.#rekeyOnSend(activity);
    if (hasReceived) this.#rekeyOnReceive(nowUs);
    if (activity.handshakeWanted !== seen.handshakeWanted) this.handleWanted();
    Object.assign(seen, activity);
    return hasSent || hasReceived;
  }

  /** Somebody wants a session now: data that waits, a restart, an address that changed. */
  handleWanted(): void {
    this.#isWanted = true;
    this.#absentUs = 0;
  }

  /** `isSent` false: there is nowhere to send it to yet, so an endpoint that comes is tried without the 5 s between two. */
  handleInitiationSent(nowUs: number, jitterUs: number, isSent = true): void {
    // What asked for it by itself begins the 90 seconds anew; a mere retry does not.
    if (this.#isWanted || !this.isAttempting) this.#attemptSinceUs = nowUs;
    this.#isSpare = !this.#isWanted && (this.#isSpareWanted || this.#isSpare);
    this.#isWanted = false;
    this.#isSpareWanted = false;
    this.#newHandshakeAtUs = never;
    this.#retryAtUs = nowUs + sessionTimes.rekeyTimeoutUs + jitterUs;
    if (isSent) this.#handshakeSent(nowUs);
  }

  /** Whether an authentic initiation may be answered; one too soon after the last may not. */
  handleInitiation(nowUs: number): boolean {
    if (nowUs - this.#lastInitiationReadUs < sessionTimes.initiationSpacingUs) return false;
    this.#lastInitiationReadUs = nowUs;
    this.#handshakeReceived(nowUs);
    return true;
  }

  handleResponseSent(nowUs: number): void {
    this.#handshakeSent(nowUs);
  }

  /**
   * Keys were derived; returns those that fell out of the three generations. `earlyUs`: we begin the next handshake so much sooner than the one who
   * began this one must; random, below `sessionTimes.rekeySpreadUs` for one of ours. 0 for one of the peer's = it is the peer that begins.
   */
  handleDerived(key: KeySlot, nowUs: number, earlyUs = 0): KeySlot[] {
    this.#forgetAtUs = nowUs + forgetAfterUs;
    this.#earlyUs = earlyUs;
    const lastUs = key.isInitiator ? lastMinuteUs : sessionTimes.rekeyAfterUs;
    this.#renewAtUs = earlyUs === 0 ? never : nowUs + lastUs - earlyUs;
    if (key.isInitiator) {
      this.#handshakeReceived(nowUs);
      this.#established();
    }
    return this.keys.handleDerived(key);
  }

  /** The first packet under `keys.next` was opened; returns the keys that fell out. */
  handleConfirmed(): KeySlot[] {
    this.#established();
    return this.keys.handleConfirmed();
  }

  /** What to do now; call until undefined. After 'initiate' call `handleInitiationSent`, sent or not. */
  nextAction(nowUs: number): SessionAction | undefined {
    if (this.#forgetAtUs <= nowUs) {
      this.#forgetAtUs = never;
      return 'forget-keys';
    }
    if (this.#persistentAtUs <= nowUs) {
      this.#persistentAtUs = nowUs + this.#persistentUs;
      return this.#keepalive(nowUs);
    }
    if (this.#keepaliveAtUs <= nowUs) {
      this.#keepaliveAtUs = never;
      return this.#keepalive(nowUs);
    }
    if (this.#renewAtUs <= nowUs) this.#renew(nowUs);
    return this.#mayInitiate(nowUs) ? 'initiate' : undefined;
  }

  /** When `nextAction` will have something to do, if nothing else happens. */
  nextWakeUs(): number {
    const isWanted = this.#isWanted || this.#isSpareWanted;
    const handshakeAtUs = isWanted ? -never : Math.min(this.#retryAtUs, this.#newHandshakeAtUs);
    const allowedAtUs = this.#lastHandshakeSentUs + sessionTimes.rekeyTimeoutUs;
    const othersUs = Math.min(this.#keepaliveAtUs, this.#persistentAtUs, this.#forgetAtUs, this.#renewAtUs);
    return Math.min(Math.max(handshakeAtUs, allowedAtUs), othersUs);
  }

  /** Not by what comes: of a crowd that was heard at once all are heard in the same seconds again, each time that they say a keepalive. */
  #renew(nowUs: number): void {
    this.#renewAtUs = never;
    const { current } = this.keys;
    if (current === undefined || this.isAttempting || nowUs - this.#seen.lastReceivedUs >= renewSilenceUs) return;
    if (!current.isInitiator) {
      this.#isSpareWanted = true;
      return;
    }
    this.#isWanted = true;
    this.#hasTriedLastMinute = true;
  }

  #mayInitiate(nowUs: number): boolean {
    const attemptUs = this.#absentUs > 0 || this.#isSpare ? sessionTimes.rekeyTimeoutUs : sessionTimes.rekeyAttemptUs;
    if (this.#retryAtUs <= nowUs && nowUs - this.#attemptSinceUs >= attemptUs) this.#giveUp(nowUs);
    const isWanted = this.#isWanted || this.#isSpareWanted;
    if (!isWanted && this.#newHandshakeAtUs > nowUs && this.#retryAtUs > nowUs) return false;
    if (nowUs - this.#lastHandshakeSentUs < sessionTimes.rekeyTimeoutUs) return false;
    if (this.#newHandshakeAtUs <= nowUs) this.#isWanted = true;
    return true;
  }

  #giveUp(nowUs: number): void {
    this.#retryAtUs = never;
    this.#attemptSinceUs = never;
    if (this.#isSpare) {
      this.#isSpare = false;
      return;
    }
    this.#keepaliveAtUs = never;
    this.#absentUs = Math.min(absentUs.most, Math.max(absentUs.first, 2 * this.#absentUs));
    this.#absentUntilUs = nowUs + this.#absentUs;
    if (this.#forgetAtUs === never) this.#forgetAtUs = nowUs + forgetAfterUs;
  }

  /** An empty packet wants a session as much as a full one: without keys the keepalive becomes a handshake. */
  #keepalive(nowUs: number): SessionAction {
    const mayCall = this.#absentUs === 0 || nowUs >= this.#absentUntilUs;
    if (this.keys.current === undefined && !this.isAttempting && mayCall) this.#isWanted = true;
    return 'keepalive';
  }

  #followKeepalive(activity: PeerActivity, hasSent: boolean): void {
    if (hasSent) this.#keepaliveAtUs = never;
    const hasData = activity.lastDataReceivedUs > this.#seen.lastDataReceivedUs;
    if (!hasData || activity.lastDataReceivedUs <= activity.lastSentUs) return;
    if (this.#keepaliveAtUs === never) this.#keepaliveAtUs = activity.lastDataReceivedUs + sessionTimes.keepaliveUs;
  }

  /**
   * A stock WireGuard would have sent what waits, and begun a handshake 15 s later. That the paths are dead is known sooner: maybe the
   * other end was restarted and has neither our keys nor our address. One call for each time that they die, and its repetitions.
   */
  #followCutOff(activity: PeerActivity, nowUs: number, jitterUs: number): void {
    if (!activity.isCutOff) {
      this.#hasCalledCutOff = false;
      return;
    }
    if (nowUs - activity.lastReceivedUs < cutOffSilenceUs) return;
    if (activity.hasWaiting && this.#newHandshakeAtUs === never && !this.isAttempting)
      this.#newHandshakeAtUs = nowUs + newHandshakeUs + jitterUs;
    if (this.#hasCalledCutOff || !activity.isOursToCall) return;
    this.#hasCalledCutOff = true;
    const spreadUs = activity.hasWaiting ? jitterUs : jitterUs * unhurriedSpread;
    this.#newHandshakeAtUs = Math.min(this.#newHandshakeAtUs, nowUs + spreadUs);
  }

  #rekeyOnSend(activity: PeerActivity): void {
    const key = this.keys.current;
    if (key === undefined) return;
    const isOld = key.isInitiator && activity.lastSentUs - key.birthUs > sessionTimes.rekeyAfterUs - this.#earlyUs;
    if (isOld || activity.isWorn) this.#isWanted = true;
  }

  #rekeyOnReceive(nowUs: number): void {
    const key = this.keys.current;
    if (key === undefined || !key.isInitiator || this.#hasTriedLastMinute) return;
    if (nowUs - key.birthUs <= lastMinuteUs - this.#earlyUs) return;
    this.#hasTriedLastMinute = true;
    this.#isWanted = true;
  }

  #established(): void {
    this.#isWanted = false;
    this.#isSpareWanted = false;
    this.#isSpare = false;
    this.#retryAtUs = never;
    this.#attemptSinceUs = never;
    this.#absentUs = 0;
    this.#hasTriedLastMinute = false;
  }

  #handshakeSent(nowUs: number): void {
    this.#lastHandshakeSentUs = nowUs;
    this.#keepaliveAtUs = never;
    this.#traverse(nowUs);
  }

  #handshakeReceived(nowUs: number): void {
    this.#newHandshakeAtUs = never;
    this.#traverse(nowUs);
  }

  /** Any authentic packet, either way, puts the persistent keepalive off. */
  #traverse(atUs: number): void {
    if (this.#persistentUs > 0) this.#persistentAtUs = atUs + this.#persistentUs;
  }
}
