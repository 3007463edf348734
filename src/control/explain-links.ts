/** What is wrong with links, and with this host's processors. */
import type { Snapshot } from './answer.ts';
import type { Explanation } from './explain.ts';
import type { HealthStatus, LinkStatus } from './network-rows.ts';

/** A thread that works this much of its time has no more to give. */
const busyPercent = 90;

export function explainLinks(snapshot: Snapshot): Explanation[] {
  return [
    ...snapshot.links.flatMap((link) =>
      explainLink(
        link,
        snapshot.health.find((one) => one.link === link.name),
      ),
    ),
    ...snapshot.actors
      .filter((actor) => actor.state !== 'running')
      .map(
        (actor): Explanation => ({
          severity: 'problem',
          text: `Actor ${actor.id} is ${actor.state}${actor.lastExit === undefined ? '' : `: ${actor.lastExit}`}`,
          remedy: '`hawser errors --stack` shows why actors ended',
        }),
      ),
    ...snapshot.actors
      .filter((actor) => actor.busyPercent >= busyPercent)
      .map(
        (actor): Explanation => ({
          severity: 'limit',
          text: `This host is the limit: ${actor.id} works ${Math.round(actor.busyPercent)} % of its time`,
          remedy: 'a faster processor, or `cipher: aes-256-gcm` on both sides if both have AES instructions',
          numbers: { busyPercent: actor.busyPercent },
        }),
      ),
  ];
}

const stateRemedies: Readonly<Record<string, (link: LinkStatus) => string>> = {
  disabled: (link) => `hawser link enable ${link.name}`,
  gone: (link) => `plug it in, or correct links.interface (${link.interface})`,
  down: (link) => `ip link set ${link.interface} up`,
  'no carrier': () => 'check the cable, the modem or the radio',
  'no address': (link) => `check the DHCP client of ${link.interface}`,
  dead: () => 'check the provider, and that the targets of its probes are alive (`hawser health`)',
  degraded: () => '`hawser health` shows loss, latency and jitter',
};

function explainLink(link: LinkStatus, health: HealthStatus | undefined): Explanation[] {
  const found: Explanation[] = [];
  const remedy = stateRemedies[link.state];
  if (remedy !== undefined) {
    const isProbed = link.state === 'dead' || link.state === 'degraded';
    const why = isProbed && health?.reason !== undefined ? `: ${health.reason}` : '';
    const severity = link.state === 'disabled' || link.state === 'degraded' ? 'note' : 'problem';
    found.push({ severity, link: link.name, text: `Link ${link.name} is ${link.state}${why}`, remedy: remedy(link) });
  }
  if (link.isForced) {
    const text = `All data is forced onto link ${link.name}: the others wait`;
    found.push({ severity: 'limit', link: link.name, text, remedy: 'hawser failover auto' });
  }
  if (link.limitBps !== undefined && link.sentBps > link.limitBps * 0.9) {
    const text = `Link ${link.name} is at the rate that the configuration allows (${mbit(link.limitBps)})`;
    found.push({ severity: 'limit', link: link.name, text, remedy: 'rate: auto' });
  }
  if (link.errors > 0 && link.lastError !== undefined) {
    const text = `The kernel refused ${link.errors} sends on link ${link.name}, the last with ${link.lastError}`;
    found.push({ severity: 'note', link: link.name, text, numbers: { errors: link.errors } });
  }
  return found;
}

export function mbit(bps: number): string {
  const value = bps / 1e6;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} Mbit/s`;
}
