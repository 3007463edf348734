/** `hawser check --probe`: asks what `links.health` names once, by each link, and says what was answered. Nothing is started. */
import { candidateOf, candidatesOf, type ProbeCandidate } from '../actors/health/candidates.ts';
import { LastAddresses } from '../actors/health/last-addresses.ts';
import type { Config, LinkConfig } from '../config/config.ts';
import { dnsRecordFile } from '../io/dns-record.ts';
import { LinkProbe } from '../io/link-probe.ts';
import { fwmarkOf } from '../io/network/plan.ts';
import { Resolver } from '../io/resolver.ts';
import { SourceFinder } from '../io/source-finder.ts';
import { loadAddon } from '../native/addon.ts';

export interface ProbedCheck {
  readonly link: string;
  readonly check: string;
  readonly passed: boolean;
  readonly detail: string;
  readonly rttMs: number | undefined;
}

/** Of a target without a check of its own. */
const timeoutMs = 2000;

export async function probeLinks(config: Config): Promise<ProbedCheck[]> {
  const links = config.links.filter((link) => link.health.method !== 'off');
  const probed = await Promise.all(links.map((link) => probeLink(link, config)));
  return probed.flat();
}

/** Plugins run in an instance. */
function unasked(link: string, check: string): ProbedCheck {
  return { link, check, passed: true, detail: 'a running instance asks its plugin', rttMs: undefined };
}

async function probeLink(link: LinkConfig, config: Config): Promise<ProbedCheck[]> {
  const addon = loadAddon();
  const interfaceName = link.interface ?? '';
  const fwmark = fwmarkOf(config);
  // The instance may be running, and have given the host servers that lie in the tunnel.
  const dnsRecord = dnsRecordFile(config.runtime.runDirectory, config.name);
  const resolver = new Resolver(addon, new SourceFinder(addon), { fwmark, dnsRecord, interfaces: [interfaceName] });
  const names = new LastAddresses(resolver);
  const probe = new LinkProbe(addon, { fwmark, interfaceName }, (host, withinMs) => names.find(host, withinMs));
  const ask = async (check: string, candidate: ProbeCandidate, withinMs: number): Promise<ProbedCheck> => {
    const { host, port, question } = candidate;
    const address = await names.find(host, withinMs);
    if (address === undefined) {
      const detail = `the name ${host} is not resolved`;
      return { link: link.name, check, passed: false, detail, rttMs: undefined };
    }
    const { answered, rttUs, detail } = await probe.ask({ address, port, question, timeoutMs: withinMs });
    const rttMs = answered ? Math.round(rttUs / 100) / 10 : undefined;
    return { link: link.name, check, passed: answered, detail, rttMs };
  };
  try {
    const { checks } = link.health;
    return await Promise.all([
      ...checks.map((check) =>
        check.type === 'plugin' ? unasked(link.name, check.name) : ask(check.name, candidateOf(check), check.timeoutMs),
      ),
      ...candidatesOf(link.health).map((one) => ask(`${one.method} ${one.host}`, one, timeoutMs)),
    ]);
  } finally {
    probe.close();
    resolver.close();
  }
}
