/** What is wrong with links. */

import type { Explanation } from './explain.ts';
import type { HealthStatus, LinkStatus } from './network-rows.ts';
import type { Snapshot } from './snapshot.ts';
import { hostRules, mbit } from './words.ts';

export function explainLinks(snapshot: Snapshot): Explanation[] {
  const { links, health } = snapshot;
  return links.flatMap((link) => [
    ...explainLink(
      link,
      health.find((one) => one.link === link.name),
    ),
    ...explainErrors(link, snapshot),
    ...explainSuggestion(link),
  ]);
}

/** What differs from the file, and nobody has typed. */
function explainSuggestion({ name, role, suggested }: LinkStatus): Explanation[] {
  const words = [
    ...(suggested.role === undefined ? [] : [`role ${suggested.role} (configured: ${role})`]),
    ...(suggested.weight === undefined ? [] : [`weight ${suggested.weight}`]),
  ];
  if (words.length === 0) return [];
  const text = `A plugin suggests for link ${name}: ${words.join(', ')}`;
  return [
    { severity: 'note', link: name, text, remedy: 'take bonding.suggestions out of the file, if that is not meant' },
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

/** The checks that fail, with their words; without checks the reason of the whole, and the last words. */
function whyOf(health: HealthStatus | undefined): string {
  if (health?.reason === undefined) return '';
  const failing = health.checks.filter((check) => check.state === 'down');
  if (failing.length > 0) return `: ${failing.map((check) => `check ${check.name}: ${check.last}`).join('; ')}`;
  return `: ${health.reason}${health.last === undefined || health.last === '' ? '' : ` (${health.last})`}`;
}

/** A refusal that is this young goes on. */
const recentMs = 10_000;

/** By the name of the errno of sendmsg(2). */
const errorRemedies: Readonly<Record<string, (mark: string) => string>> = {
  EPERM: (mark) =>
    `let what carries the mark ${mark} leave (${hostRules}), or choose a mark that the rules let pass: routing.fwmark`,
  ENETUNREACH: (mark) =>
    `there is no route by this link: \`ip route\`, and for what carries its mark \`ip rule\` (${mark})`,
  EHOSTUNREACH: () => 'the gateway of this link does not answer: `ip neigh`',
};

function explainErrors(link: LinkStatus, { instance, changedAgesMs }: Snapshot): Explanation[] {
  const { name, errors, lastError } = link;
  if (errors === 0 || lastError === undefined) return [];
  const counter = `link ${name} errors`;
  const isFirewall = lastError === 'EPERM';
  const goesOn = isFirewall && (changedAgesMs[counter] ?? Number.MAX_VALUE) < recentMs;
  const why = isFirewall ? ': a firewall of this host drops them' : '';
  const text = `The kernel refused ${errors} sends on link ${name}, the last with ${lastError}${why}`;
  const remedy = errorRemedies[lastError]?.(`0x${instance.fwmark.toString(16)}`);
  const more = remedy === undefined ? {} : { remedy };
  return [{ severity: goesOn ? 'problem' : 'note', link: name, text, ...more, counter, numbers: { errors } }];
}

function explainLink(link: LinkStatus, health: HealthStatus | undefined): Explanation[] {
  const found: Explanation[] = [];
  const remedy = stateRemedies[link.state];
  if (remedy !== undefined) {
    const isProbed = link.state === 'dead' || link.state === 'degraded';
    const why = isProbed ? whyOf(health) : '';
    const severity = link.state === 'disabled' || link.state === 'degraded' ? 'note' : 'problem';
    found.push({
      severity,
      link: link.name,
      text: `Link ${link.name} ${stateWords(link.state)}${why}`,
      remedy: remedy(link),
    });
  }
  if (link.isForced) {
    const text = `All data is forced onto link ${link.name}: the others wait`;
    found.push({ severity: 'limit', link: link.name, text, remedy: 'hawser failover auto' });
  }
  if (link.limitBps !== undefined && link.sentBps > link.limitBps * 0.9) {
    const text = `Link ${link.name} is at the rate that the configuration allows (${mbit(link.limitBps)})`;
    found.push({ severity: 'limit', link: link.name, text, remedy: 'rate: auto' });
  }
  return found;
}

/** A sentence's predicate for `LinkStatus.state`. */
function stateWords(state: string): string {
  if (state === 'disabled') return 'was taken out by hand (`hawser link disable`) and carries nothing';
  return state.startsWith('no ') ? `has ${state}` : `is ${state}`;
}
