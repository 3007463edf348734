/** What is wrong with the single paths to a peer that is reached by others, and what is worth knowing of those that live. */

import type { Explanation } from './explain.ts';
import type { LinkStatus, PathStatus } from './network-rows.ts';
import type { PeerStatus } from './rows.ts';
import type { Snapshot } from './snapshot.ts';
import { clockText, duration, forDuration, hostRules, lossShare, transportText, wayName } from './words.ts';

/** A queue outside this host that adds more than this spoils calls and games. */
const longQueueMs = 10;
const lossyPercent = 1;
/** A path with so little of the traffic is not being used. */
const unusedPercent = 1;
/** Marks a second that are worth a word. */
const leastMarked = 1;
/** Acknowledgements alone say little of what a path loses. */
const leastMeanBytes = 300;
/** An answer takes less: a path that is silent for longer is not being proven. */
const provingMs = 5_000;
/** A path that stands by is asked, by both ends, this often at least. */
const heardMs = 6_000;
/** Of probes: less is chance, more is a path that is dead. */
const probesLost = { least: 10, most: 97 } as const;
/** On a path that lives, where single losses are nothing: three of the sixteen that the share is over. */
const idleProbesLost = 18;
const lossyForMs = 3_000;

/** What IP, UDP and the data message add to an inner packet. */
const outerBytes = { v4: 60, v6: 80 } as const;

type Found = Omit<Explanation, 'peer'>;

/** `own`: all paths to the peer. */
export function explainPaths(peer: PeerStatus, own: readonly PathStatus[], snapshot: Snapshot): Found[] {
  const live = own.filter((path) => path.condition === 'live');
  return own.flatMap((path) => {
    const link = snapshot.links.find((one) => one.name === path.link);
    // What is wrong with the link itself, its own sentence says.
    if (link !== undefined && link.state !== 'up' && link.state !== 'degraded' && path.condition !== 'live') return [];
    const others = live.filter((one) => one.link === path.link && one.transport !== path.transport);
    const other = others.find((one) => one.state === 'up') ?? others[0];
    const blocked = other === undefined ? undefined : blockedTransport(peer, path, other, snapshot);
    if (blocked !== undefined) return [blocked];
    if (path.condition === 'live')
      return [
        ...narrow(peer, path, link, snapshot),
        ...idleLoss(peer, path),
        ...livePath(path, live, snapshot.instance.fec),
      ];
    return brokenPath(peer, path, link, snapshot);
  });
}

function brokenPath(peer: PeerStatus, path: PathStatus, link: LinkStatus | undefined, snapshot: Snapshot): Found[] {
  const { condition, endpoint } = path;
  if (condition === undefined) return [];
  if (condition === 'withdrawn') return link === undefined ? [] : [withoutRoute(link, path)];
  if (condition === 'unproven') return unproven(peer, path, link);
  const lossy = probeLoss(peer, path);
  if (lossy !== undefined) return [lossy];
  const severity = condition === 'recovering' || condition === 'suspect' ? 'note' : 'problem';
  const age = forDuration(path.changedAgeMs);
  const text = `The path ${wayName(path)} → ${endpoint} is ${condition}${age}: ${path.reason ?? 'nobody knows why'}`;
  const remedy = remedyOf(path, snapshot);
  return [{ severity, link: path.link, text, ...(remedy === undefined ? {} : { remedy }) }];
}

/** One transport of a link fails where another one, `other`, works: it is not the link that is broken. */
function blockedTransport(
  peer: PeerStatus,
  path: PathStatus,
  other: PathStatus,
  { nowMs }: Snapshot,
): Found | undefined {
  const { condition, changedAgeMs, link } = path;
  const way = wayName({ ...path, transport: 'udp' });
  const [name, carrier] = [transportText(path.transport), transportText(other.transport)];
  if (condition === 'recovering' || condition === 'flapping') {
    const text = `${name} answers again on ${way}; ${carrier} carries until it has been stable`;
    return {
      severity: 'note',
      link,
      text,
      remedy:
        condition === 'flapping'
          ? 'nothing to do: it must last longer each time that it did not'
          : 'nothing to do: it is used again after bonding.failback',
    };
  }
  const isBack = condition === 'live' && path.answerLossPercent >= probesLost.most;
  const isDead = condition === 'dead' || (condition === 'unproven' && (path.ageMs ?? 0) >= provingMs);
  if (!isBack && !isDead) return undefined;
  // What the peer asks by it arrives here, so the other direction is open.
  const isHeard = (path.lastReceivedAgeMs ?? Number.POSITIVE_INFINITY) < heardMs;
  const where = isBack ? `from ${peer.name}` : isHeard ? `towards ${peer.name}` : 'in both directions';
  const ageMs = isBack ? path.lossyAgeMs : condition === 'dead' ? changedAgeMs : path.ageMs;
  const since = ageMs === undefined ? '' : `, since ${clockText(nowMs - ageMs, nowMs)}`;
  const does = isBack ? `${carrier} brings what ${peer.name} sends` : `${carrier} carries`;
  const text = `${name} is blocked on ${way} (${where}${since}), ${does}`;
  const remedy = `nothing to do: ${name} is asked again and used when it works; somebody on the way of ${link} drops it`;
  return { severity: 'note', link, text, remedy };
}

/** The interface is up and has an address, and yet nothing can leave. */
function withoutRoute(link: LinkStatus, { endpoint }: PathStatus): Found {
  const device = link.interface ?? link.name;
  const via = endpoint.startsWith('[') ? 'ip -6 route add default via GATEWAY' : 'ip route add default via GATEWAY';
  return {
    severity: 'problem',
    link: link.name,
    text: `Link ${link.name} carries nothing: the host has no route to ${endpoint} by ${device}`,
    remedy: `give ${device} a default route of its own beside the other: ${via} dev ${device} metric 200`,
  };
}

function unproven(peer: PeerStatus, path: PathStatus, link: LinkStatus | undefined): Found[] {
  const { ageMs = 0, endpoint } = path;
  if (peer.state !== 'connected' || ageMs < provingMs) return [];
  const isOurs = link?.interface !== undefined;
  const error = link !== undefined && link.errors > 0 ? link.lastError : undefined;
  const why = error === undefined ? '' : `; the kernel refused sends on it with ${error}`;
  const text = `Link ${wayName(path)} carries nothing to ${peer.name}: no question by it to ${endpoint} was answered for ${duration(ageMs)}${why}`;
  const remedy =
    error === 'EPERM'
      ? `a firewall on this host drops what leaves by it: ${hostRules}`
      : `does ${endpoint} let UDP in by this way? From here: ping -I ${link?.interface ?? path.link} ${hostOf(endpoint)}`;
  return [{ severity: isOurs ? 'problem' : 'note', link: path.link, text, ...(isOurs ? { remedy } : {}) }];
}

/** It takes less than the tunnel's MTU makes of a full packet. */
function narrow(peer: PeerStatus, path: PathStatus, link: LinkStatus | undefined, snapshot: Snapshot): Found[] {
  const { mtu, endpoint } = path;
  if (mtu === undefined) return [];
  const overhead = endpoint.startsWith('[') ? outerBytes.v6 : outerBytes.v4;
  const { mtu: tunnelMtu } = snapshot.instance.tunnel;
  if (mtu >= tunnelMtu + overhead) return [];
  const device = link?.interface ?? path.link;
  const text =
    `The path ${wayName(path)} → ${endpoint} takes packets of ${mtu} bytes at most towards ${peer.name}` +
    `${forDuration(path.mtuAgeMs)}, and a full one of the tunnel has ${tunnelMtu + overhead}: longer ones are cut, or go by other paths`;
  const remedy = `raise the MTU of ${device}'s way (modem, PPPoE, the provider's tunnel) if it is yours, or write \`tunnel.mtu: ${mtu - overhead}\` on both sides`;
  return [{ severity: 'note', link: path.link, text, remedy, numbers: { mtu } }];
}

/** Where little is sent, probes alone tell of losses: a path may live by those that are answered. */
function idleLoss(peer: PeerStatus, path: PathStatus): Found[] {
  const worst = Math.max(path.probeLossPercent, path.answerLossPercent);
  if (worst < idleProbesLost || (path.lossyAgeMs ?? 0) < lossyForMs || meanBytesOf(path) >= leastMeanBytes) return [];
  const lossy = probeLoss(peer, path);
  return lossy === undefined ? [] : [lossy];
}

/** What probes tell of losses, how much and in which direction. */
function probeLoss(peer: PeerStatus, path: PathStatus): Found | undefined {
  const { probeLossPercent: there, answerLossPercent: back, link } = path;
  const isOutward = there >= back;
  const worst = Math.max(there, back);
  if (worst < probesLost.least || there >= probesLost.most) return undefined;
  const what = isOutward
    ? `sent by ${link} does not arrive at ${peer.name}`
    : `sent back by ${link} does not arrive here`;
  return {
    severity: 'problem',
    link,
    text: `${capital(lossShare(worst))} of what is ${what}${forDuration(path.lossyAgeMs)}; the path is ${path.condition}${path.condition === 'live' ? ', by what does arrive' : ' and the others carry'}`,
    remedy: isOutward
      ? 'look at what is sent by this link: radio, cable, an upload that fills it; the provider sees it as upstream loss'
      : 'look at what comes in by this link: radio, cable, a download that fills it; the provider sees it as downstream loss',
    numbers: { probeLossPercent: there, answerLossPercent: back },
  };
}

function remedyOf({ condition, link }: PathStatus, { health }: Snapshot): string | undefined {
  if (condition === 'recovering') return 'nothing to do: it is used again after bonding.failback';
  if (condition === 'flapping')
    return `hawser link disable ${link} takes it out, a longer bonding.failback uses it less`;
  if (condition !== 'dead') return undefined;
  const probed = health.find((one) => one.link === link)?.state;
  if (probed === 'up') return 'other hosts answer by this link: something between it and the peer drops UDP';
  if (probed === 'down') return 'no other host answers by it either: look at its modem, cable and provider';
  return `it is asked again and used when it answers; \`links.health\` would tell whether ${link} itself is down`;
}

function meanBytesOf({ sentBps, sentPacketsPerSecond }: PathStatus): number {
  return sentPacketsPerSecond === 0 ? 0 : sentBps / 8 / sentPacketsPerSecond;
}

function livePath(path: PathStatus, live: readonly PathStatus[], fec: string): Found[] {
  const { link } = path;
  const found: Found[] = [];
  if ((path.lossPercent ?? 0) >= lossyPercent && meanBytesOf(path) >= leastMeanBytes) {
    const text = `Link ${link} loses ${path.lossPercent} % of what is sent by it`;
    const remedy = fec === 'off' ? { remedy: 'bonding.fec: auto repairs losses without a round trip' } : {};
    found.push({ severity: 'note', link, text, ...remedy, numbers: { lossPercent: path.lossPercent ?? 0 } });
  }
  if ((path.queueDelayMs ?? 0) >= longQueueMs) {
    const text = `A queue on the way of link ${link} holds packets for ${Math.round(path.queueDelayMs ?? 0)} ms`;
    const remedy = 'somebody else fills it: `rate:` keeps Hawser below what the link carries';
    found.push({ severity: 'note', link, text, remedy, numbers: { queueDelayMs: path.queueDelayMs ?? 0 } });
  }
  if (path.markedPacketsPerSecond >= leastMarked) {
    const share = Math.round((100 * path.markedPacketsPerSecond) / Math.max(1, path.ecnPacketsPerSecond));
    const text = `A queue on the way of link ${link} marks ${share} % of what may be marked as congested (ECN): less is sent by it than it could take alone`;
    found.push({ severity: 'note', link, text, numbers: { markedPacketsPerSecond: path.markedPacketsPerSecond } });
  }
  if (live.length > 1) found.push(...unused(path, live));
  return found;
}

/** It lives, and others carry. What is wrong with it is told of an idle one too. */
function unused(path: PathStatus, live: readonly PathStatus[]): Found[] {
  const { link, heldBy = '' } = path;
  const bad = badOf[heldBy]?.(path);
  if (bad !== undefined) {
    const text = `Link ${wayName(path)} answers and carries nothing while others do: ${bad}`;
    return [
      {
        severity: 'limit',
        link,
        text,
        remedy:
          'nothing to do if that passes: it is used again once that has been better for bonding.failback, and for longer each time that it does not last',
      },
    ];
  }
  if (path.sharePercent === undefined || path.sharePercent >= unusedPercent) return [];
  const best = Math.min(...live.map((one) => one.rttMs ?? Number.POSITIVE_INFINITY));
  const rtt =
    path.rttMs === undefined ? 'an unknown round trip' : `${Math.round(path.rttMs)} ms against ${Math.round(best)} ms`;
  const why =
    whyUnused[heldBy] ??
    `by it packets would come later than by the others (${rtt}), or its role or the mode keeps it back`;
  const text = `Link ${wayName(path)} is live and carries nothing: ${why.replace('RTT', rtt)}`;
  return [{ severity: 'note', link, text }];
}

/** By `heldBy`: what is bad about it. */
const badOf: Readonly<Record<string, (path: PathStatus) => string>> = {
  trip: (path) => `its round trip is ${Math.round(path.rttMs ?? 0)} ms, and 500 are bad`,
  jitter: (path) => `its round trip varies by ${Math.round(path.jitterMs ?? 0)} ms, and 100 are bad`,
  loss: (path) => `it lost a fifth or more of what was sent by it (${path.lossPercent ?? 0} % now)`,
  size: ({ mtu }) =>
    `it is not known to take packets as long as theirs${mtu === undefined ? '' : ` (${mtu} bytes are)`}, and is asked for that`,
};

const whyUnused: Readonly<Record<string, string>> = {
  far: 'it is farther (RTT), and too little waits for the others to make up for that',
  unneeded: 'it was used, and what was sent fitted the others; it is tried again within half a minute',
  role: 'its role keeps it for when no better one lives',
  forced: '`hawser failover` has put all data on another link',
};

/** `203.0.113.1:51820` → `203.0.113.1`, `[2001:db8::1]:51820` → `2001:db8::1`. */
function hostOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
