/** Clients that found their hub at once, under a virtual clock: how many handshakes there are in each second, minutes later. */
import t from 'tap';
import { SessionWaves } from '../../../src/actors/session/session-waves.ts';
import { PeerSession, sessionTimes } from '../../../src/protocols/session/peer-session.ts';
import { randomOf } from '../../support/random.ts';

const second = 1_000_000;
const stepUs = second / 4;
const clients = 3000;
const keepaliveUs = 25 * second;
const rushUs = 5 * second;
const endUs = 600 * second;
const windowUs = 5 * second;

/** A stock peer and what its hub keeps of it. It says a keepalive each 25 s, and then begins a handshake when it began the last, 120 s ago. */
class Client {
  readonly #session = new PeerSession(0);
  readonly #random: () => number;
  readonly #isCrowd: (nowUs: number) => boolean;
  #keepaliveAtUs: number;
  #birthUs = Number.NEGATIVE_INFINITY;
  #isOurs = true;
  #receivedUs = 0;
  #slot = 0;

  constructor(firstUs: number, random: () => number, isCrowd: (nowUs: number) => boolean) {
    this.#keepaliveAtUs = firstUs;
    this.#random = random;
    this.#isCrowd = isCrowd;
  }

  /** Handshakes in this step. */
  step(nowUs: number): number {
    if (nowUs < Math.min(this.#keepaliveAtUs, this.#session.nextWakeUs())) return 0;
    let handshakes = 0;
    if (nowUs >= this.#keepaliveAtUs) {
      this.#keepaliveAtUs = nowUs + keepaliveUs;
      this.#receivedUs = nowUs;
      if (this.#isOurs && nowUs - this.#birthUs > sessionTimes.rekeyAfterUs) {
        this.#derive(false, nowUs, this.#isCrowd(nowUs) ? this.#random() * sessionTimes.renewSpreadUs : 0);
        handshakes += 1;
      }
    }
    this.#session.handleActivity(this.#activity(), nowUs, 0);
    for (let action = this.#session.nextAction(nowUs); action !== undefined; action = this.#session.nextAction(nowUs)) {
      if (action !== 'initiate') continue;
      this.#session.handleInitiationSent(nowUs, 0);
      this.#derive(true, nowUs, this.#random() * sessionTimes.rekeySpreadUs);
      handshakes += 1;
    }
    return handshakes;
  }

  #derive(isHubs: boolean, nowUs: number, earlyUs: number): void {
    this.#slot += 1;
    this.#birthUs = nowUs;
    this.#isOurs = !isHubs;
    this.#session.handleDerived({ slot: this.#slot, isInitiator: isHubs, birthUs: nowUs }, nowUs, earlyUs);
    if (!isHubs) this.#session.handleConfirmed();
  }

  #activity() {
    const times = { lastDataSentUs: 0, lastSentUs: 0, lastDataReceivedUs: 0, lastReceivedUs: this.#receivedUs };
    return { ...times, handshakeWanted: 0, isWorn: false, isCutOff: false, hasWaiting: false, isOursToCall: false };
  }
}

/** Handshakes in each window. */
function run(isCrowd: (nowUs: number) => boolean): number[] {
  const random = randomOf(13);
  const all = Array.from({ length: clients }, () => new Client(random() * rushUs, random, isCrowd));
  const windows = new Array<number>(endUs / windowUs).fill(0);
  for (let nowUs = 0; nowUs < endUs; nowUs += stepUs)
    for (const client of all)
      windows[Math.floor(nowUs / windowUs)] = (windows[Math.floor(nowUs / windowUs)] ?? 0) + client.step(nowUs);
  return windows;
}

t.test('a crowd is renewed one after the other, and not in waves', async (t) => {
  const waves = new SessionWaves();
  const spread = run((nowUs) => waves.note(nowUs, clients)).slice(-48);
  const alone = run(() => false).slice(-48);
  const mean = (windows: readonly number[]): number => windows.reduce((sum, one) => sum + one, 0) / windows.length;
  const peak = (windows: readonly number[]): number => Math.max(...windows) / mean(windows);
  t.comment(`busiest 5 s over the mean: ${peak(spread).toFixed(1)}, left to themselves ${peak(alone).toFixed(1)}`);
  t.ok(peak(alone) > 10, 'left to themselves all call in the same seconds');
  t.ok(peak(spread) < 4);
  t.ok(mean(spread) < 1.1 * mean(alone), 'and there are no more handshakes for it');
});

t.test('note() takes none for a crowd who renew their sessions in time, nor a few hundred', async (t) => {
  const waves = new SessionWaves();
  let crowd = 0;
  for (let at = 0; at < 10_000; at += 1) if (waves.note((at * sessionTimes.rekeyAfterUs) / 10_000, 10_000)) crowd += 1;
  t.equal(crowd, 0, '83 a second of 10,000');
  const few = new SessionWaves();
  for (let at = 0; at < 100; at += 1) t.notOk(few.note(at, 100));
  for (let at = 0; at < 3000; at += 1) crowd += Number(waves.note(1e9 + at * 1000, 10_000));
  t.ok(crowd > 2000, `${crowd} of 3000 within 3 s`);
  t.notOk(waves.note(2e9, 10_000), 'nor who comes long after one');
});
