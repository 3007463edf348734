/** What this host itself keeps from working: its actors, its processors, its forwarding. */

import { besideActors } from './beside.ts';
import type { Explanation } from './explain.ts';
import type { Snapshot } from './snapshot.ts';
import type { ActorState } from './supervisor-api.ts';
import { list } from './words.ts';

/** A thread that works this much of its time has no more to give. */
const busyPercent = 90;
/** A thread that waits this much of its time for a processor comes too late for probes, acknowledgements and calls. */
const starvedPercent = 25;
/** The kernel forgets a few early when it is nearly full. */
const fullShare = 0.98;
/** Of a packet for somebody else that the kernel refused. */
const recentMs = 60_000;

export function explainHost(snapshot: Snapshot): Explanation[] {
  return [
    ...troubles(snapshot),
    ...trial(snapshot),
    ...endedActors(snapshot),
    ...busyActors(snapshot),
    ...starvation(snapshot),
    ...forwarding(snapshot),
    ...fullConnections(snapshot),
  ];
}

/** Routes and rules of others, files that cannot be written. */
function troubles({ instance }: Snapshot): Explanation[] {
  return instance.troubles.map((trouble) => ({ severity: 'problem', ...trouble }));
}

/** What works now may not work in a minute, and the other way round. */
function trial({ instance }: Snapshot): Explanation[] {
  if (instance.trial === undefined) return [];
  const seconds = Math.ceil(instance.trial.leftMs / 1000);
  return [
    {
      severity: 'note',
      text: `Another configuration is on trial: it is taken back in ${seconds} s`,
      remedy: '`hawser config confirm` keeps it, `hawser config revert` takes it back now',
      numbers: { seconds },
    },
  ];
}

function endedActors({ actors }: Snapshot): Explanation[] {
  return actors
    .filter((actor) => actor.state !== 'running')
    .map(({ id, state, lastExit }) => ({
      // An instance is ready before its API, its history and its plugins are; a link that was added starts, too.
      severity: state === 'starting' ? 'note' : 'problem',
      text: `Actor ${id} is ${state}${lastExit === undefined ? '' : `: ${lastExit}`}`,
      remedy: remedyOf(state, id),
    }));
}

function remedyOf(state: ActorState, id: string): string {
  if (state === 'starting')
    return besideActors.includes(id) ? 'no packet waits for it; who asks it does' : 'what it carries waits for it';
  const errors = '`hawser errors --stack` shows why actors ended';
  return state === 'failed'
    ? `it is tried again each minute, by \`hawser actor restart ${id}\` now; ${errors}`
    : errors;
}

function busyActors({ actors }: Snapshot): Explanation[] {
  return actors
    .filter((actor) => actor.busyPercent >= busyPercent)
    .map((actor) => ({
      severity: 'limit',
      text: `This host is the limit: ${actor.id} works ${Math.round(actor.busyPercent)} % of its time`,
      remedy: 'a faster processor, or `cipher: aes-256-gcm` on both sides if both have AES instructions',
      numbers: { busyPercent: actor.busyPercent },
    }));
}

/** Too few processors for all that wants to run: paths look dead and links slow that are neither. */
function starvation({ instance, actors, sums }: Snapshot): Explanation[] {
  const starved = actors.filter((actor) => actor.starvedPercent >= starvedPercent);
  const worst = [...starved].sort((a, b) => b.starvedPercent - a.starvedPercent)[0];
  if (worst === undefined) return [];
  const doubted = sums.pathGroups.filter(({ condition }) => condition === 'flapping' || condition === 'suspect');
  const links = [...new Set(doubted.map(({ link }) => link))];
  const effect = links.length === 0 ? '' : `; that is why ${list(links)} seems to fail and to return`;
  return [
    {
      severity: links.length === 0 ? 'limit' : 'problem',
      text: `This host has too little processor: ${worst.id} waited ${Math.round(worst.starvedPercent)} % of the time for one${effect}`,
      remedy: `end or move what else runs here (\`top\`), or give hawser a higher priority (\`nice\`, CPUWeight=)${instance.placement === 'compact' ? '' : '; or `runtime.placement: compact`'}`,
      numbers: { starvedPercent: worst.starvedPercent },
    },
  ];
}

/** A hub whose clients want to reach each other, or what is behind it. */
function forwarding({ instance, host, sums, changedAgesMs }: Snapshot): Explanation[] {
  const behind = instance.peers.filter((peer) => peer.allowedIPs.length > 0);
  if (behind.length < 2) return [];
  const { connected } = sums.states;
  const families = [
    { name: 'IPv4', mark: '.', isOn: host.forwardsV4, key: 'net.ipv4.ip_forward', counter: 'host IpInAddrErrors' },
    {
      name: 'IPv6',
      mark: ':',
      isOn: host.forwardsV6,
      key: 'net.ipv6.conf.all.forwarding',
      counter: 'host Ip6InAddrErrors',
    },
  ];
  return families
    .filter(({ isOn, mark }) => !isOn && behind.filter((peer) => has(peer.allowedIPs, mark)).length >= 2)
    .map(({ name, key, counter }): Explanation => {
      const isRefusing = connected >= 2 && (changedAgesMs[counter] ?? Number.MAX_VALUE) < recentMs;
      const names = list(behind.map((peer) => peer.name).slice(0, 4));
      const text = `This host does not forward ${name}: its peers (${names}${behind.length > 4 ? ', …' : ''}) reach it and not each other${isRefusing ? ', and it is refusing packets for others now' : ''}`;
      return { severity: isRefusing ? 'problem' : 'note', text, remedy: `sysctl -w ${key}=1` };
    });
}

/** The kernel drops what begins a connection then, ours as well: in with silence, out with EPERM. */
function fullConnections({ host: { connections } }: Snapshot): Explanation[] {
  if (connections === undefined || connections.used < connections.most * fullShare) return [];
  const { used, most } = connections;
  const text = `The kernel's table of connections is full (${used} of ${most}): it drops what begins a new one, packets of the tunnel too`;
  const remedy = `sysctl -w net.netfilter.nf_conntrack_max=${2 * most}, and look who makes so many (\`conntrack -L\`)`;
  return [{ severity: 'problem', text, remedy, numbers: { connections: used } }];
}

function has(prefixes: readonly string[], mark: string): boolean {
  return prefixes.some((prefix) => prefix.includes(mark));
}
