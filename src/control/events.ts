/**
 * What happens to an instance, as a union of kinds with named fields: actors and the main thread tell it, the supervisor keeps it,
 * `hawser events` and the log make words of it (`event-text.ts`). A kind is added here and in docs/operating/cli.md.
 */

/** A peer's path, in the words of this end; `peerLink`: what the peer calls its own link. */
interface PathPlace {
  readonly peer: string;
  readonly link: string;
  readonly peerLink?: string;
  readonly transport: string;
  readonly endpoint: string;
}

/** `was`: the condition before, a word of `bonding/life/path-life-states.ts`. */
interface PathTurn extends PathPlace {
  readonly was: string;
  readonly reason: string;
}

interface TransportTurn {
  readonly peer: string;
  readonly link: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}

interface PathQuality extends PathPlace {
  readonly rttMs: number;
  readonly lossPercent: number;
}

/** `was`: the state before; `last`: what the last probe said. */
interface LinkQuality {
  readonly link: string;
  readonly was: string;
  readonly reason: string;
  readonly last: string;
  readonly rttMs: number;
  readonly jitterMs: number;
  readonly lossPercent: number;
}

interface CheckOutcome {
  readonly link: string;
  readonly check: string;
  readonly last: string;
}

interface OfPeer {
  readonly peer: string;
}

interface OfClient {
  readonly client: string;
}

/** Bytes of inner packets, both directions together; `untilMs`: when the period ends, since 1970. */
interface OfQuota extends OfClient {
  readonly period: 'day' | 'month';
  readonly usedBytes: number;
  /** 0 = there is no quota any more. */
  readonly quotaBytes: number;
  readonly untilMs: number;
}

interface Lease extends OfClient {
  readonly addresses: readonly string[];
}

interface OfLink {
  readonly link: string;
}

interface OfTarget {
  readonly target: string;
}

interface OfPlugin {
  readonly plugin: string;
}

interface Reason {
  readonly reason: string;
}

interface Callee extends OfPeer, OfLink {
  readonly endpoint: string;
}

/** A sentence for people, with what is to be done about it. */
interface Message {
  readonly message: string;
}

/** A sentence about one thing that a change of the configuration changed. */
interface Change {
  readonly change: string;
}

interface HostAddress {
  /** With the length of its prefix. */
  readonly address: string;
  readonly interface: string;
}

/** The fields of each kind. */
interface EventFields {
  // Peers and their paths.
  session: OfPeer & { readonly endpoint: string };
  'handshake-refused': Reason & {
    readonly peer?: string;
    /** Where it came from. */
    readonly endpoint?: string;
    /** The first characters of a public key that nobody here has. */
    readonly key?: string;
    readonly behindSeconds?: number;
  };
  'peer-clock': OfPeer & Reason & { readonly aheadSeconds: number };
  rekey: OfPeer;
  'clock-forgotten': OfPeer;
  roamed: OfPeer & { readonly endpoint: string };
  /** `from`, `to`: names of links, with commas between several; what is not UDP as `fibre/test`. */
  'cut-off': OfPeer & Reason & { readonly from: string };
  failover: OfPeer & Reason & { readonly from: string; readonly to: string; readonly endpoint?: string };
  /** By one link: from one transport to another, and back to one that is preferred. */
  'transport-failover': TransportTurn;
  'transport-failback': TransportTurn;
  /** What the operator said: the most preferred first, or one before all; neither: as configured. */
  transports: { readonly order?: string; readonly forced?: string };
  /** `link` carries again; `from`: the link that a stock peer leaves for it. */
  failback: PathPlace & Reason & { readonly was?: string; readonly from?: string };
  /** No link: the mode decides again. */
  'failover-forced': { readonly link?: string };
  'path-up': PathPlace & { readonly roundTripMs: number };
  'path-down': PathPlace & Reason;
  'path-back': PathPlace;
  'path-gone': PathPlace;
  /** Bytes of the longest IP packet that passes; `before`: what passed before. */
  'path-mtu': PathPlace & { readonly direction: 'out'; readonly size: number; readonly before: number };
  'path-suspect': PathTurn;
  'path-cleared': PathTurn;
  'path-dead': PathTurn;
  'path-recovering': PathTurn;
  flapping: PathTurn;
  degraded: PathQuality;
  'degraded-end': PathQuality;
  // Clients of a hub.
  'client-created': OfClient;
  'client-removed': OfClient;
  'client-enabled': OfClient;
  'client-disabled': OfClient;
  /** `client`: who will be. */
  'invitation-created': OfClient & { readonly expiresMs: number };
  /** A machine has said its key with it, and is that client from now on; used when it connects. */
  'invitation-joining': OfClient & { readonly key: string };
  'invitation-used': OfClient;
  'invitation-revoked': OfClient;
  'invitation-expired': OfClient;
  /** A machine has the secret, and did not get in. */
  'invitation-refused': OfClient & Reason;
  'session-opened': OfClient & { readonly peer: string; readonly session: number };
  /** `reason`: idle, lifetime, quota, or what an operator did. */
  'session-closed': OfClient & {
    readonly peer: string;
    readonly session: number;
    readonly reason: string;
    readonly seconds: number;
    readonly upBytes: number;
    readonly downBytes: number;
  };
  'lease-given': Lease;
  'lease-expired': Lease;
  /** `limit`: the key below `server.limits`, or `pool`; `client`: who did not get what it was for. */
  'limit-reached': OfClient & { readonly limit: 'clients' | 'perClient' | 'perAddress' | 'pool' };
  /** 80 % of what it may use in a day or a month; all of it; it may go on. Each is told once in a period. */
  'quota-warning': OfQuota;
  'quota-exceeded': OfQuota & { readonly action: 'stop' | 'throttle' };
  'quota-reset': OfQuota;
  /** `limit`: down and up as the peer sees it, `total …`: its share of the server's; `mbit`: a rate of its own. */
  'rate-reached': OfPeer & { readonly limit: string; readonly mbit?: number };
  // Links and what probes past the tunnel say of them.
  /** Nothing came back to the port by which the link sent; `port`: by which it sends now. */
  'port-moved': OfLink & { readonly transport: string; readonly port: number; readonly silentMs: number };
  'link-up': OfLink & Reason;
  'link-down': OfLink & Reason;
  'link-enabled': OfLink;
  /** A plugin suggests for the link what is used from now on; neither weight nor role: what the configuration says is. */
  'link-suggested': OfLink & OfPlugin & { readonly weight?: number; readonly role?: string };
  'link-disabled': OfLink;
  'health-up': LinkQuality;
  'health-down': LinkQuality;
  'health-degraded': LinkQuality;
  'health-flapping': OfLink;
  'check-failed': CheckOutcome;
  'check-passed': CheckOutcome;
  // The host's network.
  /** `came`: it did not exist before; `link`: whose it is. */
  interface: {
    readonly interface: string;
    readonly state: 'came' | 'up' | 'up, without a carrier' | 'down';
    readonly link?: string;
  };
  'interface-gone': { readonly interface: string };
  links: Change;
  'default-route': { readonly family: 4 | 6 };
  /** `names`: what the servers are asked for; `by`: the host's service that does. */
  dns: { readonly servers: readonly string[]; readonly names: string; readonly by: string };
  'address-added': HostAddress;
  'address-removed': HostAddress;
  /** What was in the way of a route of ours and is no longer. */
  'route-free': { readonly trouble: string };
  /** A client, or without `peer` all of them, gets no more of what NAT has: `reason` says of what. */
  'nat-exhausted': Reason & { readonly peer?: string };
  // The instance and its threads.
  ready: {
    readonly interface: string;
    readonly port: number;
    readonly placement: string;
    readonly tookMs: number;
    /** The configuration is that of the run before. */
    readonly isRecalled: boolean;
  };
  stopping: Reason;
  reload: Change;
  'reload-failed': Reason;
  /** It runs, and is taken back after so many seconds unless it is confirmed. `changes`: a sentence for each thing that is another. */
  'config-applied': { readonly revision: string; readonly seconds: number; readonly changes: readonly string[] };
  'config-confirmed': { readonly revision: string };
  /** No revision: it was on trial when the process before this one ended. */
  'config-taken-back': Reason & { readonly revision?: string };
  started: { readonly thread?: number; readonly restarts?: number };
  stopped: Reason;
  exit: Reason;
  cut: Reason;
  starved: Reason;
  'given-up': Reason;
  undeliverable: { readonly to: string; readonly command: string };
  /** `message` follows the file's name; without a remedy what was wrong is over. */
  'state-file': Message & { readonly file: string; readonly remedy?: string };
  /** A peer cannot be called (by TLS); stands until `call-answered`. `remedy`: '' = none that we know. */
  'call-failed': Callee & Reason & { readonly remedy: string };
  'call-answered': Callee;
  /** `target`: as `hawser webhook list` names it; told of the first failure in a row, with what waits. */
  'webhook-failed': OfTarget & Reason & { readonly waiting: number };
  'webhook-recovered': OfTarget & { readonly failures: number };
  /** `count` events were given up. */
  'webhook-dropped': OfTarget & Reason & { readonly count: number };
  /** It runs and has said what it is for. */
  'plugin-ready': OfPlugin & { readonly hooks: readonly string[] };
  /** The first thing that is wrong with it; `againMs`: it has ended, and is begun anew after that. Stands until `plugin-recovered`. */
  'plugin-failed': OfPlugin & Reason & { readonly againMs?: number };
  /** Nothing was wrong for a minute. */
  'plugin-recovered': OfPlugin;
  /** It is not begun any more. */
  'plugin-given-up': OfPlugin & Reason & { readonly remedy: string };
  /** Where HTTP is answered. */
  'api-on': { readonly address: string };
  /** Why it is not; stands until `api-on`. `remedy`: '' = none that we know. */
  'api-off': Reason & { readonly remedy: string };
  /** Somebody at `address` has shown what lets nobody in. */
  'api-refused': Reason & { readonly address: string };
  'x25519-failed': Reason;
  plaintext: Message;
  warning: Message;
  /** Not read in time by who follows the events. */
  'left-out': { readonly count: number };
}

export type EventKind = keyof EventFields;

/** One of them; `more`: how many like it were not told before. */
export type InstanceEvent<K extends EventKind = EventKind> = {
  [Kind in K]: Readonly<EventFields[Kind]> & { readonly kind: Kind; readonly more?: number };
}[K];

/** One line of `hawser events`. */
export type EventRecord = InstanceEvent & {
  /** Counts up from 1; `events(sinceId)` answers with those above it. */
  readonly id: number;
  readonly timeMs: number;
  /** Actor id or `supervisor`. */
  readonly source: string;
};

/** How loud the log says it, unless who tells it knows better. */
export const eventLevels: Readonly<Record<EventKind, 'info' | 'warn' | 'error'>> = {
  session: 'info',
  'handshake-refused': 'info',
  'peer-clock': 'info',
  rekey: 'info',
  'clock-forgotten': 'info',
  roamed: 'info',
  'cut-off': 'info',
  failover: 'info',
  'transport-failover': 'info',
  'transport-failback': 'info',
  transports: 'info',
  failback: 'info',
  'failover-forced': 'info',
  'path-up': 'info',
  'path-down': 'info',
  'path-back': 'info',
  'path-gone': 'info',
  'path-mtu': 'info',
  'path-suspect': 'info',
  'path-cleared': 'info',
  'path-dead': 'info',
  'path-recovering': 'info',
  flapping: 'info',
  degraded: 'info',
  'degraded-end': 'info',
  'client-created': 'info',
  'client-removed': 'info',
  'client-enabled': 'info',
  'client-disabled': 'info',
  'invitation-created': 'info',
  'invitation-joining': 'info',
  'invitation-used': 'info',
  'invitation-revoked': 'info',
  'invitation-expired': 'info',
  'invitation-refused': 'warn',
  'session-opened': 'info',
  'session-closed': 'info',
  'lease-given': 'info',
  'lease-expired': 'info',
  'limit-reached': 'warn',
  'quota-warning': 'info',
  'quota-exceeded': 'warn',
  'quota-reset': 'info',
  'rate-reached': 'info',
  'port-moved': 'info',
  'link-up': 'info',
  'link-down': 'info',
  'link-enabled': 'info',
  'link-suggested': 'info',
  'link-disabled': 'info',
  'health-up': 'info',
  'health-down': 'info',
  'health-degraded': 'info',
  'health-flapping': 'info',
  'check-failed': 'info',
  'check-passed': 'info',
  interface: 'info',
  'interface-gone': 'info',
  links: 'info',
  'default-route': 'info',
  dns: 'info',
  'address-added': 'info',
  'address-removed': 'info',
  'route-free': 'info',
  'nat-exhausted': 'warn',
  ready: 'info',
  stopping: 'info',
  reload: 'info',
  'reload-failed': 'error',
  'config-applied': 'info',
  'config-confirmed': 'info',
  'config-taken-back': 'warn',
  started: 'info',
  stopped: 'info',
  exit: 'error',
  cut: 'warn',
  starved: 'warn',
  'given-up': 'error',
  undeliverable: 'warn',
  'state-file': 'info',
  'call-failed': 'warn',
  'call-answered': 'info',
  'webhook-failed': 'warn',
  'webhook-recovered': 'info',
  'webhook-dropped': 'warn',
  'plugin-ready': 'info',
  'plugin-failed': 'warn',
  'plugin-recovered': 'info',
  'plugin-given-up': 'error',
  'api-on': 'info',
  'api-off': 'warn',
  'api-refused': 'warn',
  'x25519-failed': 'info',
  plaintext: 'warn',
  warning: 'warn',
  'left-out': 'info',
};

/** So that a filter for a kind that does not exist is told, not waited for. */
export const eventKinds = Object.keys(eventLevels) as readonly EventKind[];
