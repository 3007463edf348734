/** What can be asked of the targets of a link: every pair of a target and a method that fits both it and the configuration. */
import type { LinkHealthConfig, ProbeMethod, ProbeTarget } from '../../config/config.ts';
import type { WebExchange } from '../../io/link-probe.ts';
import { httpRequest, httpStatus, httpStatusAnswers } from '../../protocols/probe/http-probe.ts';

export interface ProbeCandidate {
  readonly method: ProbeMethod;
  readonly host: string;
  readonly port: number;
  /** HTTP: the path; DNS: the name asked for. */
  readonly path: string;
  readonly web: WebExchange | undefined;
}

/** In the order of preference of `auto`: cheap ones first. */
export const probeMethods: readonly ProbeMethod[] = ['icmp', 'dns', 'tcp', 'https', 'http'];
const ownPort: Readonly<Record<ProbeMethod, number>> = { icmp: 0, dns: 53, tcp: 443, https: 443, http: 80 };
/** RFC 6761 section 6.3: a resolver answers this one itself, so the time is the link's. */
const anyName = 'localhost';

export function candidatesOf(health: LinkHealthConfig): ProbeCandidate[] {
  const wanted = probeMethods.filter((method) => health.method === 'auto' || health.method === method);
  return wanted.flatMap((method) =>
    health.targets.filter((target) => fits(target, method, health)).map((target) => candidate(target, method)),
  );
}

/** A bare host may be asked in every way; one with a port, by the method that was configured, and by TCP when it is `auto`. */
function fits(target: ProbeTarget, method: ProbeMethod, health: LinkHealthConfig): boolean {
  if (target.method !== undefined) return target.method === method;
  if (target.port === undefined || health.method !== 'auto') return true;
  return method === 'tcp';
}

function candidate(target: ProbeTarget, method: ProbeMethod): ProbeCandidate {
  const port = method === 'icmp' ? 0 : (target.port ?? ownPort[method]);
  const isWeb = method === 'http' || method === 'https';
  const path = target.path ?? (isWeb ? '/' : anyName);
  return {
    method,
    host: target.host,
    port,
    path,
    web: isWeb ? webExchange(target.host, port, method, path) : undefined,
  };
}

function webExchange(host: string, port: number, method: ProbeMethod, path: string): WebExchange {
  const bracketed = host.includes(':') ? `[${host}]` : host;
  return {
    request: httpRequest(port === ownPort[method] ? bracketed : `${bracketed}:${port}`, path),
    read: (text) => {
      const status = httpStatus(text);
      return status === undefined ? undefined : { answered: httpStatusAnswers(status), detail: `status ${status}` };
    },
  };
}
