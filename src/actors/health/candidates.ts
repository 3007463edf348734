/**
 * What can be asked of a link: every pair of a target and a method that fits both it and the configuration, or the one question of a
 * check.
 */
import { bracketed } from '../../config/address.ts';
import type { HealthCheck, LinkHealthConfig, PluginCheck, ProbeMethod, ProbeTarget } from '../../config/config.ts';
import { matchesWithin } from '../../io/bounded-pattern.ts';
import type { ProbeQuestion } from '../../io/link-probe.ts';
import { hostOf, portOf } from '../../io/web-probe.ts';
import { dnsTypeOf, judgeDns } from '../../protocols/probe/dns-probe.ts';
import { judgeHttp } from '../../protocols/probe/http-probe.ts';

export interface ProbeCandidate {
  readonly method: ProbeMethod;
  readonly host: string;
  readonly port: number;
  readonly question: ProbeQuestion;
}

/** Somebody else asks, and says what came of it. */
export interface PluginCandidate {
  readonly method: 'plugin';
  readonly check: PluginCheck;
}

/** In the order of preference of `auto`: cheap ones first. */
export const probeMethods: readonly ProbeMethod[] = ['icmp', 'dns', 'tcp', 'https', 'http'];
const ownPort: Readonly<Record<ProbeMethod, number>> = { icmp: 0, dns: 53, tcp: 443, https: 443, http: 80 };
/** RFC 6761 section 6.3: a resolver answers this one itself, so the time is the link's. */
const anyName = 'localhost';
const echoBytes = 16;
/** From 500 on the server itself says that it does not work (RFC 9110 section 15.6). */
const anyAnswer = { statuses: [{ from: 100, to: 499 }], contains: undefined, matches: undefined } as const;

/** Whether it costs both ends a connection, and TLS its signatures. */
export function isWeb({ method }: ProbeCandidate | PluginCandidate): boolean {
  return method === 'http' || method === 'https';
}

export function candidatesOf(health: Pick<LinkHealthConfig, 'method' | 'targets'>): ProbeCandidate[] {
  const wanted = probeMethods.filter((method) => health.method === 'auto' || health.method === method);
  return wanted.flatMap((method) =>
    health.targets
      .filter((target) => fits(target, method, health))
      .map((target) => ({
        method,
        host: target.host,
        port: method === 'icmp' ? 0 : (target.port ?? ownPort[method]),
        question: questionOf(target, method),
      })),
  );
}

/** A bare host may be asked in every way; one with a port, by the method that was configured, and by TCP when it is `auto`. */
function fits(target: ProbeTarget, method: ProbeMethod, health: Pick<LinkHealthConfig, 'method'>): boolean {
  if (target.method !== undefined) return target.method === method;
  if (target.port === undefined || health.method !== 'auto') return true;
  return method === 'tcp';
}

function questionOf(target: ProbeTarget, method: ProbeMethod): ProbeQuestion {
  switch (method) {
    case 'icmp':
      return { method, sizeBytes: echoBytes, count: 1 };
    case 'tcp':
      return { method, send: undefined, expect: undefined, takesRefusal: true };
    case 'dns':
      return {
        method,
        name: target.path ?? anyName,
        type: dnsTypeOf.A,
        judge: ({ code }) => ({ answered: true, detail: `code ${code}` }),
      };
    default: {
      const host = bracketed(target.host);
      const port = target.port ?? ownPort[method];
      return {
        method,
        web: {
          url: `${method}://${host}:${port}${target.path ?? '/'}`,
          method: 'GET',
          headers: {},
          followsRedirects: false,
          isVerified: true,
          caFile: undefined,
          wantsBody: false,
        },
        judge: (answer) => judgeHttp(anyAnswer, answer, matchesWithin),
      };
    }
  }
}

export function candidateOf(check: Exclude<HealthCheck, PluginCheck>): ProbeCandidate {
  switch (check.type) {
    case 'icmp': {
      const { target: host, size, count } = check;
      return { method: 'icmp', host, port: 0, question: { method: 'icmp', sizeBytes: size, count } };
    }
    case 'tcp': {
      const { send, expect } = check;
      return { method: 'tcp', ...check.target, question: { method: 'tcp', send, expect, takesRefusal: false } };
    }
    case 'dns': {
      const type = dnsTypeOf[check.record];
      const name = check.query.replace(/\.$/, '');
      const judge = (reply: Parameters<typeof judgeDns>[1]) => judgeDns(check, reply);
      return { method: 'dns', ...check.server, question: { method: 'dns', name, type, judge } };
    }
    case 'http': {
      const url = new URL(check.url);
      const method = url.protocol === 'https:' ? 'https' : 'http';
      const wantsBody = check.contains !== undefined || check.matches !== undefined;
      const web = { ...check, wantsBody };
      return {
        method,
        host: hostOf(url),
        port: portOf(url),
        question: { method, web, judge: (answer) => judgeHttp(check, answer, matchesWithin) },
      };
    }
  }
}
