/** What bounds the traffic with one peer: its paths, one by one, and all together. */
import type { Snapshot } from './answer.ts';
import type { Explanation } from './explain.ts';
import { mbit } from './explain-links.ts';
import type { HealthStatus, PathStatus } from './network-rows.ts';
import type { PeerStatus } from './rows.ts';

/** Paths that are used this much are full: pacing leaves a margin for measuring. */
const fullShare = 0.85;
/** Less is a keepalive or a ping, not traffic that could be slow. */
const leastBps = 50_000;
/** A queue outside this host that adds more than this spoils calls and games. */
const longQueueMs = 10;
const lossyPercent = 1;
/** A path with so little of the traffic is not being used. */
const unusedPercent = 1;

export function explainPeer(peer: PeerStatus, { instance, paths, health }: Snapshot): Explanation[] {
  const own = paths.filter((path) => path.peer === peer.name);
  const live = own.filter((path) => path.condition === 'live');
  const about = (one: Omit<Explanation, 'peer'>): Explanation => ({ peer: peer.name, ...one });
  const found: Explanation[] = [...waiting(peer, own), ...own.flatMap(brokenPath)].map(about);
  const isCutOff = peer.state === 'waiting' || (own.length > 0 && own.every(isBroken));
  if (isCutOff) found.push(...linkOrPeer(peer, own, health).map(about));
  if (peer.state !== 'connected') return found;
  if (!peer.isHawser && own.length > 0) {
    const text = `Peer ${peer.name} is no Hawser: its data takes one link at a time (${peer.link ?? 'none'} now)`;
    found.push(about({ severity: 'note', text, remedy: 'run Hawser on both sides to use all links at once' }));
  }
  if (live.length > 0)
    found.push(...[...bottleneck(peer, live), ...live.flatMap((one) => livePath(one, live, instance.fec))].map(about));
  return [...found, ...reordering(peer).map(about)];
}

function waiting(peer: PeerStatus, own: readonly PathStatus[]): Explanation[] {
  if (peer.state !== 'waiting') return [];
  const text = `Peer ${peer.name} does not answer handshakes: ${peer.queuedPackets} packets wait for one`;
  const remedy =
    own.length === 0 && peer.endpoint === undefined
      ? 'it has no endpoint here: wait for it to call, or write `endpoints`'
      : 'check its endpoint and port, that it runs, and that no firewall drops UDP on the way';
  return [{ severity: 'problem', text, remedy, numbers: { queuedPackets: peer.queuedPackets } }];
}

/** Nothing gets through: do the links work, so that it must be the peer? */
function linkOrPeer(
  peer: PeerStatus,
  own: readonly PathStatus[],
  health: readonly HealthStatus[],
): Omit<Explanation, 'peer'>[] {
  const used = new Set(own.map((path) => path.link));
  const probed = health.filter((one) => used.size === 0 || used.has(one.link));
  const working = probed.filter((one) => one.state === 'up' || one.state === 'degraded').map((one) => one.link);
  const dead = probed.filter((one) => one.state === 'down').map((one) => one.link);
  if (working.length > 0) {
    const text = `Other hosts answer by ${working.join(', ')}: it is ${peer.name} that does not, or something on the way to it`;
    return [
      { severity: 'problem', text, remedy: 'look at the other side: does it run, does its firewall let UDP in?' },
    ];
  }
  if (dead.length === 0) return [];
  const text = `No host answers by ${dead.join(', ')} either: the links are dead, not ${peer.name}`;
  return [{ severity: 'problem', text, remedy: 'look at modem, cable and provider' }];
}

function isBroken({ condition }: PathStatus): boolean {
  return condition !== undefined && condition !== 'live' && condition !== 'unproven';
}

function brokenPath(path: PathStatus): Explanation[] {
  const { condition, link, endpoint } = path;
  if (condition === undefined || !isBroken(path)) return [];
  const since = path.changedAgeMs === undefined ? '' : ` since ${seconds(path.changedAgeMs)}`;
  const severity = condition === 'recovering' ? 'note' : 'problem';
  const text = `The path ${link} → ${endpoint} is ${condition}${since}: ${path.reason ?? 'nobody knows why'}`;
  return [{ severity, link, text, ...(remedies[condition] === undefined ? {} : { remedy: remedies[condition] }) }];
}

const remedies: Readonly<Record<string, string>> = {
  dead: 'nothing to do: it is asked again and used when it answers; `hawser links` shows whether the link itself is down',
  recovering: 'nothing to do: it is used again after bonding.failback',
  flapping: 'take it out with `hawser link disable`, or make bonding.failback longer',
};

/** All paths together: are they full, or is nobody sending more? */
function bottleneck(peer: PeerStatus, live: readonly PathStatus[]): Explanation[] {
  if (peer.sentBps < leastBps) return [];
  const paceBps = sum(live, (path) => path.paceBps ?? path.deliveryBps ?? 0);
  if (paceBps === 0) return [];
  const each = live.map(
    (path) => `${path.link} ${mbit(path.sentBps)} of ${mbit(path.paceBps ?? path.deliveryBps ?? 0)}`,
  );
  const share = peer.sentBps / paceBps;
  const numbers = { sentBps: peer.sentBps, paceBps, queuedBytes: peer.queuedBytes };
  if (share >= fullShare) {
    const slowest = [...live].sort((a, b) => (b.queueDelayMs ?? 0) - (a.queueDelayMs ?? 0))[0];
    const waits = peer.queuedBytes > 0 ? `; ${Math.round(peer.queuedBytes / 1024)} KiB wait here for credit` : '';
    const text = `The links are the limit to ${peer.name}: ${each.join(', ')}${waits}`;
    const remedy = `another link, or a faster ${slowest?.link ?? 'one'}`;
    return [{ severity: 'limit', text, remedy, numbers }];
  }
  const percent = Math.round(share * 100);
  const text = `The links are not the limit to ${peer.name}: ${mbit(peer.sentBps)} is ${percent} % of what they carry (${each.join(', ')})`;
  const remedy = 'look at the sender: its window, its disk, its processor, or what it has to send';
  return [{ severity: 'note', text, remedy, numbers }];
}

function livePath(path: PathStatus, live: readonly PathStatus[], fec: string): Explanation[] {
  const { link } = path;
  const found: Explanation[] = [];
  if ((path.lossPercent ?? 0) >= lossyPercent) {
    const text = `Link ${link} loses ${path.lossPercent} % of what is sent by it`;
    const remedy = fec === 'off' ? { remedy: 'bonding.fec: auto repairs losses without a round trip' } : {};
    found.push({ severity: 'note', link, text, ...remedy, numbers: { lossPercent: path.lossPercent ?? 0 } });
  }
  if ((path.queueDelayMs ?? 0) >= longQueueMs) {
    const text = `A queue on the way of link ${link} holds packets for ${Math.round(path.queueDelayMs ?? 0)} ms`;
    const remedy = 'somebody else fills it: `rate:` keeps Hawser below what the link carries';
    found.push({ severity: 'note', link, text, remedy, numbers: { queueDelayMs: path.queueDelayMs ?? 0 } });
  }
  const best = Math.min(...live.map((one) => one.rttMs ?? Number.POSITIVE_INFINITY));
  if (live.length > 1 && path.sharePercent !== undefined && path.sharePercent < unusedPercent) {
    const rtt =
      path.rttMs === undefined
        ? 'an unknown round trip'
        : `${Math.round(path.rttMs)} ms against ${Math.round(best)} ms`;
    const text = `Link ${link} is live and carries nothing: by it packets would come later than by the others (${rtt}), or its role or the mode keeps it back`;
    found.push({ severity: 'note', link, text });
  }
  return found;
}

/** What the receiving side waits for. */
function reordering(peer: PeerStatus): Explanation[] {
  const found: Explanation[] = [];
  if (peer.heldPackets > 0) {
    const text = `${peer.heldPackets} packets from ${peer.name} wait for those before them, ${ms(peer.reorderDeadlineMs)} at most`;
    found.push({ severity: 'note', text, numbers: { heldPackets: peer.heldPackets } });
  }
  if (peer.givenUpPackets > 0) {
    const text = `${peer.givenUpPackets} packets from ${peer.name} were not waited for any longer: lost, or later than the deadline`;
    found.push({ severity: 'note', text, numbers: { givenUpPackets: peer.givenUpPackets } });
  }
  if (peer.rebuiltPackets > 0) {
    const text = `${peer.rebuiltPackets} packets from ${peer.name} were lost, and rebuilt from its parity`;
    found.push({ severity: 'note', text, numbers: { rebuiltPackets: peer.rebuiltPackets } });
  }
  if (peer.resentPackets > 0) {
    const text = `${peer.resentPackets} packets to ${peer.name} went out again on another path`;
    found.push({ severity: 'note', text, numbers: { resentPackets: peer.resentPackets } });
  }
  return found;
}

function sum(paths: readonly PathStatus[], read: (path: PathStatus) => number): number {
  return paths.reduce((total, path) => total + read(path), 0);
}

function ms(value: number | undefined): string {
  return value === undefined ? 'an unknown time' : `${Math.round(value)} ms`;
}

function seconds(ageMs: number): string {
  return ageMs < 10_000 ? `${(ageMs / 1000).toFixed(1)} s` : `${Math.round(ageMs / 1000)} s`;
}
