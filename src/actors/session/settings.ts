/** What the session-manager is started with, and what it can be told. */
import type { CipherChoice, ClientRefusal, EndpointText, PeerLimits } from '../../config/config.ts';
import type { HeaderRange } from '../../config/obfuscation.ts';
import type { Command } from '../kit/contract.ts';
import type { PluginAnswer } from '../plugins/questions.ts';
import type { CrowdLimits } from './crowds.ts';

export interface SessionManagerSettings {
  /** Of the instance; files in the state directory begin with it. */
  readonly name: string;
  readonly privateKeyFile: string;
  readonly stateDirectory: string;
  readonly links: readonly LinkSettings[];
  readonly carriers: readonly CarrierSettings[];
  /** Pairs of sealer and opener: for each a port `frames`, `requests` and `events` (`shardPorts`); undefined = 1. */
  readonly shards?: number;
  readonly peers: readonly PeerSettings[];
  /** A link that came back must be stable so long before a stock peer returns to it. */
  readonly failbackMs: number;
  /** Peers are told that what an only path has lost goes out again, and is waited for. */
  readonly repairsAlone: boolean;
  /** Clients come from a store besides the file, sooner or later: nobody is forgotten before the first of them. */
  readonly hasClientStore?: boolean;
  /** Of clients; undefined = no limits. */
  readonly crowds?: CrowdLimits;
  /** The plugin that says which clients may come; undefined = all. */
  readonly authorise?: string;
  /** Benches only: sessions copy instead of encrypting. Both ends must be started so. */
  readonly plaintext?: boolean;
}

export interface CarrierSettings {
  /** Row of the carrier table. */
  readonly row: number;
  /** Its ports are `handshakes.<name>` and `out.<name>`. */
  readonly name: string;
  /** Datagrams leave by a port of UDP that the kernel chose, and any other would do. */
  readonly hasFreePort?: boolean;
}

export interface LinkSettings {
  /** Row of the link table. */
  readonly row: number;
  readonly name: string;
  /** The lowest is preferred. */
  readonly priority: number;
  /** Its sockets are bound to it; undefined = the kernel chooses. */
  readonly interface: string | undefined;
}

export interface PeerSettings {
  /** Row of the peer table. */
  readonly row: number;
  readonly name: string;
  /** base64. */
  readonly publicKey: string;
  readonly presharedKeyFile: string | undefined;
  /** The key itself, which no JSON shows. */
  readonly presharedKey?: ArrayBuffer;
  /** Host names among them are passed over until `endpoints` brings their addresses. */
  readonly endpoints: readonly EndpointText[];
  readonly keepaliveMs: number;
  readonly cipher: CipherChoice;
  readonly obfuscation?: PeerObfuscation;
  /** It stands in the store of a hub: called after a restart where it was last. */
  readonly isClient?: true;
  /** Whose device it is; those of one client have its rates together. */
  readonly client?: string;
  /** It has a quota: whoever writes into its row where that ends is asked by the sealer. */
  readonly isMetered?: true;
  /** It has an invitation, and may ask to be a client. */
  readonly mayEnrol?: true;
  /** Its handshakes are refused for that reason, and nothing is said to it. */
  readonly refusal?: ClientRefusal;
  readonly limits: PeerLimits;
}

/** What a peer's datagrams by UDP wear, as far as it is not the carriers' affair. */
export interface PeerObfuscation {
  /** `obfuscationIds` of `config/obfuscation.ts`. */
  readonly id: number;
  readonly wear: number;
  /** Values of the type field: of initiation, response, cookie reply and data. */
  readonly headers: readonly HeaderRange[];
  /** Of data messages, 0 = they wear nothing; and the bytes in front of each. */
  readonly dataId: number;
  readonly dataPaddingBytes: number;
}

/** Addresses of a peer, resolved: they take the place of the configured ones. */
export interface EndpointsCommand extends Command {
  readonly kind: 'endpoints';
  readonly peer: string;
  readonly endpoints: readonly EndpointText[];
}

/** Begins a handshake with one peer. */
export interface RekeyCommand extends Command {
  readonly kind: 'rekey';
  readonly peer: string;
}

/** The peer's next handshake is taken whatever its clock shows: it was wrong before. */
export interface ForgetClockCommand extends Command {
  readonly kind: 'forget-clock';
  readonly peer: string;
}

/** What befell this host outside the tunnel: peers shall hear from where we are now. */
export type OutsideChange =
  | { readonly kind: 'address-gone'; readonly address: string }
  | { readonly kind: 'address-came' }
  | { readonly kind: 'default-route' };

export interface NetworkChangedCommand extends Command {
  readonly kind: 'network-changed';
  readonly change: OutsideChange;
}

/** What the kernel says of a link, whenever it changes and now and then. */
export interface LinkStateCommand extends Command {
  readonly kind: 'link-state';
  readonly link: string;
  readonly isUp: boolean;
  /** For people. */
  readonly reason: string;
  /** Of its interface: when they change, the peers must hear from the new one. */
  readonly addresses: readonly string[];
  /** Prefixes that can be reached by it (`0.0.0.0/0`); undefined = ask no further. */
  readonly routes: readonly string[] | undefined;
  /** It has IPv6 alone: the prefix (CIDR) behind which its network's translator has the addresses of IPv4. */
  readonly nat64?: string;
}

/** Peers came, are others than before, or went. */
export interface PeersCommand extends Command {
  readonly kind: 'peers';
  readonly put: readonly PeerSettings[];
  /** Rows. */
  readonly remove: readonly number[];
  /** Whoever is not in `put` has gone as well. */
  readonly isAll: boolean;
}

/** To the client-store: an invited machine says its key. Answered by `enrolled`. */
export interface EnrolCommand extends Command {
  readonly kind: 'enrol';
  /** base64, of the invitation. */
  readonly invitation: string;
  /** Key slot that it was said under. */
  readonly slot: number;
  /** base64. */
  readonly key: string;
}

/** What it is told: an ENROL frame, with a preshared key in it, which no JSON shows. */
export interface EnrolledCommand extends Command {
  readonly kind: 'enrolled';
  readonly invitation: string;
  readonly slot: number;
  readonly frame: ArrayBuffer;
}

export type SessionManagerCommand =
  | EnrolledCommand
  | PluginAnswer
  | PeersCommand
  | LinkStateCommand
  | EndpointsCommand
  | RekeyCommand
  | ForgetClockCommand
  | NetworkChangedCommand;
