/** Object → commented YAML that `parse.ts` reads back to the same configuration. */
import { Document, isMap, isPair, isScalar, isSeq, type Pair, visit } from 'yaml';
import { formatCidr, formatEndpoint } from './address.ts';
import { apiToInput } from './api-schema.ts';
import type {
  BondingConfig,
  Config,
  HealthCheck,
  LinkConfig,
  LinkHealthConfig,
  PeerConfig,
  TlsConfig,
} from './config.ts';
import { isLimited, limitsToInput } from './limits-schema.ts';
import { implicitLinkName, isName } from './names.ts';
import { obfuscationToInput } from './obfuscation.ts';
import { formatTarget } from './probe-target.ts';
import { formatPath, type KeyPath } from './problems.ts';
import type { ConfigInput } from './schema.ts';
import { serverToInput } from './server.ts';
import { formatDurationMs, formatSizeBytes } from './units.ts';

const heading = [
  ' Configuration of a Hawser instance. `hawser check FILE` names everything that is wrong with it,',
  ' `hawser schema` prints all keys, their defaults and limits.',
].join('\n');

/** Said before the first key of that path; list indices are left out. */
const comments: Readonly<Record<string, string>> = {
  'identity.privateKeyFile': 'Mode 0600; a relative path starts at the folder of this file.',
  'tunnel.addresses': 'Addresses of this host inside the tunnel; the network of each is routed through it.',
  'tunnel.mtu': 'auto, or the most the interface takes; at least 1280 with IPv6 inside. What paths take is found out.',
  'tunnel.dns': 'The host asks these while the tunnel is up; names: search = only for names below `search`.',
  links: 'Ways out of this host. Without any, the routing of the kernel chooses.',
  'links.rate': 'Mbit/s, or auto.',
  'links.health': 'Probes past the tunnel: they tell a dead link from a dead peer.',
  listen: 'The port others send to; 0 = any free one.',
  'listen.faketcp': 'A TCP port for peers whose UDP is blocked; firewalls in front of this host must let it in.',
  'listen.tls': 'For peers that nothing but the web lets out; everybody else sees the web site that tls.site names.',
  'peers.presharedKeyFile': 'The same 32 bytes on both sides, mode 0600.',
  'peers.allowedIPs': 'What the peer may send from, and what is routed to it.',
  'peers.endpoints': 'Where the peer is reached first; it may move later.',
  'peers.keepalive': 'Keeps the way back open through NAT and firewalls.',
  server: 'Clients are added by `hawser client add`; each gets its address from here.',
  'server.endpoint': 'Where clients reach this host, as they are told.',
  'server.dns': 'Name servers that clients are told.',
  'bonding.classes': 'Modes of single classes of traffic: control, latency, bulk.',
  'bonding.fec': 'off, auto, or {data: 10, parity: 3}: 3 of 13 packets may be lost.',
  obfuscation: "AmneziaWG's: s1 to s4 and h1 to h4 are the same on both sides, the rest is each side's own.",
  'transports.order': 'By one link the first that works carries.',
  'routing.table': 'auto, main, the number of a table, or off: nothing is routed.',
  'routing.onExit': 'open = ordinary routes take over when hawser stops; closed = traffic is blocked.',
};

/** Short lists read better on one line. */
const oneLine = new Set([
  'tunnel.addresses',
  'tunnel.dns.servers',
  'tunnel.dns.search',
  'peers.allowedIPs',
  'peers.endpoints',
  'bonding.protect',
  'server.dns',
  'transports.order',
  'links.health.targets',
]);

/**
 * `extra` adds comments at exact paths (`peers[0]`), for what an import could not take over; `spareLinks` are written below `links` as a
 * comment, for a person to take the marks away.
 */
export function generateConfig(
  input: ConfigInput,
  extra: Readonly<Record<string, string>> = {},
  spareLinks: readonly SpareLink[] = [],
): string {
  const document = new Document(input);
  document.commentBefore = heading;
  if (isMap(document.contents)) document.contents.items.forEach(separate);
  const said = new Set<string>();
  visit(document, {
    Pair(_, pair, ancestors) {
      const keys = pathOf([...ancestors, pair]);
      const general = formatPath(keys.filter((key) => typeof key === 'string'));
      comment(pair, said.has(general) ? undefined : comments[general], extra[formatPath(keys)]);
      said.add(general);
      if (isSeq(pair.value) && oneLine.has(general)) pair.value.flow = true;
    },
    Map(_, map, ancestors) {
      const keys = pathOf([...ancestors, map]);
      const text = typeof keys.at(-1) === 'number' ? extra[formatPath(keys)] : undefined;
      if (text !== undefined) map.commentBefore = indented(text);
    },
  });
  if (spareLinks.length > 0) commentLinks(document, spareLinks);
  return document.toString({ lineWidth: 110, flowCollectionPadding: false });
}

/** Any map as YAML in the form of a configuration, with one remark above it. */
export function configToYaml(value: object, remark: string): string {
  const document = new Document(value);
  document.commentBefore = remark;
  visit(document, {
    Seq(_, list) {
      list.flow = list.items.every(isScalar);
    },
  });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

export interface SpareLink {
  readonly name: string;
  readonly interface: string;
  /** Why it is not in use. */
  readonly remark: string;
}

/** Behind the links there are, or where they would stand. */
function commentLinks(document: Document, spare: readonly SpareLink[]): void {
  const lines = spare.map(({ name, interface: device, remark }) => {
    return `- { name: ${JSON.stringify(name)}, interface: ${JSON.stringify(device)} }  # ${remark}`;
  });
  const links = document.get('links');
  if (isSeq(links)) {
    links.comment = indented(lines.join('\n'));
    return;
  }
  const all = [comments.links, 'links:', ...lines.map((line) => `  ${line}`)].join('\n');
  const next = isMap(document.contents)
    ? document.contents.items.find(({ key }) => isScalar(key) && key.value === 'listen')
    : undefined;
  if (next === undefined || !isScalar(next.key)) return;
  next.key.commentBefore = `${indented(all)}\n\n${next.key.commentBefore ?? ''}`;
}

/** An empty line before each of the main parts. */
function separate(pair: Pair, index: number): void {
  if (index > 0 && isScalar(pair.key)) pair.key.spaceBefore = true;
}

function comment(pair: Pair, ...texts: (string | undefined)[]): void {
  const present = texts.filter((text) => text !== undefined);
  if (present.length > 0 && isScalar(pair.key)) pair.key.commentBefore = indented(present.join('\n'));
}

function indented(text: string): string {
  return text.replace(/^/gm, ' ');
}

/** Keys from the root down to the last of `nodes`. */
function pathOf(nodes: readonly unknown[]): KeyPath {
  const keys: (string | number)[] = [];
  for (const [index, node] of nodes.entries()) {
    if (isPair(node) && isScalar(node.key)) keys.push(String(node.key.value));
    const parent = nodes[index - 1];
    if (isSeq(parent)) keys.push(parent.items.indexOf(node));
  }
  return keys;
}

/** The file that would parse to `config`, every default written out. */
export function configToInput(config: Config): ConfigInput {
  const { sealedLogBytes, ...runtime } = config.runtime;
  return {
    name: config.name,
    identity: config.identity,
    tunnel: tunnelToInput(config.tunnel),
    ...(isImplicit(config.links) ? {} : { links: config.links.map(linkToInput) }),
    listen: config.listen,
    peers: config.peers.map((peer) => peerToInput(peer, config.obfuscation)),
    ...(config.server === undefined ? {} : { server: serverToInput(config.server) }),
    bonding: bondingToInput(config.bonding),
    transports: { ...config.transports, order: [...config.transports.order] },
    ...(config.obfuscation === undefined ? {} : { obfuscation: obfuscationToInput(config.obfuscation) }),
    faketcp: fakeTcpToInput(config.faketcp),
    tls: tlsToInput(config.tls),
    ...(config.api === undefined ? {} : { api: apiToInput(config.api) }),
    runtime: { ...runtime, sealedLog: formatSizeBytes(sealedLogBytes) },
    routing: config.routing,
    ...(config.update === undefined ? {} : { update: config.update }),
  };
}

function fakeTcpToInput({ style, rotateMs, handshakePacket }: Config['faketcp']): ConfigInput['faketcp'] {
  const named = handshakePacket === undefined ? {} : { handshakePacket };
  return { style, rotate: rotateMs === 0 ? 'off' : formatDurationMs(rotateMs), ...named };
}

function tunnelToInput({ dns, addresses, ...rest }: Config['tunnel']): ConfigInput['tunnel'] {
  const named = dns === undefined ? {} : { dns: { ...dns, servers: [...dns.servers], search: [...dns.search] } };
  return { ...rest, addresses: addresses.map(formatCidr), ...named };
}

function isImplicit(links: readonly LinkConfig[]): boolean {
  const [only] = links;
  return (
    links.length === 1 && only?.name === implicitLinkName && only.interface === undefined && only.rateBps === undefined
  );
}

function linkToInput(link: LinkConfig): NonNullable<ConfigInput['links']>[number] {
  return {
    name: link.name,
    ...(link.interface === undefined ? {} : { interface: link.interface }),
    priority: link.priority,
    rate: link.rateBps === undefined ? 'auto' : link.rateBps / 1e6,
    ...(link.weight === undefined ? {} : { weight: link.weight }),
    role: link.role,
    health: healthToInput(link.health),
  };
}

type HealthInput = NonNullable<NonNullable<ConfigInput['links']>[number]['health']>;

function healthToInput(health: LinkHealthConfig): HealthInput {
  const { degraded, down, method } = health;
  const asked =
    method === 'checks'
      ? { checks: health.checks.map(checkToInput), need: health.need }
      : { method, targets: health.targets.map(formatTarget) };
  return {
    ...asked,
    interval: formatDurationMs(health.intervalMs),
    failures: health.failures,
    successes: health.successes,
    degraded: { latency: formatDurationMs(degraded.latencyMs), loss: degraded.lossPercent },
    down: {
      latency: formatDurationMs(down.latencyMs),
      jitter: formatDurationMs(down.jitterMs),
      loss: down.lossPercent,
    },
  };
}

function checkToInput(check: HealthCheck): NonNullable<HealthInput['checks']>[number] {
  const { intervalMs, timeoutMs, ...rest } = check;
  const numbers = {
    // A name made of the target may be none that a person may write.
    ...(isName(check.name) ? {} : { name: undefined }),
    interval: formatDurationMs(intervalMs),
    timeout: formatDurationMs(timeoutMs),
  };
  const input = Object.fromEntries(
    Object.entries({ ...rest, ...numbers, ...checkFields(check) }).filter(([, value]) => value !== undefined),
  );
  return input as NonNullable<HealthInput['checks']>[number];
}

/** Those that the file calls otherwise, or writes otherwise. */
function checkFields(check: HealthCheck): Readonly<Record<string, unknown>> {
  if (check.type === 'http')
    return {
      statuses: undefined,
      status: check.statuses.map(({ from, to }) => (from === to ? from : `${from}-${to}`)),
      followsRedirects: undefined,
      redirects: check.followsRedirects ? 'follow' : 'refuse',
      isVerified: undefined,
      verify: check.isVerified,
      caFile: undefined,
      ca: check.caFile,
    };
  if (check.type === 'dns')
    return { server: formatEndpoint(check.server), answer: check.answer.length === 0 ? undefined : [...check.answer] };
  return check.type === 'tcp' ? { target: formatEndpoint(check.target) } : {};
}

function bondingToInput(bonding: BondingConfig): NonNullable<ConfigInput['bonding']> {
  const { reorderMs } = bonding;
  return {
    mode: bonding.mode,
    classes: bonding.classes,
    reorder: reorderMs === 'auto' ? 'auto' : reorderMs === 0 ? 'off' : formatDurationMs(reorderMs),
    repair: bonding.repair,
    fec: bonding.fec,
    failback: bonding.failbackMs === 0 ? '0s' : formatDurationMs(bonding.failbackMs),
    protect: [...bonding.protect],
    ...(bonding.suggestions === undefined ? {} : { suggestions: bonding.suggestions }),
  };
}

function tlsToInput({ site, proxy, ...files }: TlsConfig): NonNullable<ConfigInput['tls']> {
  const said = Object.fromEntries(Object.entries(files).filter(([, value]) => value !== undefined));
  const url = (host: string, port: number, user = ''): string =>
    `http://${user === '' ? '' : `${encodeURIComponent(user)}@`}${formatEndpoint({ host, port })}`;
  return {
    ...said,
    ...(site === undefined ? {} : { site: 'folder' in site ? site.folder : url(site.host, site.port) }),
    ...(proxy === undefined ? {} : { proxy: url(proxy.host, proxy.port, proxy.user) }),
  };
}

function peerToInput(peer: PeerConfig, common: Config['obfuscation']): NonNullable<ConfigInput['peers']>[number] {
  const hasOwn = JSON.stringify(peer.obfuscation) !== JSON.stringify(common);
  return {
    name: peer.name,
    publicKey: peer.publicKey,
    ...(peer.presharedKeyFile === undefined ? {} : { presharedKeyFile: peer.presharedKeyFile }),
    allowedIPs: peer.allowedIPs.map(formatCidr),
    endpoints: peer.endpoints.map(formatEndpoint),
    keepalive: peer.keepaliveMs === 0 ? 'off' : formatDurationMs(peer.keepaliveMs),
    cipher: peer.cipher,
    ...(hasOwn ? { obfuscation: obfuscationToInput(peer.obfuscation) } : {}),
    ...(isLimited(peer.limits) ? { limits: limitsToInput(peer.limits) } : {}),
  };
}
