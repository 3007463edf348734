/**
 * Connections of TCP that leave by one link, like its packets: with the daemon's mark, bound to the link's interface and to an address of it,
 * straight to somebody or through an HTTP proxy (CONNECT, RFC 9110 section 9.3.6). Node's own sockets know neither mark nor interface.
 */
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import { HawserError, messageOf } from '../../base/errors.ts';
import { formatEndpoint, parseCidr } from '../../config/address.ts';
import type { HttpProxy } from '../../config/config.ts';
import type { NetworkApi } from '../../native/network-api.ts';
import type { TcpApi } from '../../native/tcp-api.ts';
import type { NetlinkSockets } from '../netlink.ts';
import { OpenDescriptors } from '../open-descriptors.ts';
import type { Resolution } from '../resolver.ts';
import { SourceFinder } from '../source-finder.ts';

export type DialSockets = Pick<NetworkApi, 'openMarkedTcp' | 'bindSource' | 'connectUdp' | 'tcpConnected'> &
  Pick<TcpApi, 'tuneTcp'> &
  NetlinkSockets;

/** Such as a `Resolver`. */
export interface AddressFinder {
  resolve(host: string): Promise<Pick<Resolution, 'addresses'>>;
}

export interface DialWay {
  readonly fwmark: number;
  /** '' = the kernel's routing chooses. */
  readonly interfaceName: string;
  /** Undefined = straight. */
  readonly proxy: HttpProxy | undefined;
  /** Of the proxy's user, looked up for each call. */
  readonly password: () => string;
  /** How long an address of a name may keep silent before the next is asked. */
  readonly answerMs: number;
}

export interface Dialled {
  readonly host: string;
  readonly port: number;
}

/** Of one connection in the kernel: bytes that wait unsent, and how long it may hear nothing of what it sent. */
export interface TcpTuning {
  readonly notSentBytes: number;
  readonly deadMs: number;
}

const fastestPollMs = 5;
const slowestPollMs = 100;
/** So that looking again costs a third of what was waited for, at most. */
const pollGrowth = 1.5;
const einprogress = -115;
const noAnswer = 'no answer to the connection';
const silentProxy = 'the proxy does not answer';
/** Of a proxy's answer. */
const mostAnswerBytes = 16_384;
/** What to do about a proxy's status; by its first digit where it has none of its own. Tinyproxy says 401 to a wrong password. */
const accountRemedy = 'look at the user in `tls.proxy`, and at `tls.proxyPasswordFile`';
const refusedRemedy =
  'the proxy lets nobody connect to that host or port, or not this machine: most let port 443 pass and no other; ask whoever runs it';
const unreachedRemedy = 'look at `tls.proxy`, and whether the proxy runs';
const beyondRemedy =
  'the proxy does not reach it: look whether the peer runs, and whether the proxy may look up its name';
const remedies: Readonly<Record<string, string>> = {
  401: accountRemedy,
  407: accountRemedy,
  403: refusedRemedy,
  405: 'what listens there is no proxy that knows CONNECT: look at `tls.proxy`',
  5: beyondRemedy,
};

export class Dialler {
  readonly #addon: DialSockets;
  readonly #resolver: AddressFinder;
  readonly #sources: SourceFinder;
  readonly #way: DialWay;
  readonly #tuning: TcpTuning;
  readonly #descriptors = new OpenDescriptors();
  /** Addresses (hexadecimal) that did not answer, by host, the latest last: they come behind the others, as long as those answer. */
  readonly #failed = new Map<string, readonly string[]>();
  #isClosed = false;

  /** `resolver`: asks by the same link. */
  constructor(addon: DialSockets, resolver: AddressFinder, way: DialWay, tuning: TcpTuning) {
    this.#addon = addon;
    this.#resolver = resolver;
    this.#sources = new SourceFinder(addon);
    this.#way = way;
    this.#tuning = tuning;
  }

  /** Rejects with one sentence. Through a proxy names are the proxy's to look up. */
  async dial(to: Dialled, signal: AbortSignal): Promise<Socket> {
    const { proxy } = this.#way;
    if (proxy === undefined) return this.#connect(to, signal);
    const socket = await this.#reach(proxy, signal);
    try {
      await this.#ask(socket, proxy, formatEndpoint({ host: to.host, port: to.port }), signal);
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  /** Ends what is under way and leaves nothing open, at once. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#descriptors.closeAll();
  }

  /** Says of what is wrong that it is so with the proxy, and not with whom it shall lead to. */
  async #reach(proxy: HttpProxy, signal: AbortSignal): Promise<Socket> {
    try {
      return await this.#connect(proxy, signal);
    } catch (error) {
      const place = formatEndpoint({ host: proxy.host, port: proxy.port });
      const why = error instanceof HawserError ? error.fault : messageOf(error);
      throw new HawserError('PROXY', `the proxy ${place} is not reached: ${why}`, unreachedRemedy);
    }
  }

  async #connect({ host, port }: Dialled, signal: AbortSignal): Promise<Socket> {
    let last: Error | undefined;
    for (const hex of await this.#addressesOf(host)) {
      if (signal.aborted || this.#isClosed) break;
      try {
        return await this.#open(Uint8Array.from(Buffer.from(hex, 'hex')), port, signal);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        last = error;
        const others = (this.#failed.get(host) ?? []).filter((one) => one !== hex);
        this.#failed.set(host, [...others, hex]);
      }
    }
    throw last ?? new HawserError('DIAL', signal.aborted ? noAnswer : `${host} has no address`);
  }

  /** Hexadecimal, in the order in which they are tried. */
  async #addressesOf(host: string): Promise<string[]> {
    const literal = parseCidr(host);
    const found = literal === undefined ? (await this.#resolver.resolve(host)).addresses : [literal];
    const all = found.map(({ addressHex }) => addressHex);
    const failed = (this.#failed.get(host) ?? []).filter((one) => all.includes(one));
    // A name whose addresses change would fill the list.
    this.#failed.set(host, failed);
    return [...all.filter((one) => !failed.includes(one)), ...failed];
  }

  async #open(address: Uint8Array, port: number, signal: AbortSignal): Promise<Socket> {
    const { fwmark, interfaceName, answerMs } = this.#way;
    const addon = this.#addon;
    const fd = this.#descriptors.add(addon.openMarkedTcp(address.length === 4 ? 4 : 6, fwmark, interfaceName));
    try {
      const bound = this.#sources.bind(addon, fd, interfaceName, fwmark, address);
      if (bound < 0) throw failed(bound, 'no address of this link');
      const begun = addon.connectUdp(fd, address, port, 0);
      if (begun < 0 && begun !== einprogress) throw failed(begun, 'cannot connect');
      const untilMs = performance.now() + answerMs;
      for (let pollMs = fastestPollMs; ; pollMs = Math.min(slowestPollMs, pollMs * pollGrowth)) {
        const state = addon.tcpConnected(fd, new Float64Array(1));
        if (state > 0) break;
        if (state < 0) throw failed(state, 'cannot connect');
        await sleep(pollMs);
        if (!this.#descriptors.has(fd) || signal.aborted || performance.now() > untilMs)
          throw new HawserError('DIAL', noAnswer);
      }
      addon.tuneTcp(fd, this.#tuning.notSentBytes, this.#tuning.deadMs);
      const socket = new Socket({ fd, readable: true, writable: true });
      this.#descriptors.release(fd);
      return socket;
    } finally {
      this.#descriptors.close(fd);
    }
  }

  async #ask(socket: Socket, { user }: HttpProxy, target: string, signal: AbortSignal): Promise<void> {
    const lines = [`CONNECT ${target} HTTP/1.1`, `Host: ${target}`];
    if (user !== '') {
      const pair = Buffer.from(`${user}:${this.#way.password()}`).toString('base64');
      lines.push(`Proxy-Authorization: Basic ${pair}`);
    }
    if (signal.aborted) throw new HawserError('PROXY', silentProxy);
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    const head = await headOf(socket, signal);
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? '';
    if (status.startsWith('2')) return;
    const remedy = remedies[status] ?? remedies[status.slice(0, 1)] ?? '';
    throw new HawserError(
      'PROXY',
      `the proxy answers ${status === '' ? 'no HTTP' : status} to CONNECT ${target}`,
      remedy,
    );
  }
}

/** What is said up to an empty line; what follows it stays in the socket. */
function headOf(socket: Socket, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = Buffer.alloc(0);
    const settle = (done: () => void): void => {
      socket.off('readable', onReadable).off('error', onEnd).off('close', onEnd);
      signal.removeEventListener('abort', onEnd);
      done();
    };
    const onEnd = (): void => settle(() => reject(new HawserError('PROXY', silentProxy)));
    const onReadable = (): void => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      heard = Buffer.concat([heard, chunk]);
      const end = heard.indexOf('\r\n\r\n');
      if (end < 0 && heard.length <= mostAnswerBytes) return;
      if (end < 0) {
        onEnd();
        return;
      }
      const rest = heard.subarray(end + 4);
      settle(() => {
        if (rest.length > 0) socket.unshift(rest);
        resolve(heard.subarray(0, end).toString('latin1'));
      });
    };
    socket.on('readable', onReadable).on('error', onEnd).on('close', onEnd);
    signal.addEventListener('abort', onEnd, { once: true });
  });
}

function failed(result: number, what: string): HawserError {
  const code = getSystemErrorName(result);
  return new HawserError(code, `${what}: ${code}`);
}
