/**
 * The carrier of TLS: connections of one link that look like those of a web browser and its server. It calls peers, opens the door to those who
 * call, sends what the sealer sealed and the session-manager wrote, and receives for the opener and it. Evented.
 */

import { getSystemErrorName } from 'node:util';
import { HawserError, messageOf } from '../base/errors.ts';
import { formatEndpoint } from '../config/address.ts';
import type { TlsConfig } from '../config/config.ts';
import { readKeyFile } from '../config/keys.ts';
import { readProxyPassword, readTlsIdentity } from '../config/tls-files.ts';
import { carrier } from '../contract/link-tables.ts';
import { endpoint } from '../contract/peer-tables.ts';
import { outgoing } from '../contract/records.ts';
import { readProof } from '../crypto/tls-proof.ts';
import { importKeyPair, type KeyPair } from '../crypto/x25519.ts';
import { Resolver } from '../io/resolver.ts';
import { SourceFinder } from '../io/source-finder.ts';
import type { PacketSocket } from '../io/tls/call-hub.ts';
import { Dialler, type TcpTuning } from '../io/tls/dial.ts';
import { FrontDoor } from '../io/tls/front-door.ts';
import { ownCertificate } from '../io/tls/own-certificate.ts';
import { tlsLinkCounters as counted } from '../rings/counter-names.ts';
import { SealedLogReader } from '../rings/sealed-log.ts';
import { ofShard, shardPorts } from '../rings/shards.ts';
import type { RingConsumer } from '../rings/spsc-ring.ts';
import { carrierTable, pathTable, type RowTable } from '../rings/table.ts';
import { tlsMessageEmitHeader, tlsMessageHeaderBytes } from '../wire/tls-message.ts';
import type { Actor, ActorContext, ActorDefinition, ActorSpec, Command } from './kit/contract.ts';
import { consumer, fdOf, memoryOf, producer, Throughput } from './kit/ports.ts';
import type { PeerSettings, PeersCommand } from './session/settings.ts';
import { Calls, type CallTrouble, type Parcel } from './tls/calls.ts';
import { type Hub, Hubs } from './tls/hubs.ts';
import { ReceiveDesk } from './tls/receive-desk.ts';
import { SendDesk } from './tls/send-desk.ts';
import type { Tunnel } from './tls/tunnel.ts';
import { placeOf, Tunnels } from './tls/tunnels.ts';

export const definition: ActorDefinition = {
  role: 'tls-link',
  turn: 'evented',
  start: async (context) => {
    const actor = new TlsLinkActor(context);
    await actor.listen();
    return actor;
  },
};

/** `settings` of a tls-link's spec. */
export interface TlsLinkSettings {
  /** Row of the carrier table. */
  readonly carrier: number;
  readonly link: string;
  /** '' = the kernel's routing chooses. */
  readonly interface: string;
  readonly mark: number;
  /** Of the instance; its certificate's file begins with it. */
  readonly name: string;
  readonly privateKeyFile: string;
  readonly stateDirectory: string;
  /** Says which of the host's name servers lie in the tunnel. */
  readonly dnsRecord: string;
  readonly tls: TlsConfig;
  /** Pairs of sealer and opener: for each a port `descriptors`, a port `received` and a sealed log. Undefined = 1. */
  readonly shards?: number;
  readonly peers: readonly PeerSettings[];
}

/** The files that `tls` names may be others by now. */
export interface RenewFilesCommand extends Command {
  readonly kind: 'renew-files';
}

const descriptorsPerTurn = 64;
const datagramsPerTurn = 32;
/** While something waits it is looked at so often whether it is late. */
const lateCheckUs = 10_000;
/** What the kernel holds unsent adds to the delay of all that follows; a connection that hears nothing for so long is not there any more. */
const tuning: TcpTuning = { notSentBytes: 16_384, deadMs: 5_000 };
/** A SYN, and two more of it: the next address may answer. */
const answerMs = 3_500;

class TlsLinkActor implements Actor {
  readonly #context: ActorContext;
  readonly #settings: TlsLinkSettings;
  readonly #hubs: Hubs;
  readonly #calls: Calls;
  readonly #door: FrontDoor | undefined;
  readonly #receive: ReceiveDesk;
  /** By shard. */
  readonly #sends: readonly SendDesk[];
  readonly #out: RingConsumer;
  readonly #carriers: RowTable;
  readonly #throughput: Throughput;
  readonly #resolver: Resolver;
  readonly #own: KeyPair;
  readonly #tunnels: Tunnels;
  #isClosed = false;

  constructor(context: ActorContext) {
    const { spec, addon } = context;
    const settings = spec.settings as TlsLinkSettings;
    const { tls, interface: interfaceName, mark: fwmark, dnsRecord } = settings;
    this.#context = context;
    this.#settings = settings;
    this.#carriers = carrierTable(memoryOf(spec, 'carriers'));
    this.#throughput = new Throughput(spec);
    this.#out = consumer(spec, 'out');
    this.#own = ownKeys(settings.privateKeyFile);
    this.#hubs = new Hubs(settings.peers);
    this.#receive = new ReceiveDesk({
      openers: shardPorts('received', settings.shards).map((name) => producer(context, name)),
      handshakes: producer(context, 'handshakes'),
      carriers: this.#carriers,
      carrier: settings.carrier,
      unixUs: () => addon.unixUs(),
    });
    this.#sends = shardPorts('descriptors', settings.shards).map(
      (descriptors, shard) =>
        new SendDesk({
          descriptors: consumer(spec, descriptors),
          log: new SealedLogReader(memoryOf(spec, ofShard('sealedLog', shard))),
          paths: pathTable(memoryOf(spec, 'paths')),
          carriers: this.#carriers,
          carrier: settings.carrier,
          find: (place) => this.#tunnels.at(place)?.outletOf(shard),
          want: (place, parcel) => this.#want(place, parcel),
        }),
    );
    this.#tunnels = new Tunnels({
      onMessage: (from, message) => {
        if (!this.#receive.take(from.endpoint, message)) this.#throughput.count(counted.malformed, 1);
      },
      onRoom: (tunnel) => this.#onRoom(tunnel),
      onEnd: (ended) => {
        // When we end, what waits is our successor's.
        if (this.#isClosed) return;
        for (const [shard, send] of this.#sends.entries()) send.drop(ended.outletOf(shard));
      },
    });
    const sources = new SourceFinder(addon);
    this.#resolver = new Resolver(addon, sources, { fwmark, dnsRecord, interfaces: [interfaceName] });
    const way = { fwmark, interfaceName, proxy: tls.proxy, password: () => readProxyPassword(tls), answerMs };
    this.#calls = new Calls({
      dialler: new Dialler(addon, this.#resolver, way, tuning),
      primitives: addon,
      own: this.#own,
      serverName: tls.serverName,
      onOpen: (place, hub, socket, waiting) => this.#onOpen(place, hub, socket, waiting),
      onTrouble: (hub, trouble) => this.#onTrouble(hub, trouble),
    });
    this.#door = this.#openDoor();
  }

  /** Rejects when a port cannot be taken. */
  async listen(): Promise<void> {
    const { spec, addon } = this.#context;
    for (const fd of listenersOf(spec)) {
      // Node closes what it is given; the other one is the supervisor's.
      const own = addon.duplicateFd(fd);
      if (own < 0) {
        const code = getSystemErrorName(own);
        const message = `${this.#settings.link}: Cannot duplicate the socket that listens: ${code}`;
        throw new HawserError(code, message, 'LimitNOFILE=1024 in the unit, or ulimit -n 1024');
      }
      await this.#door?.listen(own);
    }
  }

  work(nowUs: number): number {
    let done = this.#sendDatagrams();
    for (const send of this.#sends) done += send.take(descriptorsPerTurn, nowUs);
    done += this.#pump(nowUs);
    if (done > 0) this.#report();
    return done;
  }

  onCommand(command: Command): void {
    if (command.kind === 'peers') this.#changePeers(command as PeersCommand);
    else if (command.kind === 'renew-files') this.#renewFiles();
  }

  close(): void {
    this.#isClosed = true;
    this.#calls.close();
    this.#door?.close();
    this.#resolver.close();
    this.#tunnels.close();
  }

  #changePeers(command: PeersCommand): void {
    this.#hubs.change(command);
    this.#calls.keepOnly(this.#hubs);
    this.#tunnels.keepOnly(this.#hubs);
    this.#report();
  }

  #openDoor(): FrontDoor | undefined {
    const { spec, addon } = this.#context;
    const { tls } = this.#settings;
    if (listenersOf(spec).length === 0) return undefined;
    return new FrontDoor({
      identity: this.#identity(),
      site: tls.site,
      judge: (proof, exporter) => {
        const heard = readProof(addon, this.#own, proof, exporter);
        return heard !== undefined && this.#hubs.isPeer(base64Of(heard.publicKey)) ? heard : undefined;
      },
      tune: (fd) => this.#tune(fd),
      onPeer: (socket, publicKey) => this.#onPeer(socket, publicKey),
      onCrowd: () => this.#throughput.count(counted.crowded, 1),
    });
  }

  /** A connection that is not tuned carries all the same: later, and longer after its end. */
  #tune(fd: number): void {
    const result = this.#context.addon.tuneTcp(fd, tuning.notSentBytes, tuning.deadMs);
    if (result === 0) return;
    const message = `${this.#settings.link}: Cannot tune a connection of TLS: ${getSystemErrorName(result)}`;
    this.#context.emit({ kind: 'warning', message });
  }

  #identity() {
    const { tls, stateDirectory, name } = this.#settings;
    return readTlsIdentity(tls) ?? ownCertificate(stateDirectory, name, tls.serverName ?? 'localhost');
  }

  #renewFiles(): void {
    try {
      this.#door?.setIdentity(this.#identity());
    } catch (error) {
      const message = `${this.#settings.link}: The certificate stays as it was: ${messageOf(error)}`;
      this.#context.emit({ kind: 'warning', message });
    }
  }

  /** Handshake messages: they call whoever has no connection. */
  #sendDatagrams(): number {
    const ring = this.#out;
    let count = 0;
    for (; count < datagramsPerTurn; count += 1) {
      const at = ring.peek();
      if (at < 0) break;
      const place = ring.bytes.slice(at + outgoing.endpointAt, at + outgoing.endpointAt + endpoint.bytes);
      const length = ring.view.getInt32(at + outgoing.lengthAt, true);
      const from = at + outgoing.payloadAt;
      const message = Buffer.allocUnsafe(tlsMessageHeaderBytes + length);
      tlsMessageEmitHeader(message, length);
      message.set(ring.bytes.subarray(from, from + length), tlsMessageHeaderBytes);
      ring.advance();
      ring.release();
      this.#sendOrCall(place, message);
    }
    return count;
  }

  #sendOrCall(place: Uint8Array, message: Uint8Array): void {
    const { carrier: row } = this.#settings;
    const settle = (isSent: boolean): void => {
      if (!isSent) return;
      this.#carriers.addNumber(row, carrier.sentBytesAt, message.length - tlsMessageHeaderBytes);
      this.#carriers.addNumber(row, carrier.sentPacketsAt, 1);
    };
    const parcel: Parcel = { bytes: message, isHandshake: true, settle };
    const tunnel = this.#tunnels.at(place);
    if (tunnel === undefined) this.#want(place, parcel);
    else sendNow(tunnel, parcel);
  }

  #want(place: Uint8Array, { bytes, isHandshake, settle }: Parcel): void {
    const counting = (isSent: boolean): void => {
      if (!isSent) this.#throughput.count(counted.uncalled, 1);
      settle(isSent);
    };
    const hub = this.#hubs.at(place);
    if (hub === undefined) counting(false);
    else this.#calls.want(place, hub, { bytes, isHandshake, settle: counting });
  }

  #pump(nowUs: number): number {
    let done = 0;
    for (const send of this.#sends) done += send.pumpAll(nowUs);
    this.#goOn(nowUs);
    return done;
  }

  #goOn(nowUs: number): void {
    let waitingBytes = 0;
    for (const send of this.#sends) {
      send.release();
      waitingBytes += send.waitingBytes;
    }
    if (waitingBytes > 0) this.#context.wakeAt(nowUs + lateCheckUs);
  }

  /** Room in a stream: what waits for it goes on without waiting for the thread's turn. */
  #onRoom(tunnel: Tunnel): void {
    if (this.#isClosed) return;
    const nowUs = this.#context.addon.nowUs();
    let done = 0;
    for (const [shard, send] of this.#sends.entries()) done += send.pump(tunnel.outletOf(shard), nowUs);
    if (done > 0) this.#goOn(nowUs);
    this.#report();
  }

  #onOpen(place: Uint8Array, hub: Hub, socket: PacketSocket, waiting: readonly Parcel[]): void {
    this.#throughput.count(counted.opened, 1);
    const tunnel = this.#tunnels.openTo(place, hub, socket);
    for (const parcel of waiting) sendNow(tunnel, parcel);
    this.#report();
  }

  #onTrouble({ peer, host, port }: Hub, trouble: CallTrouble | undefined): void {
    const { link } = this.#settings;
    const place = { peer, link, endpoint: formatEndpoint({ host, port, transport: 'tls' }) };
    if (trouble === undefined) this.#context.emit({ kind: 'call-answered', ...place });
    else this.#context.emit({ kind: 'call-failed', ...place, reason: trouble.why, remedy: trouble.remedy });
  }

  #onPeer(socket: PacketSocket, publicKey: Uint8Array): void {
    const place = placeOf(socket, this.#settings.interface !== '');
    const key = base64Of(publicKey);
    // Between his proof and now he may have been removed.
    if (place === undefined || !this.#hubs.isPeer(key)) return void socket.stream.destroy();
    this.#tunnels.openFrom(place, key, socket);
    this.#throughput.count(counted.accepted, 1);
  }

  #report(): void {
    const { carrier: row } = this.#settings;
    const of = (column: number): number => this.#carriers.number(row, column);
    this.#carriers.setInt(row, carrier.outqBytesAt, this.#tunnels.backlogBytes);
    const packets = of(carrier.sentPacketsAt) + of(carrier.receivedPacketsAt);
    this.#throughput.set(packets, of(carrier.sentBytesAt) + of(carrier.receivedBytesAt));
  }
}

function sendNow(tunnel: Tunnel, { bytes, settle }: Parcel): void {
  tunnel.send(bytes);
  settle(true);
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

/** Descriptors of sockets that listen; none on a carrier that only calls. */
function listenersOf(spec: ActorSpec): number[] {
  return ['listen4', 'listen6'].map((name) => fdOf(spec, name)).filter((fd) => fd >= 0);
}

function ownKeys(file: string): KeyPair {
  const raw = readKeyFile(file);
  const pair = importKeyPair(raw);
  raw.fill(0);
  return pair;
}
