/** Where packets were dropped or cut since the start, and what that means. */

import type { Explanation } from './explain.ts';
import type { Snapshot } from './snapshot.ts';

interface DropWords {
  /** `N packets …` */
  readonly text: string;
  readonly remedy?: string;
}

/** Of packets that are longer than a path takes; the sentence about that path names it. */
const shorter =
  'let senders heed ICMP (Path MTU Discovery), or write the smaller `tunnel.mtu` that the path allows on both sides';

/** By counter (`rings/counter-names.ts`); the others are neither, or said elsewhere. */
const drops: Readonly<Record<string, DropWords>> = {
  sealer_no_route_packets: {
    text: 'went nowhere: no allowed IP of any peer holds their destination',
    remedy: 'compare the routes into the tunnel with `allowedIPs`',
  },
  sealer_malformed_packets: { text: 'from the tunnel device were no IP packets' },
  sealer_overflow_packets: {
    text: 'were dropped because the queue of their peer or flow was full: more is offered than the links carry',
  },
  sealer_codel_packets: {
    text: 'were dropped to keep the queue short (CoDel): that is how a sender learns what the links carry',
  },
  sealer_expired_packets: {
    text: 'waited too long for a session',
    remedy: 'see `hawser peers`: handshakes are not answered',
  },
  sealer_cut_packets: {
    text: 'were longer than the paths take and were sent in several frames, which costs a datagram more each: no TCP, which is cut to what fits',
    remedy: shorter,
  },
  sealer_fragmented_packets: {
    text: 'were longer than the path takes and were sent in fragments of the inner IP: their peer reads no frames, and their senders allow it',
    remedy: shorter,
  },
  sealer_outer_fragmented_packets: {
    text: 'were longer than the path takes and left in fragments of the outer IP, which some firewalls drop: their peer reads no frames',
    remedy: shorter,
  },
  sealer_too_long_packets: {
    text: 'were longer than the path takes and were dropped: their senders forbid fragments, and so does `tunnel.fragment: never`',
    remedy: `${shorter}; \`tunnel.fragment: auto\` carries them meanwhile`,
  },
  opener_rejected_packets: {
    text: 'that came in were forged, or came from an inner address that their peer may not use',
    remedy: 'compare `allowedIPs` of both sides',
  },
  opener_replayed_packets: {
    text: 'came in a second time, or too late for the window: copies are normal on many links',
  },
  opener_unknown_packets: { text: 'came in for sessions that are not known (any more)' },
  opener_unmarkable_packets: {
    text: 'that came in were marked as congested on the way though their senders do not take part in ECN, and were dropped instead',
    remedy: 'something on the way marks (ECN) what it should drop: look for its rule or queue',
  },
  session_manager_unknown_key_messages: {
    text: 'came with a public key that no peer here has',
    remedy:
      '`hawser events` (handshake-refused) has the address and the beginning of the key: is it a peer whose publicKey here is another?',
  },
  session_manager_bad_mac1_messages: {
    text: 'were for another public key than the one of this instance, or rubbish',
    remedy:
      'whoever shall reach this instance needs the publicKey that `hawser status` shows; `hawser events` (handshake-refused) has the address',
  },
  session_manager_overload_messages: {
    text: 'were dropped, because more came than this host can answer',
    remedy: 'somebody floods the port: callers that show a cookie are served meanwhile',
  },
  session_manager_cookie_messages: {
    text: 'were answered by a cookie, because many came at once',
  },
  tun_writer_refused_trains: { text: 'trains were refused by the tunnel device', remedy: 'is its interface up?' },
};

/** By the ending of the counter's name. */
const nouns: readonly (readonly [string, string])[] = [
  ['_trains', ''],
  ['_messages', ' handshakes'],
];

/** A link's ring that is full means that the link is; any other, that an actor is behind. */
const outward = /^sealer(-\d+)?\.descriptors\./;
const leastRefused = 100;

export function explainDrops(snapshot: Snapshot): Explanation[] {
  return [...counted(snapshot), ...onLinks(snapshot), ...fullRings(snapshot)];
}

function counted(snapshot: Snapshot): Explanation[] {
  return snapshot.actors.flatMap((actor) =>
    Object.entries(actor.counters).flatMap(([name, count]): Explanation[] => {
      const words = drops[name];
      if (words === undefined || count === 0) return [];
      const noun = nouns.find(([ending]) => name.endsWith(ending))?.[1] ?? ' packets';
      const text = `${count}${noun} ${words.text} (${name})`;
      const counter = `actor ${actor.id} ${name}`;
      const remedy = words.remedy === undefined ? {} : { remedy: words.remedy };
      return [{ severity: 'note', text, ...remedy, counter, numbers: { [name]: count } }];
    }),
  );
}

function onLinks(snapshot: Snapshot): Explanation[] {
  return snapshot.paths.flatMap((path): Explanation[] => {
    const { link, peer, lateBytes, refusedBytes } = path;
    const found: Explanation[] = [];
    if (lateBytes > 0) {
      const text = `${kib(lateBytes)} to ${peer} were overwritten before link ${link} could send them`;
      const counter = `path ${path.id} lateBytes`;
      const remedy = 'a larger runtime.sealedLog';
      found.push({ severity: 'note', peer, link, text, remedy, counter, numbers: { lateBytes } });
    }
    if (refusedBytes > 0) {
      const text = `${kib(refusedBytes)} to ${peer} were refused by the kernel on link ${link}`;
      const counter = `path ${path.id} refusedBytes`;
      found.push({ severity: 'note', peer, link, text, counter, numbers: { refusedBytes } });
    }
    return found;
  });
}

function fullRings(snapshot: Snapshot): Explanation[] {
  return snapshot.rings
    .filter((ring) => ring.refusedClaims >= leastRefused && !outward.test(ring.name))
    .map((ring) => {
      const text = `The ring ${ring.name} was full ${ring.refusedClaims} times: its consumer was behind`;
      const counter = `ring ${ring.name}`;
      return { severity: 'note', text, counter, numbers: { refusedClaims: ring.refusedClaims } };
    });
}

function kib(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${Math.round(bytes / 1024)} KiB`;
}
