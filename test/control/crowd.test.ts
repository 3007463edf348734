/** Who of thousands of peers gets a row, and what all come to. */
import t from 'tap';
import { choose, type PathGlance, type PeerGlance, sumsOf } from '../../src/control/crowd.ts';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { narrow, type Snapshot, widest } from '../../src/control/snapshot.ts';

const plain: PeerGlance = {
  name: '',
  state: 'idle',
  cutOffAgeMs: undefined,
  isWanted: false,
  refusal: undefined,
  receivedBytes: 10,
  sentBytes: 1,
  receivedBps: 0,
  sentBps: 0,
  queuedBytes: 2,
};
const way: PathGlance = {
  peer: '',
  link: 'default',
  transport: 'udp',
  condition: 'live',
  changedAgeMs: 0,
  probeLossPercent: 0,
  answerLossPercent: 0,
};

/** 100 of them; those that are named are otherwise. */
function crowdOf(others: Readonly<Record<string, Partial<PeerGlance>>>): PeerGlance[] {
  return Array.from({ length: 100 }, (_, at) => ({ ...plain, name: `p${at}`, ...others[`p${at}`] }));
}

const namesIn = (peers: readonly PeerGlance[], places: readonly number[]) => places.map((place) => peers[place]?.name);

t.test('choose() takes the busiest, those in trouble, and those that are named', async (t) => {
  const peers = crowdOf({
    p7: { receivedBps: 5 },
    p9: { sentBps: 9 },
    p20: { state: 'connected' },
    p30: { state: 'waiting' },
    p31: { isWanted: true },
    p32: { refusal: { reason: 'quota', ageMs: 5000, count: 1, behindMs: undefined } },
    p33: { refusal: { reason: 'quota', ageMs: 700_000, count: 1, behindMs: undefined } },
    p34: { state: 'connected', isWanted: true },
    p40: { state: 'connected' },
  });
  const dead = [{ ...way, condition: 'dead' }];
  const lossy = [{ ...way, answerLossPercent: 20 }];
  const pathsOf = (name: string) => (name === 'p40' ? dead : name === 'p20' ? lossy : name === 'p9' ? [way] : []);
  const pick = (most: number, names: readonly string[] = []) => {
    const { places, untold, untoldPaths } = choose(peers, pathsOf, { most, peers: names });
    return [...namesIn(peers, places), untold, untoldPaths];
  };
  t.strictSame(
    pick(3),
    ['p9', 'p7', 'p20', 'p31', 'p30', 'p32', 0, 1],
    'those with traffic, then those that are connected',
  );
  t.strictSame(pick(1), ['p9', 'p31', 2, 1], 'whom nothing reaches before whom a path fails, and the rest is counted');
  t.strictSame(pick(0, ['p99', 'p31', 'nobody']), ['p31', 'p99', 2, 1]);
  t.strictSame(pick(6), ['p9', 'p7', 'p20', 'p34', 'p40', 'p0', 'p31', 'p30', 'p32', 0, 0]);
});

t.test('choose() shows who is cut off before who is refused, and a dead path before a doubted one', async (t) => {
  const refusal = { reason: 'quota', ageMs: 5000, count: 1, behindMs: undefined } as const;
  const others: Record<string, Partial<PeerGlance>> = { p99: { state: 'cut off' }, p98: { state: 'waiting' } };
  for (let at = 0; at < 60; at += 1) others[`p${at}`] = { refusal };
  const peers = crowdOf(others);
  const pathsOf = (name: string) => [{ ...way, condition: name === 'p97' ? 'dead' : 'unproven' } as PathGlance];
  const names = (most: number) => namesIn(peers, choose(peers, pathsOf, { most, peers: [] }).places).slice(most);
  t.strictSame(names(2), ['p99', 'p98']);
  t.equal(names(62)[2], 'p97', 'those that are shown as the busiest take no place of others');
});

t.test('sumsOf() counts all', async (t) => {
  const peers = crowdOf({
    p1: { state: 'connected', sentBps: 3, isWanted: true },
    p2: { state: 'cut off', cutOffAgeMs: 7, isWanted: true },
  });
  const paths = [way, { ...way, condition: undefined }, { ...way, condition: undefined }];
  t.match(sumsOf(peers, paths, { untold: 5, untoldPaths: 2 }), {
    peers: 100,
    paths: 3,
    states: { connected: 1, 'cut off': 1, waiting: 0, idle: 98 },
    receivedBytes: 1000,
    sentBytes: 100,
    sentBps: 3,
    queuedBytes: 200,
    cutOff: [{ peer: 'p2', ageMs: 7 }],
    lost: 1,
    untold: 5,
    untoldPaths: 2,
    pathGroups: [
      { link: 'default', transport: 'udp', condition: 'live', count: 1 },
      { link: 'default', transport: 'udp', condition: undefined, count: 2 },
    ],
  });
  const all = peers.map((peer): PeerGlance => ({ ...peer, state: 'cut off' }));
  t.equal(sumsOf(all, []).cutOff.length, 20, 'of a hub without an outside not each is named');
});

t.test('narrow() leaves what one wanted of what several did', async (t) => {
  const peers = crowdOf({ p1: { sentBps: 3 }, p2: { sentBps: 2 }, p3: { state: 'waiting' }, p4: { state: 'waiting' } });
  const paths = [1, 2, 50].map((at) => ({ ...way, peer: `p${at}` }) as PathStatus);
  const sums = sumsOf(peers, paths);
  const snapshot = { sums, peers, paths } as unknown as Snapshot;
  const few = narrow(snapshot, { most: 1, peers: ['p50'] });
  t.strictSame(
    few.peers.map(({ name }) => name),
    ['p1', 'p3', 'p50'],
  );
  t.strictSame(
    few.paths.map(({ peer }) => peer),
    ['p1', 'p50'],
  );
  t.match(few.sums, { peers: 100, untold: 1 });
  t.equal(narrow(snapshot, { most: 100, peers: [] }), snapshot, 'an instance with no more shows all');
  t.equal(narrow(snapshot, { most: 0, allUpTo: 100, peers: [] }), snapshot, 'or none at all of more');
  t.strictSame(narrow(snapshot, { most: 0, allUpTo: 99, peers: [] }).peers, []);
  const choices = [
    { most: 5, peers: ['a'] },
    { most: 2, peers: ['a', 'b'] },
  ];
  t.strictSame(widest(choices), { most: 5, allUpTo: 5, peers: ['a', 'b'] });
  t.equal(widest([...choices, { most: 0, allUpTo: 100, peers: [] }]).allUpTo, 100, 'who wants all of few gets them');
});
