/**
 * Runs the actors of one worker thread until `stop`. The loop fits the most demanding turn kind among them: `duty` parks in the
 * native wait, `hybrid` too but lets the event loop turn once between two turns, `evented` is ordinary Node that hears its doorbell.
 */

import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { HawserError } from '../../base/errors.ts';
import { errnoOf } from '../../contract/errnos.ts';
import { doorbell } from '../../contract/rings.ts';
import type { DataApi } from '../../native/data-api.ts';
import type { NetworkApi } from '../../native/network-api.ts';
import { ParkingSpot } from '../../rings/doorbell.ts';
import type { ActorDefinition } from './contract.ts';
import type { HostedActor } from './hosted-actor.ts';
import type { DoorbellSpec, ToWorker } from './messages.ts';
import type { Readables } from './readable.ts';
import { TurnCycle } from './turn-cycle.ts';

export type TurnKind = ActorDefinition['turn'];

/** How often the other actors of a thread with an evented one are turned. */
const mixedTurnMs = 2;
const noFds = new Int32Array(0);

export interface ThreadParts {
  readonly addon: Pick<DataApi, 'nowUs' | 'wait'> & Pick<NetworkApi, 'watchReadable'>;
  readonly port: MessagePort;
  readonly doorbell: DoorbellSpec;
  readonly hosted: readonly HostedActor[];
  readonly kinds: ReadonlySet<TurnKind>;
  /** File descriptors whose readability ends a park. */
  readonly wakeFds: Int32Array;
  /** Of those. */
  readonly readables: Readables;
  /** Promises that a hybrid actor waits for. */
  readonly pending: { count: number };
  /** Until when a park passes over `wakeFds` (CLOCK_BOOTTIME microseconds). */
  readonly hold: { untilUs: number };
}

export class ThreadRunner {
  readonly cycle: TurnCycle;
  readonly #parts: ThreadParts;
  readonly #spot: ParkingSpot;
  readonly #armed: Uint8Array;
  readonly #mail: Int32Array;
  #mailSeen = 0;
  #stopping = false;
  /** Ends a sleep in the event loop. */
  #awake: (() => void) | undefined;

  constructor(parts: ThreadParts) {
    this.#parts = parts;
    const { kinds } = parts;
    this.cycle = new TurnCycle(parts.addon, parts.hosted, kinds.has('hybrid') || kinds.has('evented'));
    this.#spot = new ParkingSpot(parts.doorbell.memory);
    this.#armed = new Uint8Array(parts.doorbell.memory);
    this.#mail = new Int32Array(parts.doorbell.memory, doorbell.mailAt, 1);
    this.#mailSeen = Atomics.load(this.#mail, 0) - 1;
  }

  /** Returns after `stop` was received and every actor is closed. */
  async run(): Promise<void> {
    if (this.#parts.kinds.has('evented')) await this.#runEvented();
    else if (this.#parts.kinds.has('hybrid')) await this.#runHybrid();
    else this.#runDuty();
    this.cycle.closeAll();
  }

  #runDuty(): void {
    const { readables } = this.#parts;
    while (!this.#stopping) {
      readables.noteTurn();
      if (this.cycle.turnAll() + this.#readMail() === 0) this.#park();
    }
  }

  async #runHybrid(): Promise<void> {
    while (!this.#stopping) {
      const done = this.cycle.turnAll() + this.#readMail();
      if (done === 0 && this.#parts.pending.count > 0) await this.#parkInEventLoop(1);
      else if (done === 0) this.#park();
      this.#parts.readables.noteAll();
      await eventLoopTurn();
    }
  }

  async #runEvented(): Promise<void> {
    const onlyEvented = this.#parts.kinds.size === 1;
    this.#readMail();
    this.#parts.port.on('message', (message: ToWorker) => this.#handle(message));
    const { addon, doorbell: bell } = this.#parts;
    const endWatch = addon.watchReadable(bell.fd, () => {
      // Empties the doorbell; its time is over already.
      addon.wait(bell.fd, this.#armed, noFds, 0);
      this.#awake?.();
    });
    while (!this.#stopping) {
      this.#spot.arm();
      this.#parts.readables.noteAll();
      const done = this.cycle.turnAll();
      if (done > 0) await eventLoopTurn();
      else await this.#parkInEventLoop(onlyEvented ? this.#untilDueMs() : mixedTurnMs);
      this.#spot.disarm();
    }
    endWatch();
    this.#parts.port.removeAllListeners('message');
  }

  /** Arms the doorbell, looks at every input once more, and waits natively: the order is what makes a wake-up unlosable. */
  #park(): void {
    this.#spot.arm();
    if (this.cycle.turnAll() + this.#readMail() === 0 && !this.#stopping) this.#wait();
    this.#spot.disarm();
  }

  #wait(): void {
    const { addon, doorbell: bell, hold } = this.#parts;
    const nowUs = addon.nowUs();
    const held = nowUs < hold.untilUs;
    const wakeFds = held ? noFds : this.#parts.wakeFds;
    const deadlineUs = Math.min(this.cycle.deadlineUs(nowUs), held ? hold.untilUs : Number.POSITIVE_INFINITY);
    if (deadlineUs <= nowUs) return;
    this.cycle.park(deadlineUs);
    const ready = addon.wait(bell.fd, this.#armed, wakeFds, deadlineUs);
    this.cycle.unpark(addon.nowUs());
    // A park that looked at no descriptor says nothing of them.
    if (held) this.#parts.readables.noteAll();
    else this.#parts.readables.noteWait(Math.max(0, ready));
    if (ready < 0 && ready !== -errnoOf.EINTR)
      throw new HawserError('WAIT', `The native wait failed with errno ${-ready}`);
  }

  async #parkInEventLoop(forMs: number): Promise<void> {
    this.cycle.park(this.#parts.addon.nowUs() + forMs * 1000);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, forMs);
      this.#awake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#awake = undefined;
    this.cycle.unpark(this.#parts.addon.nowUs());
  }

  /** Until the heartbeat, or the turn that an actor has asked for. */
  #untilDueMs(): number {
    if (this.#stopping) return 0;
    const nowUs = this.#parts.addon.nowUs();
    return Math.max(1, Math.ceil((this.cycle.deadlineUs(nowUs) - nowUs) / 1000));
  }

  /** Handles what the supervisor posted since the last look; a single load when there is nothing. */
  #readMail(): number {
    const mail = Atomics.load(this.#mail, 0);
    if (mail === this.#mailSeen) return 0;
    this.#mailSeen = mail;
    let count = 0;
    for (;;) {
      const received: { message: ToWorker } | undefined = receiveMessageOnPort(this.#parts.port);
      if (received === undefined) return count;
      count += 1;
      this.#handle(received.message);
    }
  }

  #handle(message: ToWorker): void {
    if (message.kind === 'stop') {
      this.#stopping = true;
      this.#awake?.();
    } else if (message.kind === 'command') this.cycle.command(message.actorId, message.command);
    else if (message.kind === 'kill' || message.kind === 'hang')
      this.cycle.find(message.actorId).sabotage(message.kind);
  }
}
