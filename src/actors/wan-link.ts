/** The carrier of UDP: the sockets of one link, by which it sends what the sealer sealed and the session-manager wrote, and receives for the opener and it. */
import { errnoOf } from '../contract/errnos.ts';
import { carrier } from '../contract/link-tables.ts';
import type { LinkReceiver, LinkSender } from '../native/data-api.ts';
import { wanLinkCounters } from '../rings/counter-names.ts';
import { shardPorts } from '../rings/shards.ts';
import { carrierTable, type RowTable } from '../rings/table.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { bytesOf, fdOf, memoryOf, nativePort, Throughput } from './kit/ports.ts';
import type { Readable } from './kit/readable.ts';

export const definition: ActorDefinition = {
  role: 'wan-link',
  turn: 'duty',
  start: (context) => new WanLinkActor(context),
};

/** `settings` of a wan-link's spec. */
export interface WanLinkSettings {
  /** Row of the carrier table. */
  readonly carrier: number;
  /** The sockets take UDP_SEGMENT. */
  readonly gso: boolean;
  /** As the addon reads them (`wire/obfuscation.ts`): what is worn, and what those wear who come; undefined = none. */
  readonly worn?: Uint8Array;
  readonly expected?: Uint8Array;
  /** WireGuard as it is comes, too. */
  readonly takesPlain: boolean;
  /** Pairs of sealer and opener: for each a port `descriptors`, a port `received` and a sealed log. Undefined = 1. */
  readonly shards?: number;
}

const descriptorsPerTurn = 16;
const datagramsPerTurn = 32;
/** Messages a turn and socket: large ones (GRO) are 64 KiB each. */
const messagesPerTurn = 64;
/** While bytes wait below the socket the sealer steers by their number: refresh it this often. */
const queueCheckUs = 500;

interface Socket {
  readonly fd: number;
  readonly readable: Readable;
}

class WanLinkActor implements Actor {
  readonly #context: ActorContext;
  readonly #sender: LinkSender;
  readonly #receiver: LinkReceiver;
  readonly #sockets: readonly Socket[];
  readonly #carriers: RowTable;
  readonly #row: number;
  readonly #shards: number;
  readonly #throughput: Throughput;

  constructor(context: ActorContext) {
    const { spec, addon } = context;
    const settings = spec.settings as WanLinkSettings;
    this.#context = context;
    this.#row = settings.carrier;
    this.#shards = settings.shards ?? 1;
    this.#carriers = carrierTable(memoryOf(spec, 'carriers'));
    const [fd4, fd6] = [fdOf(spec, 'udp4'), fdOf(spec, 'udp6')];
    this.#sockets = [fd4, fd6].filter((fd) => fd >= 0).map((fd) => ({ fd, readable: context.readable(fd) }));
    const carriers = bytesOf(spec, 'carriers');
    this.#sender = new addon.LinkSender({
      fd4,
      fd6,
      gso: settings.gso,
      descriptors: shardPorts('descriptors', this.#shards).map((name) => nativePort(spec, name)),
      out: nativePort(spec, 'out'),
      logs: shardPorts('sealedLog', this.#shards).map((name) => bytesOf(spec, name)),
      paths: bytesOf(spec, 'paths'),
      links: bytesOf(spec, 'links'),
      carriers,
      carrier: settings.carrier,
      obfuscations: settings.worn,
    });
    this.#receiver = new addon.LinkReceiver({
      received: shardPorts('received', this.#shards).map((name) => nativePort(spec, name)),
      handshakes: nativePort(spec, 'handshakes'),
      carriers,
      carrier: settings.carrier,
      obfuscations: settings.expected,
      takesPlain: settings.takesPlain,
    });
    this.#throughput = new Throughput(spec);
    // A predecessor may have died between an error and its reading.
    this.#sender.readErrors();
  }

  work(nowUs: number): number {
    const done = this.#sender.sendDatagrams(datagramsPerTurn) + this.#send(nowUs) + this.#receive(nowUs);
    // In each turn, for a sealer may have sent beside it.
    this.#report();
    return done;
  }

  onCommand(_command: Command): void {
    // A wan-link has nothing to be told: sockets are changed by a restart of the actor.
  }

  close(): void {
    // The sockets belong to the supervisor.
  }

  #send(nowUs: number): number {
    let sent = 0;
    for (let shard = 0; shard < this.#shards; shard += 1)
      sent += this.#sender.sendDescriptors(descriptorsPerTurn, shard);
    const waited = this.#carriers.int(this.#row, carrier.outqBytesAt) !== 0;
    if ((sent > 0 || waited) && this.#sender.measureQueue() > 0) this.#context.wakeAt(nowUs + queueCheckUs);
    return sent;
  }

  #receive(nowUs: number): number {
    let messages = 0;
    for (const { fd, readable } of this.#sockets) {
      if (!readable.mayHave) continue;
      const count = this.#receiver.receive(fd, messagesPerTurn);
      const { wasNamed } = readable;
      readable.wasNamed = false;
      if (count > 0) messages += count;
      if (count === -errnoOf.ENOSPC) {
        this.#throughput.count(wanLinkCounters.full, 1);
        this.#context.holdFdsUntil(nowUs + queueCheckUs);
      } else if (count === -errnoOf.EAGAIN) {
        readable.mayHave = false;
        // A sealer that sent by it was told of the error, which stands in the socket's queue all the same.
        if (wasNamed) this.#sender.readErrors();
      } else if (count < 0) this.#sender.readErrors();
    }
    return messages;
  }

  #report(): void {
    const of = (column: number): number => this.#carriers.number(this.#row, column);
    const packets = of(carrier.sentPacketsAt) + of(carrier.receivedPacketsAt);
    const bytes = of(carrier.sentBytesAt) + of(carrier.receivedBytesAt);
    this.#throughput.set(packets, bytes);
  }
}
