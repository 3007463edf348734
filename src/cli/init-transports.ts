/** `hawser init --transports udp,faketcp,tls`: the ports to listen on, the endpoints to call, the order in which transports are preferred. */
import { formatEndpoint, parsePeerEndpoint } from '../config/address.ts';
import type { EndpointText } from '../config/config.ts';
import { showValue } from '../config/show.ts';
import type { TransportName } from '../contract/link-tables.ts';
import { usageError } from './exit.ts';

/** What may be named, in the order of their numbers. That of the tests is not for people. */
const choosable = ['udp', 'faketcp', 'tls'] as const satisfies readonly TransportName[];
type Chosen = (typeof choosable)[number];

/** Nothing but the web gets out where TLS is needed. */
const tlsPort = 443;

export interface InitTransports {
  /** As the person named them, the most preferred first. */
  readonly names: readonly Chosen[];
  /** They were named, so that the file says their order. */
  readonly isNamed: boolean;
}

/** `text`: names with commas or spaces between; undefined = by UDP alone. */
export function parseTransports(text: string | undefined): InitTransports {
  if (text === undefined) return { names: ['udp'], isNamed: false };
  const names = text.split(/[\s,]+/).filter((name) => name !== '');
  const allowed = `some of ${choosable.join(', ')}, the most preferred first, as in --transports ${choosable.join(',')}`;
  if (names.length === 0) throw usageError('--transports names none', allowed);
  for (const [index, name] of names.entries()) {
    if (!isChosen(name)) throw usageError(`--transports names ${showValue(name)}`, allowed);
    if (names.indexOf(name) !== index) throw usageError(`--transports names ${name} twice`, allowed);
  }
  return { names: names.filter(isChosen), isNamed: true };
}

function isChosen(name: string): name is Chosen {
  return choosable.some((one) => one === name);
}

/** `listen` of a server whose port is `port`; `listen` of a client is its UDP port alone: nobody calls it. */
export function listenOf({ names }: InitTransports, port: number): Partial<Record<Chosen, number>> {
  const [hasUdp, hasFakeTcp, hasTls] = choosable.map((name) => names.includes(name));
  if (hasFakeTcp && port === 0)
    throw usageError(
      '--listen 0 leaves FakeTCP without a port',
      'a port from 1 to 65535, or --transports without faketcp',
    );
  if (hasFakeTcp && hasTls && port === tlsPort)
    throw usageError(`--listen ${port} is the TCP port of TLS, too`, 'another port: FakeTCP and TLS need one each');
  return {
    // Handshakes may always come by UDP; a port of its own is for whoever is to find it.
    udp: hasUdp ? port : 0,
    ...(hasFakeTcp ? { faketcp: port } : {}),
    ...(hasTls ? { tls: tlsPort } : {}),
  };
}

/**
 * Where the other side is reached: what names its transport (`tls://…`) as it stands, and `host:port` by each transport for which none is named,
 * with TLS at its own port. Text that is no endpoint is left for the check of the configuration.
 */
export function endpointsOf({ names, isNamed }: InitTransports, texts: readonly string[]): string[] {
  const given = texts.map((text) => ({ text, endpoint: parsePeerEndpoint(text) }));
  const spoken = new Set(given.map(({ endpoint }) => endpoint?.transport).filter((by) => by !== undefined));
  for (const by of spoken) {
    if (isNamed && !names.some((name) => name === by))
      throw usageError(
        `--endpoint names ${by}, which --transports does not`,
        `--transports ${[...names, by].join(',')}`,
      );
  }
  const wanted = names.filter((name) => !spoken.has(name));
  const made = given.flatMap(({ text, endpoint }) => {
    if (endpoint === undefined || endpoint.transport !== undefined) return [text];
    return isNamed ? wanted.flatMap((name) => reachedBy(name, endpoint)) : [text];
  });
  const isMissing = (name: Chosen): boolean =>
    given.every(({ endpoint }) => endpoint !== undefined) &&
    !made.some((text) => (parsePeerEndpoint(text)?.transport ?? 'udp') === name);
  const missing = isNamed && texts.length > 0 ? names.find(isMissing) : undefined;
  if (missing !== undefined)
    throw usageError(
      `No --endpoint leads there by ${missing}`,
      `${missing === 'udp' ? '' : `${missing}://`}HOST:PORT among them`,
    );
  // Several ports of one host have one place for TLS.
  return [...new Set(made)];
}

/** TLS is for what lies behind routers: a link-local place has none. */
function reachedBy(name: Chosen, { host, port, zone }: EndpointText): string[] {
  if (name === 'udp') return [formatEndpoint({ host, port, zone })];
  if (name === 'faketcp') return [formatEndpoint({ transport: name, host, port, zone })];
  return zone === undefined ? [formatEndpoint({ transport: name, host, port: tlsPort })] : [];
}

/** For a person: what must be let in, in front of a server. */
export function firewallAdvice(listen: Partial<Record<Chosen, number | undefined>>): string[] {
  const { udp = 0, faketcp, tls } = listen;
  if (faketcp === undefined && tls === undefined) return [];
  const doors = [
    ...(udp === 0 ? [] : [`UDP ${udp}`]),
    ...(faketcp === undefined
      ? []
      : [`TCP ${faketcp} (FakeTCP: this host itself may drop it, and must not reject it)`]),
    ...(tls === undefined ? [] : [`TCP ${tls} (TLS: visitors see tls.site there, a web site of yours)`]),
  ];
  return [`let in: ${doors.join(', ')}`];
}
