/** What keeps traffic with one peer from flowing, or bounds it: its sessions, all its paths together, and what is waited for. */

import type { Explanation } from './explain.ts';
import { explainRefusal } from './explain-handshakes.ts';
import { explainPaths } from './explain-paths.ts';
import type { HealthStatus, LinkStatus, PathStatus } from './network-rows.ts';
import type { PeerStatus } from './rows.ts';
import type { Snapshot } from './snapshot.ts';
import { duration, forDuration, list, mbit, wayName } from './words.ts';

/** Paths that are used this much are full: pacing leaves a margin for measuring. */
const fullShare = 0.85;
/** Less is a keepalive or a ping, not traffic that could be slow. */
const leastBps = 50_000;
/** A rate says how full a path is as long as it was measured within this; what is kept from earlier may be long untrue. */
const freshRateMs = 30_000;
/** One flow over a path with so much loss and 60 ms carries an eighth of 40 Mbit/s when nothing repairs it (docs/adr/0009). */
const worthRepairPercent = 0.3;
/** A handshake is begun anew after 5 s; one that was just begun is no fault. */
const handshakeMs = 8_000;

type Found = Omit<Explanation, 'peer'>;

/** Looked up by whoever asks about all peers: a hub has thousands, with a path each. */
export interface PeerPlace {
  /** All paths to it. */
  readonly own: readonly PathStatus[];
  /** As they are configured. */
  readonly endpoints: readonly string[];
}

export function explainPeer(peer: PeerStatus, place: PeerPlace, snapshot: Snapshot): Explanation[] {
  const { own } = place;
  const refused = explainRefusal(peer, snapshot.instance.name);
  const absent = refused.length > 0 ? refused : unreachable(peer, place, snapshot);
  return [...absent, ...connected(peer, own, snapshot)].map((one) => ({
    peer: peer.name,
    ...one,
  }));
}

function connected(peer: PeerStatus, own: readonly PathStatus[], snapshot: Snapshot): Found[] {
  if (peer.state !== 'connected') return [];
  const live = own.filter((path) => path.condition === 'live');
  return [
    ...stock(peer, own),
    ...(live.length > 0 ? bottleneck(peer, live) : []),
    ...explainPaths(peer, own, snapshot),
    ...reordering(peer),
    ...repairs(peer, live, snapshot.instance.repair),
  ];
}

/** Nothing gets through to it at all. */
function unreachable(peer: PeerStatus, place: PeerPlace, snapshot: Snapshot): Found[] {
  const { own } = place;
  const remedy = unansweredRemedy(peer, place);
  const found = [...cutOff(peer, own), ...waiting(peer, remedy), ...unconnected(peer, remedy)];
  if (found.length === 0) return [];
  if (isAnyInOrder(own, snapshot.links)) return [...found, ...linkOrPeer(peer, own, snapshot.health)];
  // Each of the links has a line of its own.
  return found.map((one) => ({ ...one, remedy: 'first mend the links: none that leads there is in order' }));
}

function cutOff(peer: PeerStatus, own: readonly PathStatus[]): Found[] {
  if (peer.state !== 'cut off') return [];
  const links = [...new Set(own.map(wayName))];
  const by = links.length === 0 ? '' : ` by ${list(links)}`;
  const text = `Peer ${peer.name} has been cut off${forDuration(peer.cutOffAgeMs)}: nothing that is sent to it${by} is answered`;
  const remedy = `look at ${peer.name}: has its daemon ended (\`hawser status\` there)? Then at what is between: something drops ${wiresOf(own.map(({ endpoint }) => endpoint))} to ${endpointOf(peer, own)}`;
  return [{ severity: 'problem', text, remedy }];
}

function waiting(peer: PeerStatus, remedy: string): Found[] {
  if (peer.state !== 'waiting') return [];
  const text = `Peer ${peer.name} does not answer handshakes: ${peer.queuedPackets} packets wait for one`;
  return [{ severity: 'problem', text, remedy, numbers: { queuedPackets: peer.queuedPackets } }];
}

/** Nobody has data for it, but its configuration says that it should be there. */
function unconnected(peer: PeerStatus, remedy: string): Found[] {
  if (peer.state !== 'idle' || !peer.isWanted || (peer.handshakeAgeMs ?? handshakeMs) < handshakeMs) return [];
  const since = peer.handshakeAgeMs === undefined ? '' : `; the last one was ${duration(peer.handshakeAgeMs)} ago`;
  const text = `Peer ${peer.name} is not connected: no handshake is answered${since}`;
  return [{ severity: 'problem', text, remedy }];
}

function unansweredRemedy(peer: PeerStatus, { own, endpoints }: PeerPlace): string {
  if (own.length > 0 || peer.endpoint !== undefined)
    return silentRemedy(peer, own.length > 0 ? own.map(({ endpoint }) => endpoint) : endpoints);
  if (endpoints.length === 0) return 'it has no endpoint here: wait for it to call, or write `endpoints`';
  return `nobody was called: no address is known for ${list(endpoints)} (what is wrong with a name has a line of its own)`;
}

/**
 * WireGuard answers a caller with the wrong key by silence, as a firewall does. Only the other side can tell one from the other, and it
 * says which: its counters of what was for another key.
 */
function silentRemedy(peer: PeerStatus, places: readonly string[]): string {
  return `check its endpoint and port, that it runs, and that no firewall drops ${wiresOf(places)} on the way; if \`hawser explain\` there speaks of handshakes for another public key, the publicKey here (${peer.publicKey.slice(0, 8)}…) is not what \`hawser status\` shows there`;
}

/** What whoever is on the way would have to drop for these endpoints to be silent. */
function wiresOf(places: readonly string[]): string {
  const wires = new Set(places.map((one) => (/^(tls|faketcp):/.test(one) ? 'TCP' : 'UDP')));
  return wires.size === 0 ? 'UDP' : list([...wires]);
}

function isAnyInOrder(own: readonly PathStatus[], links: readonly LinkStatus[]): boolean {
  const used = links.filter((link) => own.length === 0 || own.some((path) => path.link === link.name));
  return used.length === 0 || used.some((link) => link.state === 'up' || link.state === 'degraded');
}

/** Nothing gets through: do the links work, so that it must be the peer? */
function linkOrPeer(peer: PeerStatus, own: readonly PathStatus[], health: readonly HealthStatus[]): Found[] {
  const used = new Set(own.map((path) => path.link));
  const probed = health.filter((one) => used.size === 0 || used.has(one.link));
  const working = probed.filter((one) => one.state === 'up' || one.state === 'degraded').map((one) => one.link);
  const dead = probed.filter((one) => one.state === 'down').map((one) => one.link);
  if (working.length > 0) {
    const text = `Other hosts answer by ${list(working)}: it is ${peer.name} that does not, or something on the way to it`;
    return [
      { severity: 'problem', text, remedy: 'look at the other side: does it run, does its firewall let UDP in?' },
    ];
  }
  if (dead.length === 0) return [];
  const text = `No host answers by ${list(dead)} either: the links are dead, not ${peer.name}`;
  return [{ severity: 'problem', text, remedy: 'look at modem, cable and provider' }];
}

function endpointOf(peer: PeerStatus, own: readonly PathStatus[]): string {
  return list([...new Set(own.map((path) => path.endpoint))]) || peer.endpoint || 'it';
}

function stock(peer: PeerStatus, own: readonly PathStatus[]): Found[] {
  if (peer.isHawser !== false || own.length === 0) return [];
  const text = `Peer ${peer.name} is no Hawser: its data takes one link at a time (${peer.link ?? 'none'} now)`;
  return [{ severity: 'note', text, remedy: 'run Hawser on both sides to use all links at once' }];
}

/** All paths together: are they full, or is nobody sending more? */
function bottleneck(peer: PeerStatus, all: readonly PathStatus[]): Found[] {
  if (peer.sentBps < leastBps) return [];
  const usable = all.filter((path) => !isKeptBack(path));
  const live = usable.length > 0 ? usable : all;
  const rate = (path: PathStatus): number => path.paceBps ?? path.deliveryBps ?? 0;
  const paceBps = live.reduce((total, path) => total + rate(path), 0);
  const isFresh = (path: PathStatus): boolean => path.rateAgeMs !== undefined && path.rateAgeMs < freshRateMs;
  const each = live.map((path) => `${wayName(path)} ${mbit(path.sentBps)}${ofRate(path, rate(path), isFresh(path))}`);
  const numbers = { sentBps: peer.sentBps, paceBps, queuedBytes: peer.queuedBytes };
  const share = paceBps === 0 ? 0 : peer.sentBps / paceBps;
  const isFull = share >= fullShare && live.every(isFresh);
  // What waits here waits for the links, whatever they were thought to carry.
  if (peer.queuedBytes > 0 || isFull) {
    const slowest = [...live].sort((a, b) => (b.queueDelayMs ?? 0) - (a.queueDelayMs ?? 0))[0];
    const waits = peer.queuedBytes > 0 ? `; ${Math.round(peer.queuedBytes / 1024)} KiB wait here for credit` : '';
    const text = `The links are the limit to ${peer.name}: ${each.join(', ')}${waits}`;
    const remedy = `another link, or a faster ${slowest?.link ?? 'one'}`;
    return [{ severity: 'limit', text, remedy, numbers }];
  }
  if (paceBps === 0 || !live.every(isFresh)) {
    const text = `Nothing waits for the links to ${peer.name}: ${each.join(', ')}`;
    return [{ severity: 'note', text, remedy: senderRemedy, numbers }];
  }
  const percent = Math.round(share * 100);
  const text = `The links are not the limit to ${peer.name}: ${mbit(peer.sentBps)} is ${percent} % of what they carry (${each.join(', ')})`;
  return [{ severity: 'note', text, remedy: senderRemedy, numbers }];
}

/** More to send would not bring it into use. */
function isKeptBack({ heldBy }: PathStatus): boolean {
  return heldBy !== undefined && heldBy !== 'far' && heldBy !== 'unneeded';
}

const senderRemedy = 'look at the sender: its window, its disk, its processor, or what it has to send';

function ofRate(path: PathStatus, bps: number, isFresh: boolean): string {
  if (bps === 0) return '';
  if (isFresh) return ` of ${mbit(bps)}`;
  if (path.rateAgeMs === undefined) return ', what it carries was never measured';
  return `, ${mbit(bps)} when it was last full ${duration(path.rateAgeMs)} ago`;
}

/** Probes of sizes that do not pass leave gaps too: some at the start, three in ten minutes later. */
const leastGivenUp = 20;
const givenUpShare = 0.02;

/** What the receiving side waits for. */
function reordering(peer: PeerStatus): Found[] {
  const found: Found[] = [];
  const counter = (name: string): string => `peer ${peer.name} ${name}`;
  if (peer.heldPackets > 0) {
    const most = peer.reorderDeadlineMs === undefined ? 'an unknown time' : `${Math.round(peer.reorderDeadlineMs)} ms`;
    const text = `${peer.heldPackets} packets from ${peer.name} wait for those before them, ${most} at most`;
    found.push({ severity: 'note', text, numbers: { heldPackets: peer.heldPackets } });
  }
  const { givenUpPackets } = peer;
  if (givenUpPackets >= leastGivenUp && givenUpPackets > givenUpShare * peer.receivedPackets) {
    const text = `${givenUpPackets} packets from ${peer.name} were not waited for any longer: lost, or later than the deadline`;
    const numbers = { givenUpPackets };
    found.push({ severity: 'note', text, counter: counter('givenUpPackets'), numbers });
  }
  if (peer.rebuiltPackets > 0) {
    const text = `${peer.rebuiltPackets} packets from ${peer.name} were lost, and rebuilt from its parity`;
    const numbers = { rebuiltPackets: peer.rebuiltPackets };
    found.push({ severity: 'note', text, counter: counter('rebuiltPackets'), numbers });
  }
  return found;
}

/** What was lost and went out again: by another path, or by the only one, where the other side waits for it. */
function repairs(peer: PeerStatus, live: readonly PathStatus[], repair: 'auto' | 'off'): Found[] {
  const [only, ...others] = live;
  const counter = `peer ${peer.name} resentPackets`;
  const numbers = { resentPackets: peer.resentPackets };
  const isAlone = only !== undefined && others.length === 0;
  if (peer.resentPackets > 0 && !isAlone) {
    const text = `${peer.resentPackets} packets to ${peer.name} were lost on their path, and sent again`;
    return [{ severity: 'note', text, counter, numbers }];
  }
  if (!isAlone) return [];
  if (peer.resentPackets > 0) {
    const text = `${peer.resentPackets} packets to ${peer.name} were lost on ${wayName(only)}, its only path, and sent again by it: ${peer.name} holds what follows each for about a round trip`;
    return [
      {
        severity: 'note',
        text,
        remedy: 'a second link, or `bonding.fec: auto`, repairs without that wait',
        counter,
        numbers,
      },
    ];
  }
  if (repair === 'auto' || peer.isHawser !== true || (only.lossPercent ?? 0) < worthRepairPercent) return [];
  const text = `What is lost on ${wayName(only)}, the only path to ${peer.name} (${only.lossPercent?.toFixed(1)} %), is not sent again: bonding.repair is off`;
  return [{ severity: 'limit', text, remedy: 'bonding.repair: auto' }];
}
