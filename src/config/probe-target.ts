/** Targets of health probes: `192.0.2.1`, `example.net:443`, `https://example.net/alive`, `dns://192.0.2.53/example.net`. */
import { bracketed, formatEndpoint, parseEndpoint } from './address.ts';
import type { ProbeMethod, ProbeTarget } from './config.ts';

const methods: readonly ProbeMethod[] = ['icmp', 'http', 'https', 'dns', 'tcp'];
/** The path or the name goes into a request as it stands: printable ASCII without spaces. */
const pathForm = /^[!-~]{0,512}$/;

/** undefined = not a target. A port with icmp and a path with icmp or tcp have no meaning and are refused. */
export function parseTarget(text: string): ProbeTarget | undefined {
  const match = /^(?:([a-z]+):\/\/)?(\[[^\]/]*\]|[^/:[\]]+|[0-9A-Fa-f:.]+)(?::(\d{1,5}))?(?:\/(.*))?$/.exec(text);
  if (match === null) return undefined;
  const [, scheme, host = '', port, path] = match;
  const method = methods.find((known) => known === scheme);
  if (scheme !== undefined && method === undefined) return undefined;
  const name = hostOf(host, port);
  if (name === undefined || !pathForm.test(path ?? '')) return undefined;
  if (method === 'icmp' && port !== undefined) return undefined;
  if (path !== undefined && method !== 'http' && method !== 'https' && method !== 'dns') return undefined;
  return {
    method,
    host: name,
    port: port === undefined ? undefined : Number(port),
    path: pathOf(method, path),
  };
}

/** What `parseTarget` reads back. */
export function formatTarget(target: ProbeTarget): string {
  const host = bracketed(target.host);
  const place = target.port === undefined ? host : formatEndpoint({ host: target.host, port: target.port });
  const path = target.path === undefined ? '' : target.path.replace(/^\/?/, '/');
  return `${target.method === undefined ? '' : `${target.method}://`}${place}${path}`;
}

/** The endpoint's own parser decides what a host is; a bare IPv6 literal needs no brackets without a port. */
function hostOf(host: string, port: string | undefined): string | undefined {
  const isBareIpv6 = host.includes(':') && !host.startsWith('[');
  if (isBareIpv6 && port !== undefined) return undefined;
  return parseEndpoint(`${isBareIpv6 ? `[${host}]` : host}:${port ?? '1'}`)?.host;
}

function pathOf(method: ProbeMethod | undefined, path: string | undefined): string | undefined {
  if (path === undefined || path === '') return undefined;
  return method === 'dns' ? path : `/${path}`;
}
