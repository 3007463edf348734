/**
 * Ways from a machine that was invited to its hub, while there is no tunnel: a UDP socket for each address and link, or a connection of TLS (that
 * of FakeTCP: `join-faketcp.ts`).
 */
import { lookup } from 'node:dns/promises';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import { messageOf } from '../base/errors.ts';
import { formatEndpoint, parseCidr } from '../config/address.ts';
import type { EndpointText, HttpProxy } from '../config/config.ts';
import { proveCaller } from '../crypto/tls-proof.ts';
import { importKeyPair } from '../crypto/x25519.ts';
import { SourceFinder } from '../io/source-finder.ts';
import { callHub } from '../io/tls/call-hub.ts';
import { Dialler } from '../io/tls/dial.ts';
import type { Addon } from '../native/addon.ts';
import {
  tlsMessageCheck,
  tlsMessageEmitHeader,
  tlsMessageHeaderBytes,
  tlsMessageSegment,
} from '../wire/tls-message.ts';

export interface Way {
  /** For people: `udp 203.0.113.1:51820 by eth0`. */
  readonly text: string;
  /** Obfuscations are for UDP. */
  readonly canWear: boolean;
  send(message: Uint8Array): void;
  /** What has come since. */
  receive(): Uint8Array[];
  close(): void;
}

export interface WaysOptions {
  readonly addon: Addon;
  readonly endpoints: readonly EndpointText[];
  /** Interfaces; '' is added: as the kernel's routing has it. */
  readonly links: readonly string[];
  /** Raw, of the invitation; and the hub's public key. */
  readonly privateKey: Uint8Array;
  readonly hubKey: Uint8Array;
  /** Connections of TLS go through it; undefined = straight. */
  readonly proxy: ProxyWay | undefined;
}

/** Of connections: each is a way once it is there. */
export interface OpenWays {
  readonly signal: AbortSignal;
  readonly onWay: (way: Way) => void;
  /** What neither answered nor failed, for people. */
  readonly waiting: Set<string>;
  readonly troubles: string[];
}

export interface ProxyWay {
  readonly proxy: HttpProxy;
  readonly password: () => string;
}

/** Of a proxy's addresses, one may keep silent so long before the next is asked. */
const proxyAnswerMs = 4_000;
/** A few messages of a handshake. */
const proxyTuning = { notSentBytes: 16_384, deadMs: 5_000 } as const;

const mostDatagramBytes = 2048;
const mostWays = 32;

/** Why others cannot be had is added to `troubles`; a name that is not resolved within `patienceMs` is one of them. */
export async function openUdpWays(
  { addon, endpoints, links }: WaysOptions,
  troubles: string[],
  patienceMs: number,
): Promise<Way[]> {
  const ways: Way[] = [];
  const sources = new SourceFinder(addon);
  const places = endpoints.filter(({ transport }) => (transport ?? 'udp') === 'udp');
  const found = await Promise.all(places.map(({ host }) => addressesOf(host, troubles, patienceMs)));
  for (const [at, { port }] of places.entries()) {
    for (const address of found[at] ?? []) {
      for (const link of ['', ...links]) {
        const way = ways.length < mostWays ? openUdp(addon, sources, { address, port, link }) : 'too many places';
        if (typeof way === 'string') troubles.push(way);
        else ways.push(way);
      }
    }
  }
  return ways;
}

async function addressesOf(host: string, troubles: string[], patienceMs: number): Promise<string[]> {
  if (parseCidr(host) !== undefined) return [host];
  const abort = new AbortController();
  try {
    const late = sleep(patienceMs, undefined, { signal: abort.signal, ref: false }).then(() => {
      throw new Error('no answer in time');
    });
    return (await Promise.race([lookup(host, { all: true }), late])).map(({ address }) => address);
  } catch (error) {
    troubles.push(`the name ${host} is not resolved: ${messageOf(error)}`);
    return [];
  } finally {
    abort.abort();
  }
}

/** Or why there is none. */
function openUdp(
  addon: Addon,
  sources: SourceFinder,
  { address, port, link }: { address: string; port: number; link: string },
): Way | string {
  const text = `udp ${formatEndpoint({ host: address, port })}${link === '' ? '' : ` by ${link}`}`;
  const raw = Uint8Array.from(Buffer.from(parseCidr(address)?.addressHex ?? '', 'hex'));
  let fd: number;
  try {
    fd = addon.openMarkedUdp(raw.length === 4 ? 4 : 6, 0, link);
  } catch (error) {
    return `${text}: ${messageOf(error)}`;
  }
  const failed = Math.min(sources.bind(addon, fd, link, 0, raw), 0) || addon.connectUdp(fd, raw, port, 0);
  if (failed < 0) {
    addon.closeFd(fd);
    return `${text}: ${getSystemErrorName(failed)}`;
  }
  const buffer = new Uint8Array(mostDatagramBytes);
  return {
    text,
    canWear: true,
    send: (message) => void addon.sendBytes(fd, message),
    receive() {
      const all: Uint8Array[] = [];
      for (let length = addon.receiveBytes(fd, buffer, 0); length >= 0; length = addon.receiveBytes(fd, buffer, 0))
        all.push(buffer.slice(0, length));
      return all;
    },
    close: () => addon.closeFd(fd),
  };
}

/** Those of `endpoints` that answer, one after the other as they do. */
export async function openTlsWays(
  { addon, endpoints, privateKey, hubKey, proxy }: WaysOptions,
  { signal, onWay, waiting, troubles }: OpenWays,
): Promise<void> {
  const own = importKeyPair(privateKey);
  const places = endpoints.filter(({ transport }) => transport === 'tls');
  await Promise.all(
    places.map(async ({ host, port }) => {
      const text = `tls ${formatEndpoint({ host, port })}${proxy === undefined ? '' : ` through ${formatEndpoint(proxy.proxy)}`}`;
      waiting.add(text);
      try {
        const prove = (exporter: Uint8Array) => proveCaller(addon, own, hubKey, exporter);
        const stream =
          proxy === undefined ? connect({ host, port }) : await throughProxy(addon, proxy, { host, port }, signal);
        const socket = await callHub(stream, { serverName: host, port, prove }, signal);
        const inbox: Uint8Array[] = [];
        socket.web.on('message', (bytes: Uint8Array) => inbox.push(...packetsOf(bytes)));
        socket.web.on('error', () => undefined);
        onWay({
          text,
          canWear: false,
          send: (message) => socket.web.send(tlsMessage(message), { binary: true, compress: false }, () => undefined),
          receive: () => inbox.splice(0),
          close: () => {
            socket.web.terminate();
            socket.stream.destroy();
          },
        });
      } catch (error) {
        if (!signal.aborted) troubles.push(`${text}: ${messageOf(error)}`);
      } finally {
        if (!signal.aborted) waiting.delete(text);
      }
    }),
  );
}

/** Names of hubs are the proxy's to look up. */
async function throughProxy(
  addon: Addon,
  way: ProxyWay,
  to: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<Socket> {
  const resolver = {
    resolve: async (host: string) => ({
      addresses: (await lookup(host, { all: true })).flatMap(({ address }) => parseCidr(address) ?? []),
    }),
  };
  const own = { fwmark: 0, interfaceName: '', answerMs: proxyAnswerMs };
  return await new Dialler(addon, resolver, { ...own, ...way }, proxyTuning).dial(to, signal);
}

function tlsMessage(message: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(tlsMessageHeaderBytes + message.length);
  tlsMessageEmitHeader(bytes, message.length);
  bytes.set(message, tlsMessageHeaderBytes);
  return bytes;
}

function packetsOf(bytes: Uint8Array): Uint8Array[] {
  if (!tlsMessageCheck(bytes)) return [];
  const segment = tlsMessageSegment(bytes);
  const packets: Uint8Array[] = [];
  for (let at = tlsMessageHeaderBytes; at < bytes.length; at += segment)
    packets.push(Uint8Array.from(bytes.subarray(at, at + segment)));
  return packets;
}
