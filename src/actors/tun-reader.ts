/** Reads trains from the TUN device into the sealer's ring. */

import { HawserError } from '../base/errors.ts';
import { errnoOf } from '../contract/errnos.ts';
import type { TunReader } from '../native/data-api.ts';
import { tunReaderCounters } from '../rings/counter-names.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { fdOf, nativePort, Throughput } from './kit/ports.ts';

export const definition: ActorDefinition = {
  role: 'tun-reader',
  turn: 'duty',
  start: (context) => new TunReaderActor(context),
};

/** A turn ends after this many trains (8 × 64 KiB), so that commands and heartbeats get their say. */
const trainsPerTurn = 8;
/** How long to leave the device alone when the sealer is behind: its ring holds several times as much. */
const fullPauseUs = 200;

class TunReaderActor implements Actor {
  readonly #context: ActorContext;
  readonly #reader: TunReader;
  readonly #bytes = new Float64Array(1);
  readonly #throughput: Throughput;
  #bytesSeen = 0;

  constructor(context: ActorContext) {
    this.#context = context;
    const totals = new Uint8Array(this.#bytes.buffer);
    this.#reader = new context.addon.TunReader(fdOf(context.spec, 'tun'), nativePort(context.spec, 'outbound'), totals);
    this.#throughput = new Throughput(context.spec);
  }

  work(nowUs: number): number {
    const count = this.#reader.read(trainsPerTurn, nowUs);
    if (count > 0) {
      const bytes = this.#bytes[0] as number;
      this.#throughput.add(count, bytes - this.#bytesSeen);
      this.#bytesSeen = bytes;
      return count;
    }
    if (count === -errnoOf.ENOSPC) {
      this.#throughput.count(tunReaderCounters.full, 1);
      this.#context.holdFdsUntil(nowUs + fullPauseUs);
    } else if (count !== -errnoOf.EAGAIN) {
      // The device stays readable (POLLERR), so whoever took this for "nothing there" would spin.
      throw readError(-count);
    }
    return 0;
  }

  onCommand(_command: Command): void {
    // A tun-reader has nothing to be told.
  }

  close(): void {
    // The device belongs to the supervisor.
  }
}

/** drivers/net/tun.c answers EBADFD once the device was deleted; the descriptor never comes to life again. */
function readError(errno: number): HawserError {
  if (errno !== errnoOf.EBADFD) return new HawserError('TUN', `Cannot read from the TUN device: errno ${errno}`);
  return new HawserError('TUN_GONE', 'The TUN device was deleted', 'restart the instance, which makes it again');
}
