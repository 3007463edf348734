/**
 * What no single value shows: duplicates, prefixes that two peers claim, limits that follow from other keys. Works on the raw
 * object and skips what is malformed there (the schema reports that), so that one run shows the problems of both kinds.
 */
import { endpoint as endpointLayout } from '../contract/peer-tables.ts';
import { formatCidr, formatEndpoint, maskCidr, parseCidr, parseEndpoint, parsePeerEndpoint } from './address.ts';
import { obfuscationFindings } from './obfuscation-checks.ts';
import { pluginFindings } from './plugin-checks.ts';
import { parseTarget } from './probe-target.ts';
import { type Finding, formatPath, type KeyPath } from './problems.ts';
import { serverFindings } from './server-checks.ts';
import { showValue } from './show.ts';

type RawMap = Readonly<Record<string, unknown>>;

export function crossCheck(raw: unknown, name: string): Finding[] {
  const root = asMap(raw);
  return [
    ...duplicates(root, 'links', 'name'),
    ...duplicates(root, 'peers', 'name'),
    ...duplicates(root, 'peers', 'publicKey'),
    ...claimedTwice(root),
    ...duplicateAddresses(root),
    ...narrowForIpv6(root),
    ...unfitTargets(root),
    ...strangeZones(root),
    ...closedWithoutRoutes(root),
    ...halfIdentity(root),
    ...proxyWithPassword(root),
    ...onePortTwice(root),
    ...unfitTlsEndpoints(root),
    ...obfuscationFindings(root),
    ...serverFindings(root),
    ...pluginFindings(root),
    ...longSocketPath(root, name),
  ];
}

function duplicates(root: RawMap, list: string, key: string): Finding[] {
  const seen = new Map<string, number>();
  return asList(root[list]).flatMap((entry, index) => {
    const value = asMap(entry)[key];
    if (typeof value !== 'string') return [];
    const first = seen.get(value);
    if (first === undefined) {
      seen.set(value, index);
      return [];
    }
    return [
      finding([list, index, key], `${showValue(value)} stands in ${list}[${first}] already: each needs its own ${key}`),
    ];
  });
}

/**
 * Nested prefixes are fine (the longest wins, as in WireGuard); the same prefix at two peers is not: WireGuard would silently
 * give it to the last one.
 */
function claimedTwice(root: RawMap): Finding[] {
  const owners = new Map<string, number>();
  const findings: Finding[] = [];
  for (const [peerIndex, peer] of asList(root.peers).entries()) {
    for (const [index, text] of asList(asMap(peer).allowedIPs).entries()) {
      const cidr = typeof text === 'string' ? parseCidr(text) : undefined;
      if (cidr === undefined) continue;
      const prefix = formatCidr(maskCidr(cidr));
      const owner = owners.get(prefix);
      if (owner === undefined) owners.set(prefix, peerIndex);
      else if (owner !== peerIndex) {
        const message = `${prefix} overlaps with peers[${owner}].allowedIPs: one prefix leads to one peer`;
        findings.push(finding(['peers', peerIndex, 'allowedIPs', index], message));
      }
    }
  }
  return findings;
}

function duplicateAddresses(root: RawMap): Finding[] {
  const seen = new Set<string>();
  return asList(asMap(root.tunnel).addresses).flatMap((text, index) => {
    const cidr = typeof text === 'string' ? parseCidr(text) : undefined;
    if (cidr === undefined) return [];
    const repeated = seen.has(cidr.addressHex);
    seen.add(cidr.addressHex);
    return repeated ? [finding(['tunnel', 'addresses', index], `${cidr.address} stands in this list already`)] : [];
  });
}

/** RFC 8200 section 5: a link that carries IPv6 has an MTU of 1280 at least; Linux takes IPv6 off an interface below it. */
function narrowForIpv6(root: RawMap): Finding[] {
  const tunnel = asMap(root.tunnel);
  const mtu = tunnel.mtu;
  if (typeof mtu !== 'number' || mtu >= 1280 || mtu < 576) return [];
  const prefixes = [
    ...asList(tunnel.addresses),
    ...asList(root.peers).flatMap((peer) => asList(asMap(peer).allowedIPs)),
  ];
  const hasIpv6 = prefixes.some((text) => typeof text === 'string' && parseCidr(text)?.family === 6);
  if (!hasIpv6) return [];
  return [{ ...finding(['tunnel', 'mtu'], `${mtu} is too small for IPv6 in the tunnel`), allowed: ['1280..65456'] }];
}

/** A link whose health is asked for needs somebody to ask, and each target must be askable in that way. */
function unfitTargets(root: RawMap): Finding[] {
  return asList(root.links).flatMap((link, index) => {
    const { method, targets, checks, need } = asMap(asMap(link).health);
    const path = ['links', index, 'health'];
    const count = asList(checks).length;
    if (count > 0 && (method !== undefined || asList(targets).length > 0)) {
      const message = 'stands beside method or targets: checks take their place';
      return [finding([...path, 'checks'], message)];
    }
    if (typeof need === 'number' && need > count) {
      return [finding([...path, 'need'], `${need} of ${count} checks can never pass`)];
    }
    if (typeof method !== 'string' || method === 'off') return [];
    if (asList(targets).length === 0) {
      const message = `${showValue(method)} has nobody to ask: name hosts outside the tunnel in ${formatPath(path)}.targets`;
      return [finding([...path, 'method'], message)];
    }
    return asList(targets).flatMap((text, at) => {
      const only = typeof text === 'string' ? parseTarget(text)?.method : undefined;
      if (only === undefined || method === 'auto' || only === method) return [];
      return [finding([...path, 'targets', at], `${showValue(text)} is asked by ${only}, and the method is ${method}`)];
    });
  });
}

/** A link-local address lies on the network of one interface, and a link leaves by its own alone. */
function strangeZones(root: RawMap): Finding[] {
  const interfaces = asList(root.links).map((link) => asMap(link).interface);
  if (interfaces.length === 0 || interfaces.some((name) => typeof name !== 'string')) return [];
  return asList(root.peers).flatMap((peer, index) =>
    asList(asMap(peer).endpoints).flatMap((text, at) => {
      const zone = typeof text === 'string' ? parsePeerEndpoint(text)?.zone : undefined;
      if (zone === undefined || interfaces.includes(zone)) return [];
      const message = `lies on ${zone}, and no link leaves by that interface: give it a link, or name the one of a link`;
      return [
        { ...finding(['peers', index, 'endpoints', at], message), allowed: interfaces.map((name) => `%${name}`) },
      ];
    }),
  );
}

/** What blocks traffic after a stop are routes; where none are made, a promise would be broken without a word. */
function closedWithoutRoutes(root: RawMap): Finding[] {
  const { table, onExit } = asMap(root.routing);
  if (table !== 'off' || onExit !== 'closed') return [];
  return [
    finding(['routing', 'onExit'], '"closed" blocks nothing with routing.table off: whoever makes the routes must'),
  ];
}

/** A certificate is of no use without its key, nor a key without its certificate. */
function halfIdentity(root: RawMap): Finding[] {
  const { certificate, key } = asMap(root.tls);
  if ((certificate === undefined) === (key === undefined)) return [];
  return [
    certificate === undefined
      ? finding(['tls', 'key'], 'needs its certificate beside it: tls.certificate')
      : finding(['tls', 'certificate'], 'needs its key beside it: tls.key'),
  ];
}

/** Whoever pastes the configuration somewhere would paste the password. */
function proxyWithPassword(root: RawMap): Finding[] {
  const { proxy, proxyPasswordFile } = asMap(root.tls);
  if (typeof proxy !== 'string' || !URL.canParse(proxy)) return [];
  const { username, password } = new URL(proxy);
  if (password !== '') {
    const message = 'holds a password: write it to a file of mode 0600, and name that in tls.proxyPasswordFile';
    return [finding(['tls', 'proxy'], message)];
  }
  if (/%(?![0-9a-f]{2})/i.test(username))
    return [finding(['tls', 'proxy'], 'has a "%" in its user that begins no escape (RFC 3986): write it as %25')];
  if (username === '' && proxyPasswordFile !== undefined)
    return [finding(['tls', 'proxyPasswordFile'], 'is whose? tls.proxy names no user (http://user@host:port)')];
  if (username !== '' && proxyPasswordFile === undefined)
    return [
      finding(['tls', 'proxy'], 'names a user: write the password to a file, and name that in tls.proxyPasswordFile'),
    ];
  return [];
}

/** Each wants all of what comes to a TCP port. */
function onePortTwice(root: RawMap): Finding[] {
  const { tls, faketcp } = asMap(root.listen);
  const { listen } = asMap(root.api);
  const apiPort = typeof listen === 'string' ? parseEndpoint(listen)?.port : undefined;
  const needed = 'each needs a TCP port of its own';
  const taken = Object.entries({ tls, faketcp }).filter(([, port]) => apiPort !== undefined && port === apiPort);
  return [
    ...(tls === undefined || tls !== faketcp
      ? []
      : [finding(['listen', 'tls'], `is the port of listen.faketcp: ${needed}`)]),
    ...taken.map(([by]) => finding(['api', 'listen'], `has the port of listen.${by}: ${needed}`)),
  ];
}

/** Whoever calls there has to know beforehand whom it calls: the request is sealed for one peer. And a name has its place in a table. */
function unfitTlsEndpoints(root: RawMap): Finding[] {
  const owners = new Map<string, number>();
  return asList(root.peers).flatMap((peer, index) =>
    asList(asMap(peer).endpoints).flatMap((text, at) => {
      const endpoint = typeof text === 'string' ? parsePeerEndpoint(text) : undefined;
      if (endpoint?.transport !== 'tls') return [];
      const { length } = endpoint.host;
      if (length > endpointLayout.mostNameBytes) {
        const message = `has a name of ${length} characters: TLS takes ${endpointLayout.mostNameBytes} at most`;
        return [finding(['peers', index, 'endpoints', at], message)];
      }
      if (endpoint.zone !== undefined)
        return [finding(['peers', index, 'endpoints', at], 'is link-local: TLS is for what lies behind routers')];
      const place = formatEndpoint(endpoint);
      const owner = owners.get(place) ?? index;
      owners.set(place, owner);
      if (owner === index) return [];
      return [
        finding(
          ['peers', index, 'endpoints', at],
          `${place} is where peers[${owner}] is reached: one peer answers there`,
        ),
      ];
    }),
  );
}

/** sun_path of unix(7) holds 108 bytes with the final zero. */
function longSocketPath(root: RawMap, name: string): Finding[] {
  const folder = asMap(root.runtime).runDirectory;
  if (typeof folder !== 'string') return [];
  // The socket is made as `.s-XXXXXX/s` and then moved to its name (control-server.ts).
  const length = Math.max(Buffer.byteLength(`${folder}/${name}.sock`), Buffer.byteLength(`${folder}/.s-XXXXXX/s`));
  if (length <= 107) return [];
  const message = `makes the control socket's path ${length} bytes long; the kernel takes 107: use a shorter folder`;
  return [finding(['runtime', 'runDirectory'], message)];
}

function finding(path: KeyPath, message: string): Finding {
  return { path, at: 'value', message, allowed: [] };
}

function asMap(value: unknown): RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as RawMap) : {};
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
