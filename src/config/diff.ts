/** Two configurations → what changed, as data: SIGHUP applies it, `hawser events` tells it. Order of lists does not matter. */
import type { TransportName } from '../contract/link-tables.ts';
import { formatCidr, formatEndpoint } from './address.ts';
import type { Cidr, Config, EndpointText, LinkConfig, PeerConfig } from './config.ts';

export interface Changed<T> {
  readonly before: T;
  readonly after: T;
  readonly fields: readonly (keyof T & string)[];
}

export interface ListDiff<T> {
  readonly added: readonly T[];
  readonly removed: readonly T[];
  readonly changed: readonly Changed<T>[];
}

export interface ConfigDiff {
  /** The same public key is the same peer; a new `name` is a changed field. */
  readonly peers: ListDiff<PeerConfig>;
  /** The same name is the same link. */
  readonly links: ListDiff<LinkConfig>;
  readonly addresses: { readonly added: readonly Cidr[]; readonly removed: readonly Cidr[] };
  /** undefined = as before. */
  readonly mtu: { readonly before: number; readonly after: number } | undefined;
  /** The name servers of the host are others, or none. */
  readonly dns: boolean;
  readonly fragment: Config['tunnel']['fragment'] | undefined;
  readonly listen: Changed<Config['listen']> | undefined;
  readonly routing: Changed<Config['routing']> | undefined;
  readonly bonding: Changed<Config['bonding']> | undefined;
  readonly transports: Changed<Config['transports']> | undefined;
  readonly faketcp: Changed<Config['faketcp']> | undefined;
  readonly tls: Changed<Config['tls']> | undefined;
  readonly history: boolean;
  readonly webhooks: boolean;
  readonly plugins: boolean;
  /** The section, or that there is one. */
  readonly api: boolean;
  /** What the store of clients goes by. */
  readonly server: boolean;
  /** The top-level one; peers that follow it are among those that changed. */
  readonly obfuscation: boolean;
  readonly logLevel: Config['runtime']['logLevel'] | undefined;
  /** Paths that a running instance cannot change (`identity.privateKeyFile`, `tunnel.interface` …): they need a restart. */
  readonly needsRestart: readonly string[];
}

export function diffConfigs(before: Config, after: Config): ConfigDiff {
  const beforeAddresses = new Map(before.tunnel.addresses.map((cidr) => [formatCidr(cidr), cidr]));
  const afterAddresses = new Map(after.tunnel.addresses.map((cidr) => [formatCidr(cidr), cidr]));
  const { mtu } = before.tunnel;
  return {
    peers: diffLists(before.peers, after.peers, (peer) => peer.publicKey),
    links: diffLists(before.links, after.links, (link) => link.name),
    addresses: {
      added: missingFrom(beforeAddresses, afterAddresses),
      removed: missingFrom(afterAddresses, beforeAddresses),
    },
    fragment: before.tunnel.fragment === after.tunnel.fragment ? undefined : after.tunnel.fragment,
    mtu: mtu === after.tunnel.mtu ? undefined : { before: mtu, after: after.tunnel.mtu },
    dns: JSON.stringify(before.tunnel.dns) !== JSON.stringify(after.tunnel.dns),
    listen: changedOrNot(before.listen, after.listen),
    routing: changedOrNot(before.routing, after.routing),
    bonding: changedOrNot(before.bonding, after.bonding),
    transports: changedOrNot(before.transports, after.transports, JSON.stringify),
    faketcp: changedOrNot(before.faketcp, after.faketcp),
    tls: changedOrNot(before.tls, after.tls),
    webhooks: JSON.stringify(before.webhooks) !== JSON.stringify(after.webhooks),
    plugins: JSON.stringify(before.plugins) !== JSON.stringify(after.plugins),
    history: JSON.stringify(before.history) !== JSON.stringify(after.history),
    api: JSON.stringify(before.api) !== JSON.stringify(after.api),
    server: JSON.stringify(before.server) !== JSON.stringify(after.server),
    obfuscation: JSON.stringify(before.obfuscation) !== JSON.stringify(after.obfuscation),
    logLevel: before.runtime.logLevel === after.runtime.logLevel ? undefined : after.runtime.logLevel,
    needsRestart: fixedPaths.filter(([, read]) => read(before) !== read(after)).map(([path]) => path),
  };
}

/** Fixed while the process lives: file descriptors, memory and threads were made from them. */
const fixedPaths: readonly (readonly [string, (config: Config) => unknown])[] = [
  ['name', (config) => config.name],
  ['identity.privateKeyFile', (config) => config.identity.privateKeyFile],
  ['tunnel.interface', (config) => config.tunnel.interface],
  ['runtime.placement', (config) => config.runtime.placement],
  ['runtime.shards', (config) => config.runtime.shards],
  ['runtime.sealedLog', (config) => config.runtime.sealedLogBytes],
  ['runtime.replayWindow', (config) => config.runtime.replayWindow],
  ['runtime.logFormat', (config) => config.runtime.logFormat],
  ['runtime.restartLimit', (config) => config.runtime.restartLimit],
  ['runtime.runDirectory', (config) => config.runtime.runDirectory],
  ['runtime.stateDirectory', (config) => config.runtime.stateDirectory],
];

/** One sentence for each change; empty = nothing changed. */
export function describeDiff(diff: ConfigDiff): string[] {
  return [
    ...describeList('peer', diff.peers),
    ...describeList('link', diff.links),
    ...diff.addresses.added.map((cidr) => `address ${formatCidr(cidr)} added`),
    ...diff.addresses.removed.map((cidr) => `address ${formatCidr(cidr)} removed`),
    ...(diff.mtu === undefined ? [] : [`tunnel.mtu changed from ${diff.mtu.before} to ${diff.mtu.after}`]),
    ...(diff.dns ? ['tunnel.dns changed'] : []),
    ...(diff.fragment === undefined ? [] : [`tunnel.fragment changed to ${diff.fragment}`]),
    ...(diff.listen === undefined ? [] : describeListen(diff.listen)),
    ...(diff.routing?.fields ?? []).map((field) => `routing.${field} changed to ${diff.routing?.after[field]}`),
    ...(diff.faketcp?.fields ?? []).map((field) => `faketcp.${field} changed to ${diff.faketcp?.after[field]}`),
    ...(diff.tls?.fields ?? []).map((field) => `tls.${field} changed`),
    ...(diff.history ? ['history changed'] : []),
    ...(diff.webhooks ? ['webhooks changed'] : []),
    ...(diff.plugins ? ['plugins changed'] : []),
    ...(diff.api ? ['api changed'] : []),
    ...(diff.server ? ['server changed'] : []),
    ...(diff.obfuscation ? ['obfuscation changed'] : []),
    ...(diff.bonding?.fields ?? []).map((field) => `bonding.${field} changed`),
    ...(diff.transports?.fields ?? []).map(
      (field) => `transports.${field} changed to ${diff.transports?.after[field]}`,
    ),
    ...(diff.logLevel === undefined ? [] : [`runtime.logLevel changed to ${diff.logLevel}`]),
    ...diff.needsRestart.map((path) => `${path} changed in the file: restart the instance to apply it`),
  ];
}

function describeListen({ before, after }: Changed<Config['listen']>): string[] {
  const names = (Object.keys({ ...before, ...after }) as TransportName[]).filter(
    (name) => before[name] !== after[name],
  );
  return names.map((name) => `listen.${name} changed from ${before[name] ?? 'none'} to ${after[name] ?? 'none'}`);
}

function describeList<T extends { readonly name: string }>(noun: string, diff: ListDiff<T>): string[] {
  return [
    ...diff.added.map((entry) => `${noun} ${entry.name} added`),
    ...diff.removed.map((entry) => `${noun} ${entry.name} removed`),
    ...diff.changed.map(({ after, fields }) => `${noun} ${after.name} changed: ${fields.join(', ')}`),
  ];
}

function diffLists<T extends object>(
  before: readonly T[],
  after: readonly T[],
  idOf: (entry: T) => string,
): ListDiff<T> {
  const old = new Map(before.map((entry) => [idOf(entry), entry]));
  const current = new Map(after.map((entry) => [idOf(entry), entry]));
  const changed = after.flatMap((entry) => {
    const previous = old.get(idOf(entry));
    const change = previous === undefined ? undefined : changedOrNot(previous, entry);
    return change === undefined ? [] : [change];
  });
  return { added: missingFrom(old, current), removed: missingFrom(current, old), changed };
}

/** Entries of `these` whose key `known` does not have. */
function missingFrom<T>(known: ReadonlyMap<string, T>, these: ReadonlyMap<string, T>): T[] {
  return [...these].filter(([key]) => !known.has(key)).map(([, entry]) => entry);
}

function changedOrNot<T extends object>(
  before: T,
  after: T,
  formOf: (value: unknown) => string = canonical,
): Changed<T> | undefined {
  const names = Object.keys(after) as (keyof T & string)[];
  const fields = names.filter((name) => formOf(before[name]) !== formOf(after[name]));
  return fields.length === 0 ? undefined : { before, after, fields };
}

/** Prefixes are a set, and so is what `protect` names; endpoints are an order of preference and stay one. */
function canonical(value: unknown): string {
  if (!Array.isArray(value)) return JSON.stringify(value) ?? 'undefined';
  const texts = value.map((entry: Cidr | EndpointText | string) => {
    if (typeof entry === 'string') return entry;
    return 'prefix' in entry ? formatCidr(entry) : formatEndpoint(entry);
  });
  const isSet = value.some((entry: object | string) => typeof entry === 'string' || 'prefix' in entry);
  return isSet ? texts.sort().join() : texts.join();
}
