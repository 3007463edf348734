/** Reads trains from the TUN device into the sealer's ring, or into those of several sealers, each train into that of its peer's shard. */

import { HawserError } from '../base/errors.ts';
import { errnoOf } from '../contract/errnos.ts';
import type { TunReader, TunSorter } from '../native/data-api.ts';
import type { NativePort } from '../native/port.ts';
import { tunReaderCounters } from '../rings/counter-names.ts';
import { shardPorts } from '../rings/shards.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { bytesOf, fdOf, nativePort, Throughput } from './kit/ports.ts';
import type { Readable } from './kit/readable.ts';

export const definition: ActorDefinition = {
  role: 'tun-reader',
  turn: 'duty',
  start: (context) => new TunReaderActor(context),
};

/** `settings` of the tun-reader's spec. */
export interface TunReaderSettings {
  /** Sealers, for each a port `outbound` (`shardPorts`); undefined = 1. */
  readonly shards?: number;
}

/** A turn ends after this many trains (8 × 64 KiB), so that commands and heartbeats get their say. */
const trainsPerTurn = 8;
/** How long to leave the device alone when the sealer is behind: its ring holds several times as much. */
const fullPauseUs = 200;

class TunReaderActor implements Actor {
  readonly #context: ActorContext;
  readonly #reader: TunReader | TunSorter;
  readonly #readable: Readable;
  /** Bytes, and trains that were dropped. */
  readonly #totals = new Float64Array(2);
  readonly #throughput: Throughput;
  #bytesSeen = 0;
  #shedSeen = 0;

  constructor(context: ActorContext) {
    const { spec, addon } = context;
    const { shards = 1 } = spec.settings as TunReaderSettings;
    this.#context = context;
    const totals = new Uint8Array(this.#totals.buffer);
    const fd = fdOf(spec, 'tun');
    this.#readable = context.readable(fd);
    const portOf = (name: string): NativePort => nativePort(spec, name);
    this.#reader =
      shards === 1
        ? new addon.TunReader(fd, portOf('outbound'), totals)
        : new addon.TunSorter(fd, shardPorts('outbound', shards).map(portOf), bytesOf(spec, 'allowedIps'), totals);
    this.#throughput = new Throughput(spec);
  }

  work(nowUs: number): number {
    if (!this.#readable.mayHave) return 0;
    const count = this.#reader.read(trainsPerTurn, nowUs);
    if (count > 0) {
      const bytes = this.#totals[0] as number;
      this.#throughput.add(count, bytes - this.#bytesSeen);
      this.#bytesSeen = bytes;
      this.#countShed();
      return count;
    }
    if (count === -errnoOf.ENOSPC) {
      this.#throughput.count(tunReaderCounters.full, 1);
      this.#context.holdFdsUntil(nowUs + fullPauseUs);
    } else if (count === -errnoOf.EAGAIN) this.#readable.mayHave = false;
    else {
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

  #countShed(): void {
    const shed = this.#totals[1] as number;
    if (shed === this.#shedSeen) return;
    this.#throughput.count(tunReaderCounters.shed, shed - this.#shedSeen);
    this.#shedSeen = shed;
  }
}

/** drivers/net/tun.c answers EBADFD once the device was deleted; the descriptor never comes to life again. */
function readError(errno: number): HawserError {
  if (errno !== errnoOf.EBADFD) return new HawserError('TUN', `Cannot read from the TUN device: errno ${errno}`);
  return new HawserError('TUN_GONE', 'The TUN device was deleted', 'restart the instance, which makes it again');
}
