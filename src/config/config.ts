/** The configuration as the program sees it: parsed, checked, defaults filled in, frozen. `parse.ts` is its only maker. */
import type { Family } from '../base/family.ts';
import type { TransportName } from '../contract/link-tables.ts';
import type { ApiConfig } from './api-schema.ts';
import type { HistoryConfig } from './history-schema.ts';
import type { PortForward } from './nat-schema.ts';
import type { ObfuscationConfig } from './obfuscation.ts';
import type { PluginConfig } from './plugins-schema.ts';
import type { ServerConfig } from './server.ts';
import type { WebhookConfig } from './webhook-secret.ts';

export interface Cidr {
  readonly family: Family;
  /** 4 or 16 bytes as lower-case hexadecimal. */
  readonly addressHex: string;
  /** As written by people: `10.9.0.2`, `fd00:9::2`. */
  readonly address: string;
  readonly prefix: number;
}

export interface EndpointText {
  /** How a peer is reached there; undefined = by UDP. */
  readonly transport?: TransportName | undefined;
  /** IPv4 or IPv6 literal without brackets, or a host name. */
  readonly host: string;
  readonly port: number;
  /** Of a link-local address (RFC 4007 section 11): the interface it is reached by. */
  readonly zone?: string | undefined;
}

export interface LinkConfig {
  readonly name: string;
  /** Interface the link's sockets are bound to; undefined = the kernel's routing chooses (the one implicit link `default`). */
  readonly interface: string | undefined;
  readonly priority: number;
  /** Upper bound on what is sent, bits a second; undefined = learnt. */
  readonly rateBps: number | undefined;
  /** Share of the link in mode `weighted`; undefined = its measured rate decides. */
  readonly weight: number | undefined;
  /** `backup` carries data only while no `always` link does; `metered` only while no `backup` link does either. */
  readonly role: LinkRole;
  readonly health: LinkHealthConfig;
}

export type LinkRole = 'always' | 'backup' | 'metered';

export type ProbeMethod = 'icmp' | 'http' | 'https' | 'dns' | 'tcp';

/** Whom to ask whether a link works. */
export interface ProbeTarget {
  /** undefined = any method that the rest allows. */
  readonly method: ProbeMethod | undefined;
  /** IPv4 or IPv6 literal without brackets, or a host name. */
  readonly host: string;
  /** undefined = the method's own. */
  readonly port: number | undefined;
  /** HTTP: path and query, `/` by default. DNS: the name asked for, the root by default. */
  readonly path: string | undefined;
}

/** What all checks of `links.health.checks` have. */
interface CheckNumbers {
  readonly name: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** As of the link's health, of this check alone. */
  readonly failures: number;
  readonly successes: number;
}

export interface HttpCheck extends CheckNumbers {
  readonly type: 'http';
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Statuses that are right, as ranges of which both ends count. */
  readonly statuses: readonly { readonly from: number; readonly to: number }[];
  /** What the body must hold, as it stands, and as a regular expression. */
  readonly contains: string | undefined;
  readonly matches: string | undefined;
  readonly followsRedirects: boolean;
  /** false: any certificate will do. */
  readonly isVerified: boolean;
  /** PEM file of one's own authority, beside those that Node knows. */
  readonly caFile: string | undefined;
}

export type DnsRecordType = 'A' | 'AAAA' | 'CNAME' | 'MX' | 'TXT' | 'NS';

export interface DnsCheck extends CheckNumbers {
  readonly type: 'dns';
  readonly server: EndpointText;
  readonly query: string;
  readonly record: DnsRecordType;
  /** One of these must be answered; none = any record of the type. */
  readonly answer: readonly string[];
}

export interface TcpCheck extends CheckNumbers {
  readonly type: 'tcp';
  readonly target: EndpointText;
  readonly send: string | undefined;
  /** Regular expression that what comes back must match. */
  readonly expect: string | undefined;
}

export interface IcmpCheck extends CheckNumbers {
  readonly type: 'icmp';
  readonly target: string;
  /** Bytes of data in the echo. */
  readonly size: number;
  /** Echoes at a time, of which half must come back. */
  readonly count: number;
}

/** Answered by a plugin; judged as all others. */
export interface PluginCheck extends CheckNumbers {
  readonly type: 'plugin';
  readonly plugin: string;
  /** Handed to it as it is. */
  readonly argument: string | undefined;
}

export type HealthCheck = HttpCheck | DnsCheck | TcpCheck | IcmpCheck | PluginCheck;

export interface LinkHealthConfig {
  /** `checks` = what they say; then there are no targets. */
  readonly method: 'auto' | ProbeMethod | 'checks' | 'off';
  /** Not empty unless the method is `off` or `checks`. */
  readonly targets: readonly ProbeTarget[];
  /** Not empty if the method is `checks`. */
  readonly checks: readonly HealthCheck[];
  /** So many checks must pass. */
  readonly need: number;
  readonly intervalMs: number;
  /** So many probes in a row must fail before the link is down … */
  readonly failures: number;
  /** … and so many succeed before it is up again. */
  readonly successes: number;
  readonly degraded: { readonly latencyMs: number; readonly lossPercent: number };
  readonly down: { readonly latencyMs: number; readonly jitterMs: number; readonly lossPercent: number };
}

export type BondingMode =
  | 'adaptive'
  | 'round-robin'
  | 'weighted'
  | 'least-used'
  | 'least-latency'
  | 'per-flow'
  | 'failover'
  | 'redundant';

/** Classes of traffic as `bonding/queue/classify.ts` makes them; `control` is Hawser's own. */
export type ClassName = 'control' | 'latency' | 'bulk';

export type ProtectedClass = ClassName | 'icmp' | 'dns';

export interface BondingConfig {
  readonly mode: BondingMode;
  /** Modes of single classes; the others take `mode`. */
  readonly classes: Readonly<Partial<Record<ClassName, BondingMode>>>;
  /** Longest wait for a missing packet; 0 = off, auto = learnt from the paths. */
  readonly reorderMs: number | 'auto';
  /** auto = what an only link has lost is sent again, and waited for where the peer does so. */
  readonly repair: 'auto' | 'off';
  readonly fec: 'off' | 'auto' | { readonly data: number; readonly parity: number };
  /** A path that came back must be stable so long before it is used again. */
  readonly failbackMs: number;
  /** What is sent again when its path dies, oldest first. */
  readonly protect: readonly ProtectedClass[];
  /** The plugin that may suggest weights and roles; undefined = none may. */
  readonly suggestions: string | undefined;
}

export interface TransportsConfig {
  /** The most preferred first; those that are not named come behind, in the order of their numbers. */
  readonly order: readonly TransportName[];
  /** Of several by one link: one carries; one carries and another one bears copies; all carry. */
  readonly parallel: 'off' | 'redundant' | 'spread';
}

/** What visitors see who are no peers: files of a folder, or what a web server answers. */
export type WebSite = { readonly folder: string } | { readonly host: string; readonly port: number };

/** An HTTP proxy for CONNECT. */
export interface HttpProxy {
  /** IPv4 or IPv6 literal without brackets, or a host name. */
  readonly host: string;
  readonly port: number;
  /** '' = it asks for none. */
  readonly user: string;
}

export interface TlsConfig {
  /** PEM files; undefined = a certificate that nobody has signed is made. */
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  /** undefined = nothing is found. */
  readonly site: WebSite | undefined;
  readonly proxy: HttpProxy | undefined;
  readonly proxyPasswordFile: string | undefined;
  /** undefined = the host of the endpoint, if it is a name. */
  readonly serverName: string | undefined;
}

export type CipherChoice = 'auto' | 'chacha20-poly1305' | 'aes-256-gcm';

/** What one peer may send and be sent, as it sees it itself: `down` leads to it. Bits of inner packets a second, 0 = no limit. */
export interface PeerLimits {
  readonly upBps: number;
  readonly downBps: number;
  /** Share of the server's rate while that binds: 1 to 100; 0 = what the others leave. */
  readonly priority: number;
}

/** Why a client may have no session though it may come again: a key of `peerRefusal` (`contract/peer-tables.ts`). */
export type ClientRefusal = 'quota';

export interface PeerConfig {
  readonly name: string;
  /** base64 of 32 bytes. */
  readonly publicKey: string;
  readonly presharedKeyFile: string | undefined;
  /** The key itself, of a peer that no file tells of. Whatever writes JSON of it (logs, answers) writes `{}`. */
  readonly presharedKey?: ArrayBuffer;
  /** It stands in the store of clients, not in a file. */
  readonly isClient?: true;
  /** Whose device it is: those of one client have its rates together, and one block of ports. */
  readonly client?: string;
  /** It has a quota: its row says where it ends. */
  readonly isMetered?: true;
  /** Whoever has an invitation, until it is used: it may say the key that it will have as a client, and nothing else. */
  readonly mayEnrol?: true;
  readonly refusal?: ClientRefusal;
  readonly allowedIPs: readonly Cidr[];
  readonly endpoints: readonly EndpointText[];
  /** 0 = off. */
  readonly keepaliveMs: number;
  readonly cipher: CipherChoice;
  /** Its own, or the top-level one; undefined = WireGuard as it is. */
  readonly obfuscation: ObfuscationConfig | undefined;
  readonly limits: PeerLimits;
  /** What it has of the outside of a hub that translates addresses. */
  readonly nat?: PeerNat | undefined;
}

export interface PeerNat {
  /** Its own address outside; of the family that it is of. */
  readonly publicAddress?: string | undefined;
  readonly forwards?: readonly PortForward[] | undefined;
}

/** Name servers that the host shall use while the tunnel is up. */
export interface TunnelDns {
  /** IPv4 or IPv6 literals in their canonical form, the first asked first. */
  readonly servers: readonly string[];
  readonly search: readonly string[];
  /** Which names the host asks them for: every one, or those below `search`. */
  readonly names: 'all' | 'search';
}

export interface Config {
  readonly name: string;
  readonly identity: { readonly privateKeyFile: string };
  readonly tunnel: {
    readonly interface: string;
    readonly addresses: readonly Cidr[];
    readonly mtu: number;
    /** undefined = the host's name servers are left alone. */
    readonly dns: TunnelDns | undefined;
    /** Of packets to a stock WireGuard peer that are longer than its path takes. */
    readonly fragment: 'auto' | 'never' | 'always';
  };
  /** Never empty: without `links` in the file it is the one implicit link. */
  readonly links: readonly LinkConfig[];
  /** 0 = any free port. */
  /** Port by transport; those that are not named here nobody needs but to call from. */
  readonly listen: Readonly<Partial<Record<TransportName, number | undefined>>> & { readonly udp: number };
  readonly peers: readonly PeerConfig[];
  /** undefined = this host keeps no clients. */
  readonly server: ServerConfig | undefined;
  readonly bonding: BondingConfig;
  readonly transports: TransportsConfig;
  /** Of peers that say nothing else. */
  readonly obfuscation: ObfuscationConfig | undefined;
  readonly faketcp: {
    readonly style: 'linux' | 'phantun';
    /** A connection is replaced by another one after so long; 0 = never. */
    readonly rotateMs: number;
    /** File with what is sent first. */
    readonly handshakePacket: string | undefined;
  };
  readonly tls: TlsConfig;
  /** undefined = none is kept. */
  readonly history: HistoryConfig | undefined;
  readonly webhooks: readonly WebhookConfig[];
  readonly plugins: readonly PluginConfig[];
  /** undefined = nobody asks by HTTP. */
  readonly api: ApiConfig | undefined;
  readonly runtime: {
    readonly placement: 'auto' | 'dedicated' | 'compact';
    /** Pairs of sealer and opener over which peers are spread. */
    readonly shards: number | 'auto';
    readonly sealedLogBytes: number;
    /** Bits of the replay window. */
    readonly replayWindow: number;
    /** More restarts of one actor within 10 s end the process. */
    readonly restartLimit: number;
    readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
    /** `auto` = text on a terminal and under journald, otherwise one JSON object a line. */
    readonly logFormat: 'auto' | 'pretty' | 'json';
    /** Control socket, persisted endpoints and TAI64N live here. */
    readonly runDirectory: string;
    readonly stateDirectory: string;
  };
  readonly routing: {
    /** `auto` = a mark derived from the instance's name. */
    readonly fwmark: number | 'auto';
    /** Where routes through the tunnel go: tables of our own, main, one that others read, or (`off`) nowhere. */
    readonly table: 'auto' | 'main' | 'off' | number;
    readonly onExit: 'open' | 'closed';
  };
  /** Of `hawser update` alone: a running instance does not read it. */
  readonly update: UpdateConfig | undefined;
}

export interface UpdateConfig {
  readonly index: string;
  /** ed25519, base64. */
  readonly key: string;
}
