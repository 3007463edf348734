/** The sockets of one link: sends what the sealer sealed and the session-manager wrote, and receives for the opener and it. */
import { errnoOf } from '../contract/errnos.ts';
import { link } from '../contract/link-tables.ts';
import type { LinkReceiver, LinkSender } from '../native/data-api.ts';
import { wanLinkCounters } from '../rings/counter-names.ts';
import { linkTable, type RowTable } from '../rings/table.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { bytesOf, fdOf, memoryOf, nativePort, Throughput } from './kit/ports.ts';

export const definition: ActorDefinition = {
  role: 'wan-link',
  turn: 'duty',
  start: (context) => new WanLinkActor(context),
};

/** `settings` of a wan-link's spec. */
export interface WanLinkSettings {
  /** Row of the link table. */
  readonly index: number;
  /** The sockets take UDP_SEGMENT. */
  readonly gso: boolean;
}

const descriptorsPerTurn = 16;
const datagramsPerTurn = 32;
/** Messages a turn and socket: large ones (GRO) are 64 KiB each. */
const messagesPerTurn = 64;
/** While bytes wait below the socket the sealer steers by their number: refresh it this often. */
const queueCheckUs = 500;

class WanLinkActor implements Actor {
  readonly #context: ActorContext;
  readonly #sender: LinkSender;
  readonly #receiver: LinkReceiver;
  readonly #fds: readonly number[];
  readonly #links: RowTable;
  readonly #index: number;
  readonly #throughput: Throughput;

  constructor(context: ActorContext) {
    const { spec, addon } = context;
    const settings = spec.settings as WanLinkSettings;
    this.#context = context;
    this.#index = settings.index;
    this.#links = linkTable(memoryOf(spec, 'links'));
    const [fd4, fd6] = [fdOf(spec, 'udp4'), fdOf(spec, 'udp6')];
    this.#fds = [fd4, fd6].filter((fd) => fd >= 0);
    const links = bytesOf(spec, 'links');
    this.#sender = new addon.LinkSender({
      fd4,
      fd6,
      gso: settings.gso,
      descriptors: nativePort(spec, 'descriptors'),
      out: nativePort(spec, 'out'),
      log: bytesOf(spec, 'sealedLog'),
      paths: bytesOf(spec, 'paths'),
      links,
      link: settings.index,
    });
    this.#receiver = new addon.LinkReceiver({
      received: nativePort(spec, 'received'),
      handshakes: nativePort(spec, 'handshakes'),
      links,
      link: settings.index,
    });
    this.#throughput = new Throughput(spec);
    // A predecessor may have died between an error and its reading.
    this.#sender.readErrors();
  }

  work(nowUs: number): number {
    const done = this.#sender.sendDatagrams(datagramsPerTurn) + this.#send(nowUs) + this.#receive(nowUs);
    if (done > 0) this.#report();
    return done;
  }

  onCommand(_command: Command): void {
    // A wan-link has nothing to be told: sockets are changed by a restart of the actor.
  }

  close(): void {
    // The sockets belong to the supervisor.
  }

  #send(nowUs: number): number {
    const sent = this.#sender.sendDescriptors(descriptorsPerTurn);
    const waited = this.#links.int(this.#index, link.outqBytesAt) !== 0;
    if ((sent > 0 || waited) && this.#sender.measureQueue() > 0) this.#context.wakeAt(nowUs + queueCheckUs);
    return sent;
  }

  #receive(nowUs: number): number {
    let messages = 0;
    for (const fd of this.#fds) {
      const count = this.#receiver.receive(fd, messagesPerTurn);
      if (count > 0) messages += count;
      if (count === -errnoOf.ENOSPC) {
        this.#throughput.count(wanLinkCounters.full, 1);
        this.#context.holdFdsUntil(nowUs + queueCheckUs);
      } else if (count < 0 && count !== -errnoOf.EAGAIN) this.#sender.readErrors();
    }
    return messages;
  }

  #report(): void {
    const row = this.#index;
    const packets = this.#links.number(row, link.sentPacketsAt) + this.#links.number(row, link.receivedPacketsAt);
    const bytes = this.#links.number(row, link.sentBytesAt) + this.#links.number(row, link.receivedBytesAt);
    this.#throughput.set(packets, bytes);
  }
}
