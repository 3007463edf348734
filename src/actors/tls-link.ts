/**
 * The carrier of TLS: connections of one link that look like those of a web browser and its server. It calls peers, opens the door to those who
 * call, sends what the sealer sealed and the session-manager wrote, and receives for the opener and it. Evented.
 */

import { messageOf } from '../base/errors.ts';
import { parseCidr } from '../config/address.ts';
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
import { scopeOf } from '../io/zones.ts';
import { tlsLinkCounters as counted } from '../rings/counter-names.ts';
import { SealedLogReader } from '../rings/sealed-log.ts';
import type { RingConsumer } from '../rings/spsc-ring.ts';
import { carrierTable, pathTable, type RowTable } from '../rings/table.ts';
import { sockaddrEmit } from '../wire/sockaddr.ts';
import { tlsMessageEmitHeader, tlsMessageHeaderBytes } from '../wire/tls-message.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { consumer, fdOf, memoryOf, producer, Throughput } from './kit/ports.ts';
import type { PeerSettings, PeersCommand } from './session/settings.ts';
import { Calls } from './tls/calls.ts';
import { Hubs } from './tls/hubs.ts';
import { ReceiveDesk } from './tls/receive-desk.ts';
import { SendDesk } from './tls/send-desk.ts';
import { keyOf, Tunnel } from './tls/tunnel.ts';

export const definition: ActorDefinition = {
  role: 'tls-link',
  turn: 'evented',
  start: (context) => new TlsLinkActor(context),
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
/** A device that calls anew has forgotten its last call; two links of it may look alike. */
const mostTunnelsOfPeer = 16;

class TlsLinkActor implements Actor {
  readonly #context: ActorContext;
  readonly #settings: TlsLinkSettings;
  readonly #hubs: Hubs;
  readonly #calls: Calls;
  readonly #door: FrontDoor | undefined;
  readonly #receive: ReceiveDesk;
  readonly #send: SendDesk;
  readonly #out: RingConsumer;
  readonly #carriers: RowTable;
  readonly #throughput: Throughput;
  readonly #resolver: Resolver;
  readonly #own: KeyPair;
  readonly #tunnels = new Map<string, Tunnel>();
  /** Public key (base64) → who has called with it, oldest first. */
  readonly #callers = new Map<string, Tunnel[]>();
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
      opener: producer(context, 'received'),
      handshakes: producer(context, 'handshakes'),
      carriers: this.#carriers,
      carrier: settings.carrier,
      unixUs: () => addon.unixUs(),
    });
    this.#send = new SendDesk({
      descriptors: consumer(spec, 'descriptors'),
      log: new SealedLogReader(memoryOf(spec, 'sealedLog')),
      paths: pathTable(memoryOf(spec, 'paths')),
      carriers: this.#carriers,
      carrier: settings.carrier,
      find: (place) => this.#tunnels.get(keyOf(place)),
      want: (place, message) => this.#want(place, message),
    });
    const sources = new SourceFinder(addon);
    this.#resolver = new Resolver(addon, sources, { fwmark, dnsRecord, interfaces: [interfaceName] });
    const way = { fwmark, interfaceName, proxy: tls.proxy, password: () => readProxyPassword(tls) };
    this.#calls = new Calls({
      dialler: new Dialler(addon, this.#resolver, way, tuning),
      primitives: addon,
      own: this.#own,
      serverName: tls.serverName,
      onOpen: (place, socket, waiting) => this.#onOpen(place, socket, waiting),
      onTrouble: ({ peer, host, port }, why) =>
        context.emit({
          kind: 'warning',
          message: `${settings.link}: TLS to peer ${peer} at ${host}:${port} fails: ${why}`,
        }),
    });
    this.#door = this.#openDoor();
  }

  work(nowUs: number): number {
    const done = this.#sendDatagrams() + this.#send.take(descriptorsPerTurn, nowUs) + this.#pump(nowUs);
    if (done > 0) this.#report();
    return done;
  }

  onCommand(command: Command): void {
    if (command.kind === 'peers') this.#hubs.change(command as PeersCommand);
    else if (command.kind === 'renew-files') this.#renewFiles();
  }

  close(): void {
    this.#isClosed = true;
    this.#calls.close();
    this.#door?.close();
    this.#resolver.close();
    for (const tunnel of this.#tunnels.values()) tunnel.close();
  }

  #openDoor(): FrontDoor | undefined {
    const { spec, addon } = this.#context;
    const { tls } = this.#settings;
    const fds = ['listen4', 'listen6'].map((name) => fdOf(spec, name)).filter((fd) => fd >= 0);
    if (fds.length === 0) return undefined;
    const door = new FrontDoor({
      identity: this.#identity(),
      site: tls.site,
      judge: (proof, exporter) => {
        const heard = readProof(addon, this.#own, proof, exporter);
        return heard !== undefined && this.#hubs.isPeer(heard.publicKey) ? heard : undefined;
      },
      onPeer: (socket, publicKey) => this.#onPeer(socket, publicKey),
      onCrowd: () => this.#throughput.count(counted.crowded, 1),
    });
    for (const fd of fds) {
      // Node closes what it is given; the other one is the supervisor's.
      const own = addon.duplicateFd(fd);
      addon.tuneTcp(own, tuning.notSentBytes, tuning.deadMs);
      door.listen(own);
    }
    return door;
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
    const tunnel = this.#tunnels.get(keyOf(place));
    if (tunnel === undefined) this.#want(place, message);
    else this.#sendNow(tunnel, message);
  }

  #sendNow(tunnel: Tunnel, message: Uint8Array): void {
    tunnel.send(message);
    const { carrier: row } = this.#settings;
    this.#carriers.addNumber(row, carrier.sentBytesAt, message.length - tlsMessageHeaderBytes);
    this.#carriers.addNumber(row, carrier.sentPacketsAt, 1);
  }

  #want(place: Uint8Array, message: Uint8Array): boolean {
    const hub = this.#hubs.at(place);
    const isCalled = hub !== undefined && this.#calls.want(place, hub, message);
    if (!isCalled) this.#throughput.count(counted.uncalled, 1);
    return isCalled;
  }

  #pump(nowUs: number): number {
    let done = 0;
    for (const tunnel of this.#tunnels.values()) done += this.#send.pump(tunnel, nowUs);
    this.#send.release();
    if (this.#send.waitingBytes > 0) this.#context.wakeAt(nowUs + lateCheckUs);
    return done;
  }

  /** Room in a stream: what waits goes on without waiting for the thread's turn. */
  #onRoom(): void {
    if (this.#isClosed) return;
    const nowUs = this.#context.addon.nowUs();
    if (this.#pump(nowUs) > 0 || this.#send.waitingBytes === 0) this.#report();
  }

  #onOpen(place: Uint8Array, socket: PacketSocket, waiting: readonly Uint8Array[]): void {
    this.#throughput.count(counted.opened, 1);
    const tunnel = this.#open(place, socket);
    for (const message of waiting) this.#sendNow(tunnel, message);
  }

  #onPeer(socket: PacketSocket, publicKey: Uint8Array): void {
    const place = placeOf(socket, this.#settings.interface !== '');
    if (place === undefined) return void socket.stream.destroy();
    const key = Buffer.from(publicKey).toString('base64');
    const tunnel = this.#open(place, socket);
    const tunnels = (this.#callers.get(key) ?? []).filter((one) => one.isOpen);
    if (tunnels.length === mostTunnelsOfPeer) tunnels.shift()?.close();
    this.#callers.set(key, [...tunnels, tunnel]);
    this.#throughput.count(counted.accepted, 1);
  }

  #open(place: Uint8Array, socket: PacketSocket): Tunnel {
    const key = keyOf(place);
    this.#tunnels.get(key)?.close();
    const tunnel = new Tunnel({
      endpoint: place,
      socket,
      onMessage: (from, message) => {
        if (!this.#receive.take(from.endpoint, message)) this.#throughput.count(counted.malformed, 1);
      },
      onRoom: () => this.#onRoom(),
      onEnd: (ended) => {
        if (this.#tunnels.get(key) === ended) this.#tunnels.delete(key);
        this.#send.drop(ended);
      },
    });
    this.#tunnels.set(key, tunnel);
    return tunnel;
  }

  #report(): void {
    const { carrier: row } = this.#settings;
    const of = (column: number): number => this.#carriers.number(row, column);
    let backlogBytes = 0;
    for (const tunnel of this.#tunnels.values()) backlogBytes += tunnel.backlogBytes;
    this.#carriers.setInt(row, carrier.outqBytesAt, backlogBytes);
    const packets = of(carrier.sentPacketsAt) + of(carrier.receivedPacketsAt);
    this.#throughput.set(packets, of(carrier.sentBytesAt) + of(carrier.receivedBytesAt));
  }
}

function ownKeys(file: string): KeyPair {
  const raw = readKeyFile(file);
  const pair = importKeyPair(raw);
  raw.fill(0);
  return pair;
}

/** Where a caller's connection comes from, as an endpoint. */
function placeOf({ stream }: PacketSocket, isBound: boolean): Uint8Array | undefined {
  const { remoteAddress, remotePort } = stream;
  const [address, zone] = (remoteAddress ?? '').split('%');
  const cidr = parseCidr(address ?? '');
  if (cidr === undefined || remotePort === undefined) return undefined;
  const place = new Uint8Array(endpoint.bytes);
  const scopeId = zone === undefined || isBound ? 0 : scopeOf(zone);
  sockaddrEmit(place, 0, { address: Uint8Array.from(Buffer.from(cidr.addressHex, 'hex')), port: remotePort, scopeId });
  return place;
}
