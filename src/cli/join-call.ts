/** How a machine that was invited reaches its hub before there is a tunnel: by UDP to every address of it, by every link, until one answers. */
import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import { HawserError, messageOf } from '../base/errors.ts';
import { parseCidr } from '../config/address.ts';
import type { EndpointText } from '../config/config.ts';
import { SourceFinder } from '../io/source-finder.ts';
import type { Addon } from '../native/addon.ts';
import type { Enrolment } from '../protocols/session/enrolment.ts';

/** A socket, or something like it, that leads to the hub. */
export interface Way {
  /** For people: `udp 203.0.113.1:51820 by eth0`. */
  readonly text: string;
  send(message: Uint8Array): void;
  /** What has come since. */
  receive(): Uint8Array[];
  close(): void;
}

export interface CallOptions {
  readonly addon: Addon;
  readonly endpoints: readonly EndpointText[];
  /** Interfaces; '' = as the kernel's routing has it. */
  readonly links: readonly string[];
  /** Give up after this. */
  readonly patienceMs: number;
}

const pollMs = 20;
const mostDatagramBytes = 2048;
const mostWays = 32;

/** Resolves to the answer: an ENROL frame. Rejects with what was in the way, or NO_ANSWER. */
export async function callHub(enrolment: Enrolment, options: CallOptions): Promise<Uint8Array> {
  const { addon, patienceMs } = options;
  const { ways, troubles } = await openWays(options);
  if (ways.length === 0)
    throw new HawserError('NO_WAY', `The hub cannot be called: ${troubles.join('; ')}`, noWayRemedy);
  let chosen: Way | undefined;
  let lastStampUs = 0;
  const untilMs = performance.now() + patienceMs;
  try {
    while (performance.now() < untilMs) {
      const nowUs = addon.nowUs();
      lastStampUs = Math.max(lastStampUs + 1, Date.now() * 1000);
      const message = enrolment.nextMessage(nowUs, lastStampUs);
      // Each call goes everywhere again: what answered before may be gone.
      const isCall = enrolment.state === 'calling';
      if (message !== undefined) for (const way of isCall || chosen === undefined ? ways : [chosen]) way.send(message);
      for (const way of ways)
        for (const datagram of way.receive()) if (enrolment.handleMessage(datagram, nowUs)) chosen = way;
      const { answer } = enrolment;
      if (enrolment.isTooOld) throw new HawserError('OLD_HUB', 'The hub takes no invitations', 'update hawser there');
      if (answer !== undefined) return answer;
      await sleep(pollMs);
    }
  } finally {
    for (const way of ways) way.close();
  }
  throw noAnswer(enrolment, ways);
}

const noWayRemedy = 'see whether this machine has a way out: ip route; hawser doctor';

function noAnswer({ state }: Enrolment, ways: readonly Way[]): HawserError {
  const places = ways.map(({ text }) => text).join(', ');
  if (state !== 'calling')
    return new HawserError(
      'NO_ANSWER',
      `The hub was there, and has become silent (${places})`,
      'run the same line again',
    );
  const message = `The hub does not answer (${places})`;
  const remedy =
    'an invitation that was used, taken back or has expired gets no answer either: ask for another, and see whether UDP gets through';
  return new HawserError('NO_ANSWER', message, remedy);
}

async function openWays({ addon, endpoints, links }: CallOptions): Promise<{ ways: Way[]; troubles: string[] }> {
  const ways: Way[] = [];
  const troubles: string[] = [];
  const sources = new SourceFinder(addon);
  for (const endpoint of endpoints) {
    if ((endpoint.transport ?? 'udp') !== 'udp') continue;
    for (const address of await addressesOf(endpoint.host, troubles)) {
      for (const link of ['', ...links]) {
        if (ways.length >= mostWays) break;
        const way = openUdp(addon, sources, { address, port: endpoint.port, link });
        if (typeof way === 'string') troubles.push(way);
        else ways.push(way);
      }
    }
  }
  return { ways, troubles };
}

async function addressesOf(host: string, troubles: string[]): Promise<string[]> {
  if (parseCidr(host) !== undefined) return [host];
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    troubles.push(`the name ${host} is not resolved: ${messageOf(error)}`);
    return [];
  }
}

/** Or why there is none. */
function openUdp(
  addon: Addon,
  sources: SourceFinder,
  { address, port, link }: { address: string; port: number; link: string },
): Way | string {
  const text = `udp ${address.includes(':') ? `[${address}]` : address}:${port}${link === '' ? '' : ` by ${link}`}`;
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
