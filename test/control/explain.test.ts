import t from 'tap';
import { sumsOf } from '../../src/control/crowd.ts';
import { explain } from '../../src/control/explain.ts';
import type { LinkStatus, PathStatus } from '../../src/control/network-rows.ts';
import type { ActorStatus, PeerStatus } from '../../src/control/rows.ts';
import type { Snapshot } from '../../src/control/snapshot.ts';
import { statusOf } from '../../src/control/status.ts';

const link = {
  name: 'fibre',
  interface: 'eth0',
  state: 'up',
  isEnabled: true,
  isForced: false,
  suggested: {},
  role: 'always',
  sentBps: 0,
  errors: 0,
} as LinkStatus;
const path = {
  peer: 'hub',
  link: 'fibre',
  transport: 'udp',
  endpoint: '203.0.113.1:51820',
  condition: 'live',
  rttMs: 20,
  lossPercent: 0,
  queueDelayMs: 0,
  sharePercent: 100,
  paceBps: 50e6,
  rateAgeMs: 1000,
  ageMs: 60_000,
  probeLossPercent: 0,
  answerLossPercent: 0,
  sentBps: 1e6,
  sentPacketsPerSecond: 100,
  ecnPacketsPerSecond: 0,
  markedPacketsPerSecond: 0,
  lateBytes: 0,
  refusedBytes: 0,
} as PathStatus;
const peer = {
  name: 'hub',
  publicKey: 'AbCdEfGhIjKlMnOp',
  state: 'connected',
  isHawser: true,
  sentBps: 1e6,
  queuedPackets: 0,
  queuedBytes: 0,
  heldPackets: 0,
  givenUpPackets: 0,
  resentPackets: 0,
  rebuiltPackets: 0,
} as PeerStatus;
const sealer = {
  id: 'sealer',
  role: 'sealer',
  state: 'running',
  busyPercent: 5,
  starvedPercent: 1,
  counters: {},
} as ActorStatus;
const instance = {
  fec: 'off',
  repair: 'auto',
  fwmark: 0x68000011,
  total: { upBps: 0, downBps: 0 },
  peers: [],
  troubles: [],
} as unknown as Snapshot['instance'];
const quiet: Snapshot = {
  nowMs: 0,
  instance,
  sums: sumsOf([], []),
  peers: [],
  paths: [],
  links: [link],
  health: [],
  actors: [sealer],
  rings: [],
  host: { forwardsV4: true, forwardsV6: true, connections: undefined },
  changedAgesMs: {},
};

function told(change: Partial<Snapshot>): string[] {
  const { peers = [], paths = [] } = change;
  return explain({ ...quiet, sums: sumsOf(peers, paths), ...change }).map((one) => `${one.severity}: ${one.text}`);
}

t.test('explain() has nothing to say when nothing is in the way', async (t) => {
  t.strictSame(told({}), []);
});

t.test('explain() says of how many peers without a row nothing is told', async (t) => {
  t.match(told({ sums: { ...quiet.sums, untold: 412 } }), [/^problem: Nothing gets through to 412 more peers/]);
  t.match(told({ sums: { ...quiet.sums, untoldPaths: 3 } }), [/^problem: Paths of 3 more peers have died/]);
});

t.test('explain() names what is wrong with links, with the remedy', async (t) => {
  const one = (change: Partial<LinkStatus>) => explain({ ...quiet, links: [{ ...link, ...change }] })[0];
  t.match(one({ state: 'down' }), { severity: 'problem', link: 'fibre', remedy: 'ip link set eth0 up' });
  t.match(one({ state: 'disabled' }), { severity: 'note', text: /by hand/, remedy: 'hawser link enable fibre' });
  t.match(one({ state: 'no carrier' }), { remedy: /cable/ });
  const suggested = { suggested: { role: 'metered', weight: 9 } } as const;
  t.match(one(suggested), { severity: 'note', text: /role metered \(configured: always\), weight 9$/ });
  t.match(one({ isForced: true }), { severity: 'limit', remedy: 'hawser failover auto' });
  t.match(one({ limitBps: 10e6, sentBps: 9.5e6 }), {
    severity: 'limit',
    text: /allows \(10 Mbit\/s\)/,
    remedy: 'rate: auto',
  });
  t.match(one({ errors: 3, lastError: 'ENETUNREACH' }), { text: /refused 3 sends .* ENETUNREACH/ });
  const firewall = { links: [{ ...link, errors: 3, lastError: 'EPERM' }], changedAgesMs: { 'link fibre errors': 900 } };
  t.match(explain({ ...quiet, ...firewall })[0], {
    severity: 'problem',
    text: 'The kernel refused 3 sends on link fibre, the last with EPERM: a firewall of this host drops them',
    remedy: /the mark 0x68000011 .* routing\.fwmark/,
  });
  t.match(one({ errors: 3, lastError: 'EPERM' }), { severity: 'note' });
  const health = [{ link: 'fibre', reason: 'probes were not answered', checks: [] }] as unknown as Snapshot['health'];
  t.strictSame(told({ links: [{ ...link, state: 'dead' }], health }), [
    'problem: Link fibre is dead: probes were not answered',
  ]);
});

t.test('explain() says which path limits a peer, and when none does', async (t) => {
  const lte = { ...path, link: 'lte', paceBps: 10e6, rttMs: 60 };
  const full = {
    peers: [{ ...peer, sentBps: 55e6, queuedBytes: 204_800 }],
    paths: [
      { ...path, sentBps: 46e6, sharePercent: 83 },
      { ...lte, sentBps: 9e6, sharePercent: 17, queueDelayMs: 30 },
    ],
  };
  t.match(explain({ ...quiet, ...full }), [
    {
      severity: 'limit',
      peer: 'hub',
      text: 'The links are the limit to hub: fibre 46 Mbit/s of 50 Mbit/s, lte 9.0 Mbit/s of 10 Mbit/s; 200 KiB wait here for credit',
      remedy: 'another link, or a faster lte',
    },
    { severity: 'note', link: 'lte', text: /holds packets for 30 ms/ },
  ]);
  const marked = { ...path, ecnPacketsPerSecond: 400, markedPacketsPerSecond: 20 };
  t.match(told({ peers: [{ ...peer, sentBps: 1000 }], paths: [marked] }), [/queue on the way of link fibre marks 5 %/]);
  const slack = {
    peers: [{ ...peer, sentBps: 6e6 }],
    paths: [
      { ...path, sentBps: 6e6 },
      { ...lte, sentBps: 0, sharePercent: 0 },
    ],
  };
  t.match(told(slack), [
    /^note: The links are not the limit to hub: 6\.0 Mbit\/s is 10 % of what they carry/,
    /^note: Link lte is live and carries nothing: .*60 ms against 20 ms/,
  ]);
  t.strictSame(told({ peers: [{ ...peer, sentBps: 1000 }], paths: [path] }), [], 'a keepalive is no traffic');
});

t.test('explain() tells of dead paths, silent peers, losses and waiting packets', async (t) => {
  const dead = { ...path, condition: 'dead', reason: 'probes were not answered', changedAgeMs: 3200 };
  t.match(told({ peers: [{ ...peer, sentBps: 0 }], paths: [dead, { ...path, link: 'lte' }] }), [
    'problem: The path fibre → 203.0.113.1:51820 is dead for 3.2 s: probes were not answered',
  ]);
  t.match(told({ peers: [{ ...peer, state: 'waiting', queuedPackets: 7 }] }), [
    /hub does not answer handshakes: 7 packets/,
  ]);
  t.match(told({ peers: [{ ...peer, isHawser: false, link: 'fibre' }], paths: [{ ...path, condition: undefined }] }), [
    /no Hawser: .* one link at a time \(fibre now\)/,
  ]);
  t.match(
    told({
      peers: [{ ...peer, sentBps: 0, heldPackets: 9, reorderDeadlineMs: 42 }],
      paths: [{ ...path, lossPercent: 2 }],
    }),
    [/^note: Link fibre loses 2 %/, /^note: 9 packets from hub wait for those before them, 42 ms at most/],
  );
});

t.test(
  'explain() says which transport is blocked, in which direction and since when, and which one carries',
  async (t) => {
    const nowMs = new Date(2026, 10, 29, 14, 5).getTime();
    const udp = { ...path, state: 'standby', condition: 'dead', changedAgeMs: 180_000, lastReceivedAgeMs: 900 };
    const other = { ...path, state: 'up', transport: 'faketcp' };
    const said = (...paths: PathStatus[]) =>
      told({ nowMs, peers: [peer], paths }).find((text) => /UDP/.test(text)) ?? '';
    t.match(said(udp, other), /^note: UDP is blocked on fibre \(towards hub, since 14:02\), FakeTCP carries/);
    t.match(
      said({ ...udp, lastReceivedAgeMs: 180_000 }, other),
      /UDP is blocked on fibre \(in both directions, since 14:02\)/,
    );
    const back = { ...path, state: 'up', answerLossPercent: 100, lossyAgeMs: 240_000 };
    t.match(
      said(back, { ...other, state: 'standby' }),
      /UDP is blocked on fibre \(from hub, since 14:01\), FakeTCP brings what hub sends/,
    );
    t.match(
      said({ ...udp, condition: 'recovering' }, other),
      /UDP answers again on fibre; FakeTCP carries until it has been stable/,
    );
    t.match(said({ ...udp, changedAgeMs: 86_400_000 }, other), /since 2026-11-28 14:05/);
  },
);

t.test('explain() tells a dead link from a dead peer', async (t) => {
  const dead = { ...path, condition: 'dead', reason: 'probes were not answered', changedAgeMs: 3200 };
  const answers = (...states: string[]) =>
    states.map((state, index) => ({ link: ['fibre', 'lte'][index], state })) as unknown as Snapshot['health'];
  const off = { ...peer, state: 'cut off', cutOffAgeMs: 3200 } as const;
  const about = (change: Partial<Snapshot>) =>
    told({ peers: [off], ...change }).filter((one) => /nswer.* by/.test(one));
  const both = [dead, { ...dead, link: 'lte' }];
  t.strictSame(about({ paths: both, health: answers('up', 'down') }), [
    'problem: Other hosts answer by fibre: it is hub that does not, or something on the way to it',
  ]);
  t.strictSame(about({ paths: both, health: answers('down', 'down') }), [
    'problem: No host answers by fibre and lte either: the links are dead, not hub',
  ]);
  t.strictSame(about({ paths: [dead], health: answers('down', 'up') }), [
    'problem: No host answers by fibre either: the links are dead, not hub',
  ]);
  t.strictSame(about({ peers: [peer], paths: [dead, path], health: answers('up', 'up') }), [], 'one path lives');
  t.strictSame(about({ paths: [dead], health: answers() }), [], 'nobody was asked');
  const waiting = { ...peer, state: 'waiting', queuedPackets: 1 } as const;
  t.equal(about({ peers: [waiting], health: answers('up') }).length, 1);
});

t.test('explain() says what was dropped where, and when this host is the limit', async (t) => {
  const counters = { sealer_no_route_packets: 12, sealer_codel_packets: 0, sealer_stashed_packets: 99 };
  t.match(told({ actors: [{ ...sealer, counters, busyPercent: 97 }] }), [
    'limit: This host is the limit: sealer works 97 % of its time',
    /^note: 12 packets went nowhere: .*\(sealer_no_route_packets\); none of them lately$/,
  ]);
  t.equal(
    told({ actors: [{ ...sealer, counters }] }).length,
    1,
    'a counter of 0 is no drop, and a queue is none either',
  );
  t.match(told({ paths: [{ ...path, lateBytes: 4096, refusedBytes: 100 }] }), [
    'note: 4 KiB to hub were overwritten before link fibre could send them; none of them lately',
    'note: 100 B to hub were refused by the kernel on link fibre; none of them lately',
  ]);
  const ring = { capacityBytes: 1, usedBytes: 0, publishedRecords: 0, crashes: 0 };
  const rings = [
    { ...ring, name: 'opener.plain -> tun-writer.inbound', refusedClaims: 500 },
    { ...ring, name: 'sealer.descriptors.fibre -> wan-link.fibre.descriptors', refusedClaims: 500 },
    { ...ring, name: 'tun-reader.outbound -> sealer.plain', refusedClaims: 3 },
  ];
  t.equal(told({ rings }).length, 1);
  t.match(told({ rings }), [/^note: The ring opener\.plain .* was full 500 times/]);
  t.match(told({ actors: [{ ...sealer, state: 'restarting', lastExit: 'hung' }] }), [
    'problem: Actor sealer is restarting: hung',
  ]);
  const remedyOf = (id: string): string | undefined =>
    explain({ ...quiet, actors: [{ ...sealer, id, state: 'starting' }] }).find(({ text }) => text.includes(id))?.remedy;
  t.match(remedyOf('api-server'), /no packet waits for it/);
  t.notMatch(remedyOf('wan-link.fibre'), /no packet/);
});

t.test('explain() says what parity cost and what it brought back', async (t) => {
  const running = { ...instance, fec: '20+3' };
  const sender = { ...sealer, packets: 11_500, counters: { sealer_parity_packets: 1500 } };
  t.match(explain({ ...quiet, instance: running, actors: [sender] }), [
    {
      severity: 'note',
      text: 'Parity cost 1500 packets, 13 % of those sealed (bonding.fec: 20+3)',
      remedy: /on the other side/,
      numbers: { parityPackets: 1500, sharePercent: 13 },
    },
  ]);
  const opener = { id: 'opener', role: 'opener', state: 'running', busyPercent: 5 } as ActorStatus;
  const receiver = (rebuilt: number) => [
    { ...opener, counters: { opener_parity_packets: 900, opener_rebuilt_packets: rebuilt } },
  ];
  t.strictSame(told({ actors: receiver(42) }), [
    'note: 900 parity packets came in and brought back 42 lost packets, without a round trip',
  ]);
  t.match(told({ actors: receiver(0) }), [/^note: 900 parity packets came in and brought back nothing: no packet/]);
  const given = (givenUpPackets: number, receivedPackets: number): string[] =>
    told({ peers: [{ ...peer, sentBps: 0, givenUpPackets, receivedPackets }] });
  t.match(given(40, 1000), [/40 packets from .* were not waited for any longer/]);
  t.strictSame(given(9, 20), told({ peers: [{ ...peer, sentBps: 0 }] }), 'probes of sizes, beside some pings');
  t.strictSame(given(400, 43_000), told({ peers: [{ ...peer, sentBps: 0 }] }), 'the same after a day');
  t.strictSame(told({ peers: [{ ...peer, sentBps: 0, rebuiltPackets: 40 }] }), [
    'note: 40 packets from hub were lost, and rebuilt from its parity; none of them lately',
  ]);
  const counters = { opener_parity_packets: 0, opener_rebuilt_packets: 0, sealer_parity_packets: 0 };
  t.strictSame(
    told({
      actors: [
        { ...opener, counters },
        { ...sealer, counters },
      ],
    }),
    [],
    'nothing without parity',
  );

  const lossy = { peers: [{ ...peer, sentBps: 0 }], paths: [{ ...path, lossPercent: 2 }] };
  const remedies = (fec: string) => explain({ ...quiet, ...lossy, instance: { ...instance, fec } })[0]?.remedy;
  t.match(remedies('off'), /^bonding\.fec: auto/);
  t.equal(remedies('auto'), undefined, 'it is on already');
});

t.test('explain() names a peer that is cut off, what was tried, and who it may be', async (t) => {
  const dead = { ...path, condition: 'dead', reason: 'probes were not answered', changedAgeMs: 40_000 };
  const off = { ...peer, state: 'cut off', cutOffAgeMs: 40_000 } as const;
  const both = { peers: [off], paths: [dead, { ...dead, link: 'lte' }] };
  const [first] = explain({ ...quiet, ...both });
  t.match(first, {
    severity: 'problem',
    text: 'Peer hub has been cut off for 40 s: nothing that is sent to it by fibre and lte is answered',
  });
  t.match(first?.remedy, /look at hub: has its daemon ended .* drops UDP to 203\.0\.113\.1:51820/);
  t.notMatch(told(both).join(), /nothing to do|The path/, 'one sentence for all its paths');
  const tls = { ...dead, transport: 'tls', endpoint: 'tls://203.0.113.1:443' };
  const remedyFor = (paths: readonly PathStatus[]) => explain({ ...quiet, ...both, paths })[0]?.remedy;
  t.match(remedyFor([tls]), /drops TCP to tls:\/\/203\.0\.113\.1:443/);
  t.match(remedyFor([dead, tls]), /drops UDP and TCP to 203\.0\.113\.1:51820 and tls:/);
  const down = {
    ...both,
    links: [
      { ...link, state: 'no carrier' },
      { ...link, name: 'lte', state: 'gone' },
    ],
  };
  t.match(told(down), [/Link fibre has no carrier$/, /Link lte is gone$/, /hub has been cut off/]);
  t.match(explain({ ...quiet, ...down })[2]?.remedy, /first mend the links/);
  const wanted = { ...peer, state: 'idle', isWanted: true } as const;
  t.match(told({ peers: [{ ...wanted, handshakeAgeMs: 250_000 }] }), [
    'problem: Peer hub is not connected: no handshake is answered; the last one was 4 min ago',
  ]);
  t.strictSame(told({ peers: [{ ...wanted, isWanted: false }] }), [], 'nobody wants it');
});

t.test('explain() says what keeps a link that answers from carrying anything', async (t) => {
  const lte = { ...path, link: 'lte', rttMs: 60, jitterMs: 110, sentBps: 0, sharePercent: 0, paceBps: 156e6 };
  const of = (change: Partial<PathStatus>, sentBps = 47e6) =>
    told({
      peers: [{ ...peer, sentBps }],
      paths: [
        { ...path, sentBps, sharePercent: 100 },
        { ...lte, ...change },
      ],
    });
  t.match(of({ heldBy: 'jitter' }), [
    /^limit: The links are the limit to hub: fibre 47 Mbit\/s of 50 Mbit\/s$/,
    /^limit: Link lte answers and carries nothing while others do: its round trip varies by 110 ms, and 100 are bad$/,
  ]);
  t.match(of({ heldBy: 'trip', rttMs: 700 })[1], /its round trip is 700 ms, and 500 are bad/);
  t.match(of({ heldBy: 'loss', lossPercent: 30 })[1], /it lost a fifth or more .* \(30 % now\)/);
  t.match(of({ heldBy: 'size' })[1], /not known to take packets as long as theirs, and is asked/);
  t.match(of({ heldBy: 'jitter', sharePercent: undefined }, 0), [/answers and carries nothing/], 'idle, too');
  t.match(of({ heldBy: 'far' }), [
    /are not the limit to hub/,
    /it is farther \(60 ms against 20 ms\), and too little waits/,
  ]);
  t.match(of({ heldBy: 'unneeded' })[1], /what was sent fitted the others/);
  t.match(of({ heldBy: 'role' })[1], /its role keeps it/);
  t.match(of({ heldBy: 'forced' })[1], /`hawser failover` has put all data on another link/);
  const alone = explain({ ...quiet, peers: [peer], paths: [{ ...path, heldBy: 'jitter' }] });
  t.notMatch(alone.map(({ text }) => text).join(), /answers and carries nothing/, 'it carries what there is');
});

t.test('explain() says why a link of several carries nothing', async (t) => {
  const lte = { ...link, name: 'lte', interface: 'wwan0' };
  const of = (change: Partial<PathStatus>, ofLink: Partial<LinkStatus> = {}) =>
    explain({
      ...quiet,
      peers: [{ ...peer, sentBps: 0 }],
      paths: [path, { ...path, link: 'lte', condition: 'dead', reason: 'probes were not answered', ...change }],
      links: [link, { ...lte, ...ofLink }],
    });
  t.match(of({ condition: 'withdrawn' }), [
    {
      severity: 'problem',
      text: 'Link lte carries nothing: the host has no route to 203.0.113.1:51820 by wwan0',
      remedy: /ip route add default via GATEWAY dev wwan0 metric 200$/,
    },
  ]);
  t.match(of({ condition: 'withdrawn', endpoint: '[2001:db8::1]:51820' })[0]?.remedy, /ip -6 route add default/);
  t.match(of({ condition: 'withdrawn' }, { state: 'disabled' }), [
    { severity: 'note', text: /by hand/, remedy: 'hawser link enable lte' },
  ]);
  t.match(of({ condition: 'unproven' }, { errors: 9, lastError: 'EPERM' })[0], {
    severity: 'problem',
    text: /^Link lte carries nothing to hub: no question by it to 203\.0\.113\.1:51820 was answered for 60 s; .* EPERM$/,
    remedy: /firewall on this host/,
  });
  t.match(of({ condition: 'unproven' })[0]?.remedy, /ping -I wwan0 203\.0\.113\.1$/);
  t.strictSame(of({ condition: 'unproven', ageMs: 300 }), [], 'it was asked just now');
});

t.test('explain() tells how much a path that nobody uses loses, and in which direction', async (t) => {
  const of = (change: Partial<PathStatus>) =>
    told({
      peers: [{ ...peer, sentBps: 0 }],
      paths: [path, { ...path, link: 'lte', condition: 'dead', reason: 'it stopped answering', ...change }],
    });
  t.strictSame(of({ probeLossPercent: 48, answerLossPercent: 1, lossyAgeMs: 125_000 }), [
    'problem: About half (48 %) of what is sent by lte does not arrive at hub for 2 min; the path is dead and the others carry',
  ]);
  t.match(of({ probeLossPercent: 0, answerLossPercent: 30, condition: 'recovering' }), [
    /^problem: 30 % of what is sent back by lte does not arrive here; the path is recovering/,
  ]);
  t.match(of({ probeLossPercent: 100 }), [/is dead: it stopped answering/], 'nothing arrives: that is no loss');
  const idle = { condition: 'live', reason: 'a probe was answered', sentBps: 2000, sentPacketsPerSecond: 3 } as const;
  t.match(of({ ...idle, probeLossPercent: 44, lossyAgeMs: 5_000 }), [
    /^problem: About half \(44 %\) of what is sent by lte does not arrive at hub for 5\.0 s; the path is live/,
  ]);
  t.strictSame(of({ ...idle, probeLossPercent: 12, lossyAgeMs: 5_000 }), [], 'that may be chance');
  t.strictSame(of({ ...idle, probeLossPercent: 44, lossyAgeMs: 100 }), [], 'that may pass');
});

t.test('explain() does not send people to the sender when packets wait, nor believes old rates', async (t) => {
  const busy = { ...peer, sentBps: 47e6 };
  const kept = { ...path, sentBps: 47e6, paceBps: 123e6 };
  t.match(told({ peers: [{ ...busy, queuedBytes: 40_960 }], paths: [kept] }), [
    /^limit: The links are the limit to hub: fibre 47 Mbit\/s of 123 Mbit\/s; 40 KiB wait/,
  ]);
  t.strictSame(told({ peers: [busy], paths: [{ ...kept, rateAgeMs: 3_000_000 }] }), [
    'note: Nothing waits for the links to hub: fibre 47 Mbit/s, 123 Mbit/s when it was last full 50 min ago',
  ]);
  const acks = { ...path, sentBps: 400e3, sentPacketsPerSecond: 500, lossPercent: 4, paceBps: 50e6 };
  t.notMatch(told({ peers: [{ ...peer, sentBps: 400e3 }], paths: [acks] }).join(), /loses/, 'acknowledgements only');
});

t.test('explain() lets counters that stand still sink to the bottom', async (t) => {
  const counters = { sealer_no_route_packets: 12, sealer_codel_packets: 3, sealer_overflow_packets: 7 };
  const changedAgesMs = { 'actor sealer sealer_overflow_packets': 4000, 'actor sealer sealer_codel_packets': 600_000 };
  t.match(told({ actors: [{ ...sealer, counters }], changedAgesMs }), [
    /^note: 7 packets .*\(sealer_overflow_packets\)$/,
    /^note: 3 packets .*\(sealer_codel_packets\); the last 10 min ago$/,
    /^note: 12 packets .*; none of them lately$/,
  ]);
});

t.test('explain() says how many packets were cut or dropped for their length, and what helps', async (t) => {
  const counters = { sealer_cut_packets: 4, sealer_outer_fragmented_packets: 5, sealer_too_long_packets: 6 };
  const all = told({ actors: [{ ...sealer, counters }] });
  t.match(all, [
    /^note: 4 packets were longer than the paths take and were sent in several frames.*\(sealer_cut_packets\)/,
    /^note: 5 packets .* left in fragments of the outer IP.*\(sealer_outer_fragmented_packets\)/,
    /^note: 6 packets .* were dropped: .*`tunnel.fragment: never`.*\(sealer_too_long_packets\)/,
  ]);
});

t.test('explain() blames the host: no processor, no forwarding, no room for connections', async (t) => {
  const holding = (used: number) => explain({ ...quiet, host: { ...quiet.host, connections: { used, most: 65_536 } } });
  t.match(holding(65_530), [
    {
      severity: 'problem',
      text: /^The kernel's table of connections is full \(65530 of 65536\): it drops/,
      remedy: /^sysctl -w net\.netfilter\.nf_conntrack_max=131072/,
    },
  ]);
  t.strictSame(holding(60_000), []);
  const starved = [{ ...sealer, starvedPercent: 61 }];
  t.match(told({ actors: starved }), [
    'limit: This host has too little processor: sealer waited 61 % of the time for one',
  ]);
  const flapping = { ...path, link: 'lte', condition: 'flapping', reason: 'it died soon after its last return' };
  t.match(
    told({ actors: starved, peers: [{ ...peer, sentBps: 0 }], paths: [path, flapping] })[0],
    /^problem: .*that is why lte seems to fail/,
  );

  const named = ['phone', 'home'].map((name) => ({ name, allowedIPs: ['10.9.0.2/32'] }));
  const hub = { ...instance, peers: named } as unknown as Snapshot['instance'];
  const off = { instance: hub, host: { ...quiet.host, forwardsV4: false, forwardsV6: false } };
  t.match(explain({ ...quiet, ...off }), [
    {
      severity: 'note',
      text: 'This host does not forward IPv4: its peers (phone and home) reach it and not each other',
      remedy: 'sysctl -w net.ipv4.ip_forward=1',
    },
  ]);
  const both = named.map((one) => ({ ...peer, sentBps: 0, name: one.name }));
  const refusing = { ...off, peers: both, changedAgesMs: { 'host IpInAddrErrors': 900 } };
  t.match(told(refusing), [/^problem: .*not each other, and it is refusing packets for others now$/]);
  t.strictSame(told({ instance: hub }), [], 'it forwards');
});

t.test('status warns of what explain calls broken', async (t) => {
  const dead = { ...path, condition: 'dead', changedAgeMs: 40_000 };
  const off = { ...peer, state: 'cut off', cutOffAgeMs: 40_000 } as const;
  const tunnel = { interface: 'hawser0', addresses: [], mtu: 1420 };
  const snapshot = {
    ...quiet,
    instance: { ...instance, tunnel },
    sums: sumsOf([off], [dead]),
    peers: [off],
    paths: [dead],
  };
  t.match(statusOf(snapshot), {
    peersConnected: 0,
    cutOff: [{ peer: 'hub', ageMs: 40_000 }],
    warnings: [/^Peer hub has been cut off for 40 s/],
  });
});

t.test('explain() names a path that takes no full packets, its size and the MTU to write', async (t) => {
  const wide = { ...instance, tunnel: { interface: 'hawser0', addresses: [], mtu: 1420 } };
  const narrow = { ...path, mtu: 1428, mtuAgeMs: 300_000 };
  const found = explain({ ...quiet, instance: wide, peers: [peer], paths: [narrow] }).filter(
    (one) => one.numbers?.mtu === 1428,
  );
  t.match(found, [
    {
      link: 'fibre',
      text: /takes packets of 1428 bytes at most towards hub for 5 min, and a full one of the tunnel has 1480/,
      remedy: /raise the MTU of eth0's way .*`tunnel\.mtu: 1368` on both sides/,
    },
  ]);
  const about = (mtu: number, endpoint: string) =>
    explain({ ...quiet, instance: wide, peers: [peer], paths: [{ ...narrow, mtu, endpoint }] }).some(
      (one) => one.numbers?.mtu !== undefined,
    );
  t.same(
    [about(1480, path.endpoint), about(1480, '[2001:db8::1]:51820'), about(1500, '[2001:db8::1]:51820')],
    [false, true, false],
  );
});

t.test(
  'explain names a path of the implicit link as the peer calls its link, and others by our own name',
  async (t) => {
    const dead = { ...path, condition: 'dead', reason: 'nothing came back', changedAgeMs: 4000, peerLink: 'lte' };
    const about = (one: object) =>
      explain({ ...quiet, peers: [peer], paths: [path, { ...dead, ...one }] as PathStatus[] });
    t.ok(about({ link: 'default' }).some(({ text }) => text.startsWith('The path lte → 203.0.113.1:51820 is dead')));
    t.ok(about({ link: 'wan' }).some(({ text }) => text.startsWith('The path wan → ')));
  },
);

t.test('explain() tells how losses on an only path are repaired, or that they are not', async (t) => {
  const change = { actors: [sealer], changedAgesMs: { 'peer hub resentPackets': 1000 }, paths: [path] };
  const mended = explain({ ...quiet, ...change, peers: [{ ...peer, resentPackets: 42 }] });
  t.match(
    mended.find((one) => one.text.includes('42')),
    {
      text: '42 packets to hub were lost on fibre, its only path, and sent again by it: hub holds what follows each for about a round trip',
      remedy: /second link, or `bonding\.fec: auto`/,
    },
  );
  const two = explain({
    ...quiet,
    ...change,
    paths: [path, { ...path, link: 'lte' }],
    peers: [{ ...peer, resentPackets: 42 }],
  });
  t.match(String(two.map((one) => one.text)), /42 packets to hub were lost on their path, and sent again/);
  const lossy = { peers: [peer], paths: [{ ...path, lossPercent: 0.8 }] };
  const off = { ...instance, repair: 'off' } as const;
  t.match(
    explain({ ...quiet, ...lossy, instance: off }).find((one) => one.severity === 'limit'),
    {
      text: 'What is lost on fibre, the only path to hub (0.8 %), is not sent again: bonding.repair is off',
      remedy: 'bonding.repair: auto',
    },
  );
  t.notMatch(String(told(lossy)), /bonding\.repair/);
  t.notMatch(String(told({ ...lossy, instance: off, peers: [{ ...peer, isHawser: false }] })), /bonding\.repair/);
});

t.test('explain() says how to tell a wrong key of the hub from a hub that is away', async (t) => {
  for (const state of ['idle', 'waiting'] as const) {
    const [found] = explain({
      ...quiet,
      peers: [{ ...peer, state, isWanted: true, endpoint: '203.0.113.1:51820', handshakeAgeMs: 240_000 }],
    });
    t.match(
      found?.remedy,
      /`hawser explain` there speaks of handshakes for another public key, the publicKey here \(AbCdEfGh…\)/,
    );
  }
});

t.test('explain() tells a hub of callers whose key it does not know, and of those who mean another hub', async (t) => {
  const counters = { session_manager_unknown_key_messages: 3, session_manager_bad_mac1_messages: 4 };
  const manager = { ...sealer, id: 'session-manager', role: 'session-manager', counters };
  const changedAgesMs = Object.fromEntries(Object.keys(counters).map((name) => [`actor session-manager ${name}`, 900]));
  t.match(explain({ ...quiet, actors: [manager], changedAgesMs }), [
    {
      severity: 'note',
      text: /^3 handshakes came with a public key that no peer here has/,
      remedy: /handshake-refused.*publicKey here is another/,
    },
    {
      severity: 'note',
      text: /^4 handshakes were for another public key than the one of this instance/,
      remedy: /the publicKey that `hawser status` shows/,
    },
  ]);
});

t.test('explain() does not speak of firewalls to who has called nobody', async (t) => {
  const named = { name: 'hub', endpoints: ['hub.example.net:51820'], allowedIPs: [] };
  const remedy = (peers: object[]) =>
    explain({
      ...quiet,
      instance: { ...instance, peers } as Snapshot['instance'],
      peers: [{ ...peer, state: 'waiting', queuedPackets: 7 }],
    })[0]?.remedy;
  t.match(remedy([named]), /^nobody was called: no address is known for hub\.example\.net:51820/);
  t.match(remedy([{ ...named, endpoints: [] }]), /^it has no endpoint here/);
});

t.test(
  'explain() looks at each of thousands of peers and paths a few times, not at all paths for each peer',
  async (t) => {
    const count = 500;
    let looks = 0;
    const counting = <Row extends object>(row: Row): Row =>
      new Proxy(row, {
        get(target, key) {
          looks += 1;
          return Reflect.get(target, key);
        },
      });
    const names = Array.from({ length: count }, (_, index) => `p${index}`);
    const crowd = {
      instance: { ...instance, peers: names.map((name) => counting({ name, endpoints: [], allowedIPs: [] })) },
      peers: names.map((name, index) => ({ ...peer, name, state: index % 2 === 0 ? 'connected' : 'waiting' })),
      paths: names.map((name) => counting({ ...path, peer: name })),
    } as unknown as Partial<Snapshot>;
    t.equal(told(crowd).filter((one) => one.startsWith('problem')).length, count / 2);
    t.ok(looks < 60 * count, `${looks} looks for ${count} peers`);
  },
);
