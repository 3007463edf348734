/** Puts the parts of the session-manager together from its spec. */

import { cipher } from '../../contract/peer-tables.ts';
import { LocalIdentity } from '../../protocols/session/handshake.ts';
import { SessionTable } from '../../rings/session-table.ts';
import { shardPorts } from '../../rings/shards.ts';
import { linkTable, pathTable, peerTable } from '../../rings/table.ts';
import type { ActorContext } from '../kit/contract.ts';
import { memoryOf, producer, Throughput } from '../kit/ports.ts';
import { AccessDesk } from './access-desk.ts';
import { Crowds } from './crowds.ts';
import { EnrolDesk } from './enrol-desk.ts';
import { HandshakeDesk } from './handshake-desk.ts';
import { HelloDesk } from './hello-desk.ts';
import { LimitDesk } from './limit-desk.ts';
import { LinkBook } from './link-book.ts';
import { Outbox } from './outbox.ts';
import { PathBook } from './path-book.ts';
import { PathDesk } from './path-desk.ts';
import { PeerBook } from './peer-book.ts';
import { Refusals } from './refusals.ts';
import { SessionWatch } from './session-watch.ts';
import type { SessionManagerSettings } from './settings.ts';
import { SilentPorts } from './silent-ports.ts';
import { SlotBook } from './slot-book.ts';
import { type FileTrouble, StateFiles } from './state-files.ts';
import { X25519Pool } from './x25519-pool.ts';

export interface Desks {
  readonly access: AccessDesk;
  readonly handshakes: HandshakeDesk;
  readonly watch: SessionWatch;
  readonly enrol: EnrolDesk;
  readonly pool: X25519Pool;
  readonly files: StateFiles;
  readonly links: LinkBook;
  readonly silence: SilentPorts;
  readonly count: (counter: number) => void;
  /** CLOCK_REALTIME in microseconds. */
  readonly unixUs: () => number;
}

/** `privateKey`: raw, overwritten when the pool closes. */
export function buildDesks(context: ActorContext, settings: SessionManagerSettings, privateKey: Uint8Array): Desks {
  const { spec, addon } = context;
  const throughput = new Throughput(spec);
  const count = (counter: number): void => throughput.count(counter, 1);
  const sessions = new SessionTable(memoryOf(spec, 'sessions'));
  const rows = peerTable(memoryOf(spec, 'peers'));
  const links = linkTable(memoryOf(spec, 'links'));
  const paths = new PathBook(pathTable(memoryOf(spec, 'paths')), rows);
  const linkBook = new LinkBook(settings.links, links);
  const isPlaintext = settings.plaintext === true;
  const slots = new SlotBook(sessions, isPlaintext ? cipher.plaintext : cipher.chacha20poly1305, settings.shards);
  const onTrouble = ({ remedy, ...trouble }: FileTrouble): void =>
    context.emit({ kind: 'state-file', ...trouble, ...(remedy === undefined ? {} : { remedy }) });
  const unixUs = (): number => Date.now() * 1000;
  const files = new StateFiles(settings.stateDirectory, settings.name, unixUs(), onTrouble);
  const out = new Map(settings.carriers.map(({ row, name }) => [row, producer(context, `out.${name}`)]));
  const outbox = new Outbox(
    out,
    shardPorts('frames', settings.shards).map((name) => producer(context, name)),
  );
  const local = new LocalIdentity(addon, privateKey);
  const nowUs = (): number => addon.nowUs();
  const peers = new PeerBook({ primitives: addon, local, peers: rows, paths, files, links: linkBook, nowUs, unixUs });
  const hello = new HelloDesk(sessions, rows, outbox, {
    hasAesHardware: addon.hasAesHardware(),
    repairsAlone: settings.repairsAlone,
    enrols: settings.hasClientStore === true,
  });
  const pool = new X25519Pool(context, privateKey);
  paths.repair(
    settings.carriers.map(({ row }) => row),
    addon.nowUs(),
  );
  for (const peer of settings.peers) peers.add(peer);
  const desk = new PathDesk({
    context,
    sessions,
    peerTable: rows,
    peers,
    paths,
    links: linkBook,
    outbox,
    failbackUs: settings.failbackMs * 1000,
  });
  const refusals = new Refusals(context, rows);
  const crowds = new Crowds(settings.crowds ?? { perAddress: 0, perClient: 0 });
  const access = new AccessDesk({
    context,
    plugin: settings.authorise,
    nameOf: (row) => linkBook.nameOf(row),
  });
  const limits = new LimitDesk({ sessions, peers: rows, outbox });
  const enrol = new EnrolDesk({ context, sessions, peers, outbox });
  const shared = {
    context,
    sessions,
    peerTable: rows,
    peers,
    slots,
    outbox,
    files,
    hello,
    limits,
    enrol,
    count,
    refusals,
    crowds,
  };
  const watch = new SessionWatch({
    ...shared,
    links: linkBook,
    paths: desk,
    hasClientStore: settings.hasClientStore === true,
  });
  const handshakes = new HandshakeDesk({
    crowds,
    access,
    recall: (peer) => watch.rekey(peer.settings.publicKey),
    primitives: addon,
    local,
    peers,
    slots,
    outbox,
    files,
    pool,
    unixUs,
    count,
    refusals,
    waiting: () => watch.waiting,
    onSession: (peer, slot, isInitiator, route, nowUs) => {
      watch.handleSession(peer, slot, isInitiator, route, nowUs);
      // Of few it makes no difference who is called first.
      if (peer.settings.isClient === true) files.noteHeard(peer.settings.publicKey, unixUs() / 1000);
    },
    offersAes: (peer) => !isPlaintext && hello.offersAes(peer.settings.cipher),
  });
  watch.handshakes = handshakes;
  const carriers = settings.carriers.flatMap(({ row, hasFreePort }) => (hasFreePort === true ? row : []));
  const silence = new SilentPorts({ context, peers, paths, links: linkBook, carriers });
  return { access, handshakes, watch, enrol, pool, files, links: linkBook, silence, count, unixUs };
}
