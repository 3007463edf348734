/**
 * Who the peers are, from whatever source: the configuration file is one. A source says who came, who is another than before and who
 * went; each is one row of the shared tables. Nobody else is touched and no thread is renewed: the session-manager is told, and the
 * allowed-IPs trie changes by the prefixes in question.
 */
import type { PeerSettings, PeersCommand } from '../actors/session/settings.ts';
import { HawserError } from '../base/errors.ts';
import { formatCidr } from '../config/address.ts';
import type { Cidr, PeerConfig } from '../config/config.ts';
import { obfuscationIds } from '../config/obfuscation.ts';
import type { AllowedIps, AllowedPrefix } from '../rings/allowed-ips.ts';
import { clearPeerRow } from '../rings/peer-row.ts';
import { shardOf } from '../rings/shards.ts';
import type { RowTable } from '../rings/table.ts';
import { FreeRows } from './free-rows.ts';

/** What a source says has changed. */
export interface PeerChange {
  /** New ones, and those that are others than before. */
  readonly put: readonly PeerConfig[];
  /** Public keys. */
  readonly remove: readonly string[];
}

export interface DirectoryEntry {
  readonly row: number;
  readonly peer: PeerConfig;
  /** Which source it is from. */
  readonly source: string;
}

/** The source that a reload reads. */
export const filePeers = 'file';

export interface PeerDirectoryParts {
  readonly table: RowTable;
  readonly allowedIps: AllowedIps;
  /** To all actors that hear of peers, or to one of them. */
  readonly tell: (command: PeersCommand, actorId?: string) => void;
  /** Monotonic. */
  readonly nowMs: () => number;
  /** Pairs of sealer and opener; undefined = 1. */
  readonly shards?: number;
}

/**
 * A row that was set free is given to another peer after this: keys and paths filed under it are retired by then, and what waited in the
 * sealer for the one before has been dropped (docs/adr/0011, `waiting-room.ts`).
 */
const restMs = 15_000;

export class PeerDirectory {
  readonly #parts: PeerDirectoryParts;
  /** By public key, and by name. */
  readonly #entries = new Map<string, DirectoryEntry>();
  readonly #byName = new Map<string, DirectoryEntry>();
  /** Who has a prefix, by its text: one leads to one. */
  readonly #byPrefix = new Map<string, DirectoryEntry>();
  readonly #rows: FreeRows;
  /** Client → which shard has its devices, and how many there are. */
  readonly #clientShards = new Map<string, { readonly shard: number; readonly devices: number }>();
  #version = 0;
  /** Actor → version of what it was last started with. */
  readonly #startedWith = new Map<string, number>();

  constructor(parts: PeerDirectoryParts) {
    this.#parts = parts;
    this.#rows = new FreeRows(parts.table.rows, parts.shards ?? 1, restMs);
  }

  all(): Iterable<DirectoryEntry> {
    return this.#entries.values();
  }

  /** Goes up with each change. */
  get version(): number {
    return this.#version;
  }

  /** By public key. */
  ofKey(publicKey: string): DirectoryEntry | undefined {
    return this.#entries.get(publicKey);
  }

  find(name: string): DirectoryEntry | undefined {
    return this.#byName.get(name);
  }

  /** What an actor that hears of peers is started with. */
  settings(actorId: string): readonly PeerSettings[] {
    this.#startedWith.set(actorId, this.#version);
    return [...this.#entries.values()].map(settingsOf);
  }

  /** Such an actor has started: what changed between its `settings` and now may have been said to nobody. */
  tellAgain(actorId: string): void {
    const version = this.#startedWith.get(actorId);
    if (version === undefined || version === this.#version) return;
    this.#parts.tell({ kind: 'peers', put: this.settings(actorId), remove: [], isAll: true }, actorId);
  }

  /** Throws what would keep `change` from being done, but for the room in the trie. */
  check(source: string, { put, remove }: PeerChange): void {
    const gone = new Set(remove);
    for (const peer of put) {
      const others = [
        this.#entries.get(peer.publicKey),
        this.#byName.get(peer.name),
        this.#claimantOf(peer.allowedIPs),
      ];
      const other = others.find((one) => one !== undefined && one.source !== source && !gone.has(one.peer.publicKey));
      if (other !== undefined) throw takenBy(peer, other);
    }
    if (this.#chooseRows(put) !== undefined) return;
    const { rows } = this.#parts.table;
    const message = `The running instance has room for ${rows} peers`;
    throw new HawserError(
      'CONFIG',
      message,
      `restart the instance to make room (a removed peer's lasts ${restMs / 1000} s)`,
    );
  }

  #claimantOf(prefixes: readonly Cidr[]): DirectoryEntry | undefined {
    for (const prefix of prefixes) {
      const entry = this.#byPrefix.get(textOf(prefix));
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  /** Does what `source` says. Throws when it cannot, and has then changed nothing. */
  change(source: string, change: PeerChange): void {
    this.check(source, change);
    const { table, allowedIps, tell } = this.#parts;
    const entries = this.#entries;
    const gone = change.remove.flatMap((publicKey) => entries.get(publicKey) ?? []);
    const before = change.put.flatMap(({ publicKey }) => entries.get(publicKey) ?? []);
    if (gone.length + change.put.length === 0) return;
    const fresh = this.#chooseRows(change.put) ?? [];
    for (const row of fresh) clearPeerRow(table, row);
    let taken = 0;
    const after = change.put.map((peer): DirectoryEntry => {
      return { peer, source, row: entries.get(peer.publicKey)?.row ?? (fresh[taken++] as number) };
    });
    this.#lead(allowedIps, [...gone, ...before], after);
    table.setUsed(this.#rows.take(fresh));
    for (const { row } of gone) this.#rows.free(row, this.#parts.nowMs());
    for (const { peer, row } of [...gone, ...before]) this.#noteShard(peer, row, -1);
    for (const { peer, row } of after) this.#noteShard(peer, row, 1);
    for (const { peer } of [...gone, ...before]) {
      this.#byName.delete(peer.name);
      for (const prefix of peer.allowedIPs) this.#byPrefix.delete(textOf(prefix));
    }
    for (const { peer } of gone) entries.delete(peer.publicKey);
    for (const entry of after) {
      entries.set(entry.peer.publicKey, entry);
      this.#byName.set(entry.peer.name, entry);
      for (const prefix of entry.peer.allowedIPs) this.#byPrefix.set(textOf(prefix), entry);
    }
    this.#version += 1;
    tell({ kind: 'peers', put: after.map(settingsOf), remove: gone.map(({ row }) => row), isAll: false });
  }

  /** Packets for the prefixes of `after` go there from now on, and those that only `before` had nowhere. */
  #lead(allowedIps: AllowedIps, before: readonly DirectoryEntry[], after: readonly DirectoryEntry[]): void {
    const fresh = prefixesOf(after);
    const kept = new Set(fresh.map(keyOf));
    const gone = prefixesOf(before).filter((one) => !kept.has(keyOf(one)));
    const changed = new Set(before.map(({ peer }) => peer.publicKey));
    const others = (): DirectoryEntry[] => [...this.all()].filter(({ peer }) => !changed.has(peer.publicKey));
    allowedIps.change(gone, fresh, () => [...prefixesOf(others()), ...fresh]);
  }

  /** A row for each of those that have none yet; undefined = there are not so many. Devices of one client share its rates: one shard has them. */
  #chooseRows(put: readonly PeerConfig[]): number[] | undefined {
    const fresh = put.filter(({ publicKey }) => !this.#entries.has(publicKey));
    const wishes = fresh.map(({ client }) => ({ group: client, shard: this.#shardOfClient(client) }));
    return this.#rows.choose(wishes, this.#parts.nowMs());
  }

  /** Undefined = any will do. */
  #shardOfClient(client: string | undefined): number | undefined {
    return client === undefined ? undefined : this.#clientShards.get(client)?.shard;
  }

  /** `devices`: so many more. */
  #noteShard({ client }: PeerConfig, row: number, devices: number): void {
    if (client === undefined) return;
    const known = this.#clientShards.get(client) ?? { shard: shardOf(row, this.#parts.shards ?? 1), devices: 0 };
    const count = known.devices + devices;
    if (count === 0) this.#clientShards.delete(client);
    else this.#clientShards.set(client, { ...known, devices: count });
  }
}

function takenBy(peer: PeerConfig, { peer: other, source }: DirectoryEntry): HawserError {
  const whose = source === filePeers ? 'the configuration file' : source;
  if (other.name === peer.name || other.publicKey === peer.publicKey) {
    const message = `Peer "${other.name}" is there already, from another source (${whose})`;
    return new HawserError('PEER_EXISTS', message, 'give it another name or key, or remove the other one');
  }
  const theirs = new Set(other.allowedIPs.map(textOf));
  const shared = peer.allowedIPs.filter((one) => theirs.has(textOf(one))).map(formatCidr);
  const message = `${shared[0]}, which peer "${peer.name}" shall have, leads to peer "${other.name}" (${whose})`;
  return new HawserError('PEER_EXISTS', message, 'give one of the two another address');
}

function textOf({ addressHex, prefix }: Cidr): string {
  return `${addressHex}/${prefix}`;
}

function settingsOf({ row, peer }: DirectoryEntry): PeerSettings {
  const { name, publicKey, presharedKeyFile, endpoints, keepaliveMs, cipher, limits } = peer;
  const ofClient = {
    ...(peer.presharedKey === undefined ? {} : { presharedKey: peer.presharedKey }),
    ...(peer.isClient === true ? { isClient: true as const } : {}),
    ...(peer.client === undefined ? {} : { client: peer.client }),
    ...(peer.isMetered === true ? { isMetered: true as const } : {}),
    ...(peer.mayEnrol === true ? { mayEnrol: true as const } : {}),
    ...(peer.refusal === undefined ? {} : { refusal: peer.refusal }),
  };
  const own = { row, name, publicKey, presharedKeyFile, ...ofClient, endpoints, keepaliveMs, cipher, limits };
  return { ...own, ...wornBy(peer) };
}

/** What the session-manager has to know of its obfuscation. */
function wornBy({ obfuscation }: PeerConfig): Pick<PeerSettings, 'obfuscation'> {
  const { id, wear } = obfuscationIds(obfuscation);
  if (obfuscation === undefined || id === 0) return {};
  const { headers, paddings } = obfuscation;
  const isOnData = paddings[3] !== 0 || headers[3]?.first !== 4 || headers[3].last !== 4;
  return { obfuscation: { id, wear, headers, dataId: isOnData ? wear : 0, dataPaddingBytes: paddings[3] ?? 0 } };
}

function prefixesOf(entries: readonly DirectoryEntry[]): AllowedPrefix[] {
  return entries.flatMap(({ row, peer }) =>
    peer.allowedIPs.map(({ family, addressHex, prefix }) => ({ family, addressHex, prefix, peerRow: row })),
  );
}

function keyOf({ addressHex, prefix, peerRow }: AllowedPrefix): string {
  return `${addressHex}/${prefix} ${peerRow}`;
}
