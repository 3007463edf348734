/** The carrier of FakeTCP: connections of one link that look like TCP, by which it sends what the sealer sealed and the session-manager wrote, and receives for the opener and it. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { errnoOf } from '../contract/errnos.ts';
import { segment, wanted } from '../contract/flows.ts';
import { carrier } from '../contract/link-tables.ts';
import { endpoint } from '../contract/peer-tables.ts';
import { outgoing } from '../contract/records.ts';
import type { FakeTcp } from '../native/faketcp-api.ts';
import { FlowMachine } from '../protocols/faketcp/flow-machine.ts';
import { type StyleName, styles } from '../protocols/faketcp/styles.ts';
import { fakeTcpCounters } from '../rings/counter-names.ts';
import { shardPorts } from '../rings/shards.ts';
import type { RingConsumer } from '../rings/spsc-ring.ts';
import { carrierTable, flowTable, type RowTable } from '../rings/table.ts';
import { FlowWorld } from './faketcp/flow-world.ts';
import { WaitingPackets } from './faketcp/waiting-packets.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { bytesOf, consumer, fdOf, memoryOf, nativePort, Throughput } from './kit/ports.ts';

export const definition: ActorDefinition = {
  role: 'faketcp-stack',
  turn: 'duty',
  start: (context) => new FakeTcpStackActor(context),
};

/** `settings` of a faketcp-stack's spec. */
export interface FakeTcpStackSettings {
  /** Row of the carrier table. */
  readonly carrier: number;
  readonly style: StyleName;
  /** A connection that we called for is replaced by another after so long; 0 = never. */
  readonly rotateMs: number;
  /** File with what is sent first by each of those; '' = nothing. */
  readonly handshakePacket: string;
  /** 0 = nobody calls here. */
  readonly listenPort: number;
  /** Ports to call from; 0 where the family is not there. */
  readonly firstCallPort4: number;
  readonly callPorts4: number;
  readonly firstCallPort6: number;
  readonly callPorts6: number;
  readonly mark: number;
  /** '' = the kernel's routing chooses. */
  readonly interface: string;
  /** Our own device: nothing that comes out of it is for FakeTCP. */
  readonly tunnel: string;
  /** Pairs of sealer and opener: for each a port `descriptors`, a port `received` and a sealed log. Undefined = 1. */
  readonly shards?: number;
}

const descriptorsPerTurn = 16;
const datagramsPerTurn = 32;
/** Messages a turn and socket: large ones (GRO) are 64 KiB each. Of those that are no plain data so many can be told of. */
const messagesPerTurn = segment.rows;
/** While bytes wait below the socket the sealer steers by their number: refresh it this often. */
const queueCheckUs = 500;
const keyBytes = 32;
/** Of one segment by any link. */
const mostGreetingBytes = 1400;

class FakeTcpStackActor implements Actor {
  readonly #context: ActorContext;
  readonly #native: FakeTcp;
  readonly #machine: FlowMachine;
  readonly #waiting: WaitingPackets;
  readonly #out: RingConsumer;
  readonly #fds: readonly number[];
  readonly #carriers: RowTable;
  readonly #row: number;
  readonly #shards: number;
  readonly #greeting: Uint8Array;
  readonly #throughput: Throughput;
  readonly #segments = new Uint8Array(segment.rows * segment.rowBytes);
  readonly #wanted = new Uint8Array(wanted.rows * wanted.rowBytes);
  readonly #touched = new Int32Array(segment.rows);

  constructor(context: ActorContext) {
    const { spec, addon } = context;
    const settings = spec.settings as FakeTcpStackSettings;
    const { style, rotateMs, handshakePacket, listenPort, firstCallPort4, callPorts4, firstCallPort6, callPorts6 } =
      settings;
    this.#context = context;
    this.#row = settings.carrier;
    this.#shards = settings.shards ?? 1;
    this.#carriers = carrierTable(memoryOf(spec, 'carriers'));
    this.#greeting = readGreeting(handshakePacket);
    const [fd4, fd6] = [fdOf(spec, 'packets4'), fdOf(spec, 'packets6')];
    this.#fds = [fd4, fd6].filter((fd) => fd >= 0);
    const cookieKey = randomBytes(keyBytes);
    this.#native = new addon.FakeTcp({
      fd4,
      fd6,
      listenPort,
      firstCallPort4,
      callPorts4,
      firstCallPort6,
      callPorts6,
      tunnel: settings.tunnel,
      mark: settings.mark,
      interface: settings.interface,
      descriptors: shardPorts('descriptors', this.#shards).map((name) => nativePort(spec, name)),
      received: shardPorts('received', this.#shards).map((name) => nativePort(spec, name)),
      handshakes: nativePort(spec, 'handshakes'),
      logs: shardPorts('sealedLog', this.#shards).map((name) => bytesOf(spec, name)),
      paths: bytesOf(spec, 'paths'),
      links: bytesOf(spec, 'links'),
      carriers: bytesOf(spec, 'carriers'),
      carrier: settings.carrier,
      flows: bytesOf(spec, 'flows'),
      segments: this.#segments,
      wanted: this.#wanted,
      touched: new Uint8Array(this.#touched.buffer),
      cookieKey,
      answerWindow: styles[style].synAckWindow,
      windowShift: styles[style].windowShift,
    });
    this.#out = consumer(spec, 'out');
    this.#throughput = new Throughput(spec);
    this.#waiting = new WaitingPackets(this.#native);
    const world = new FlowWorld(this.#native, addon, cookieKey, {
      opened: (row) => this.#onOpened(row),
      ended: (row) => this.#waiting.drop(row),
    });
    const portsFrom = (first: number, count: number) => (count === 0 ? undefined : { first, count });
    const callPorts = {
      [endpoint.ip4]: portsFrom(firstCallPort4, callPorts4),
      [endpoint.ip6]: portsFrom(firstCallPort6, callPorts6),
    };
    this.#machine = new FlowMachine(
      flowTable(memoryOf(spec, 'flows')),
      { style: styles[style], rotateUs: rotateMs * 1000, listenPort, callPorts },
      world,
    );
  }

  work(nowUs: number): number {
    this.#machine.handleTimers(nowUs);
    const done = this.#sendDatagrams(nowUs) + this.#send(nowUs) + this.#receive(nowUs);
    if (done > 0) this.#report();
    if (this.#machine.nextUs < Number.POSITIVE_INFINITY) this.#context.wakeAt(this.#machine.nextUs);
    return done;
  }

  onCommand(_command: Command): void {
    // It has nothing to be told: sockets and ports are changed by a restart of the actor.
  }

  close(): void {
    // The sockets belong to the supervisor, and the connections to whoever comes next.
  }

  /** Handshake messages: they call whoever has no connection. */
  #sendDatagrams(nowUs: number): number {
    const ring = this.#out;
    let count = 0;
    for (; count < datagramsPerTurn; count += 1) {
      const at = ring.peek();
      if (at < 0) break;
      const to = ring.bytes.subarray(at + outgoing.endpointAt, at + outgoing.endpointAt + endpoint.bytes);
      const local = ring.bytes.subarray(at + outgoing.localAt, at + outgoing.localAt + 16);
      const from = at + outgoing.payloadAt;
      const message = ring.bytes.subarray(from, from + ring.view.getInt32(at + outgoing.lengthAt, true));
      this.#sendOrCall(to, local, message, nowUs);
      ring.advance();
      ring.release();
    }
    return count;
  }

  #send(nowUs: number): number {
    let done = 0;
    for (let shard = 0; shard < this.#shards; shard += 1) done += this.#sendOf(shard, nowUs);
    const waited = this.#carriers.int(this.#row, carrier.outqBytesAt) !== 0;
    if ((done > 0 || waited) && this.#native.measureQueue() > 0) this.#context.wakeAt(nowUs + queueCheckUs);
    return done;
  }

  #sendOf(shard: number, nowUs: number): number {
    const sent = this.#native.sendDescriptors(descriptorsPerTurn, nowUs, shard);
    const rows = this.#native.takeWanted(shard);
    for (let row = 0; row < rows; row += 1) this.#onWanted(row * wanted.rowBytes, nowUs);
    return sent + rows;
  }

  #onWanted(at: number, nowUs: number): void {
    const of = (from: number, length: number): Uint8Array => this.#wanted.subarray(at + from, at + from + length);
    const length = new DataView(this.#wanted.buffer).getInt32(at + wanted.payloadBytesAt, true);
    this.#sendOrCall(
      of(wanted.endpointAt, endpoint.bytes),
      of(wanted.localAt, 16),
      of(wanted.payloadAt, length),
      nowUs,
    );
  }

  #sendOrCall(to: Uint8Array, local: Uint8Array, datagram: Uint8Array, nowUs: number): void {
    const known = this.#native.findTo(to, local);
    const row = known >= 0 ? known : this.#machine.dial(to, local, nowUs);
    if (row < 0) this.#throughput.count(fakeTcpCounters.uncalled, 1);
    else if (this.#machine.isOpen(row)) this.#native.sendDatagram(row, datagram, 0, nowUs);
    else this.#waiting.add(row, datagram);
  }

  #onOpened(row: number): void {
    this.#throughput.count(fakeTcpCounters.opened, 1);
    const nowUs = this.#context.addon.nowUs();
    if (this.#greeting.length > 0) this.#native.sendDatagram(row, this.#greeting, 0, nowUs);
    this.#waiting.send(row, nowUs);
  }

  #receive(nowUs: number): number {
    let messages = 0;
    for (const fd of this.#fds) {
      this.#native.begin(nowUs);
      const count = this.#native.receive(fd, messagesPerTurn);
      if (count > 0) messages += count;
      if (count === -errnoOf.ENOSPC) {
        this.#throughput.count(fakeTcpCounters.full, 1);
        this.#context.holdFdsUntil(nowUs + queueCheckUs);
      }
      this.#judge(nowUs);
    }
    return messages;
  }

  /** What the addon did not deal with itself. */
  #judge(nowUs: number): void {
    const told = this.#native.segmentCount();
    for (let index = 0; index < told; index += 1) {
      if (this.#machine.handleSegment(this.#segments, index * segment.rowBytes, nowUs)) this.#native.deliver(index);
    }
    const touched = this.#native.touchedCount();
    for (let index = 0; index < touched; index += 1)
      this.#machine.handleReceived(this.#touched[index] as number, nowUs);
    if (told > 0) this.#throughput.count(fakeTcpCounters.judged, told);
    const answered = this.#native.takeAnsweredCount();
    if (answered > 0) this.#throughput.count(fakeTcpCounters.answered, answered);
    const ignored = this.#native.takeIgnoredCount();
    if (ignored > 0) this.#throughput.count(fakeTcpCounters.ignored, ignored);
  }

  #report(): void {
    const of = (column: number): number => this.#carriers.number(this.#row, column);
    const packets = of(carrier.sentPacketsAt) + of(carrier.receivedPacketsAt);
    const bytes = of(carrier.sentBytesAt) + of(carrier.receivedBytesAt);
    this.#throughput.set(packets, bytes);
  }
}

/** Throws with what is wrong with the file. */
function readGreeting(file: string): Uint8Array {
  if (file === '') return new Uint8Array(0);
  const bytes = readFileSync(file);
  if (bytes.length === 0 || bytes.length > mostGreetingBytes)
    throw new Error(
      `Cannot send faketcp.handshakePacket "${file}": it has ${bytes.length} bytes (1 to ${mostGreetingBytes} are allowed)`,
    );
  return bytes;
}
