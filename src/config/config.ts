/** The configuration as the program sees it: parsed, checked, defaults filled in, frozen. `parse.ts` is its only maker. */

export interface Cidr {
  readonly family: 4 | 6;
  /** 4 or 16 bytes as lower-case hexadecimal. */
  readonly addressHex: string;
  /** As written by people: `10.9.0.2`, `fd00:9::2`. */
  readonly address: string;
  readonly prefix: number;
}

export interface EndpointText {
  /** IPv4 or IPv6 literal without brackets, or a host name. */
  readonly host: string;
  readonly port: number;
}

export interface LinkConfig {
  readonly name: string;
  /** Interface the link's sockets are bound to; undefined = the kernel's routing chooses (the one implicit link `default`). */
  readonly interface: string | undefined;
  readonly priority: number;
  /** Upper bound on what is sent, bits a second; undefined = learnt. */
  readonly rateBps: number | undefined;
}

export type CipherChoice = 'auto' | 'chacha20-poly1305' | 'aes-256-gcm';

export interface PeerConfig {
  readonly name: string;
  /** base64 of 32 bytes. */
  readonly publicKey: string;
  readonly presharedKeyFile: string | undefined;
  readonly allowedIPs: readonly Cidr[];
  readonly endpoints: readonly EndpointText[];
  /** 0 = off. */
  readonly keepaliveMs: number;
  readonly cipher: CipherChoice;
}

export interface Config {
  readonly name: string;
  readonly identity: { readonly privateKeyFile: string };
  readonly tunnel: { readonly interface: string; readonly addresses: readonly Cidr[]; readonly mtu: number };
  /** Never empty: without `links` in the file it is the one implicit link. */
  readonly links: readonly LinkConfig[];
  /** 0 = any free port. */
  readonly listen: { readonly udp: number };
  readonly peers: readonly PeerConfig[];
  readonly runtime: {
    readonly placement: 'dedicated' | 'compact';
    readonly sealedLogBytes: number;
    /** Bits of the replay window. */
    readonly replayWindow: number;
    /** More restarts of one actor within 10 s end the process. */
    readonly restartLimit: number;
    readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
    /** Control socket, persisted endpoints and TAI64N live here. */
    readonly runDirectory: string;
    readonly stateDirectory: string;
  };
  readonly routing: {
    /** `auto` = a mark derived from the instance's name. */
    readonly fwmark: number | 'auto';
    readonly onExit: 'open' | 'closed';
  };
}
