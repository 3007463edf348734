/** What the page makes of the daemon's answers: the verdict, the lines of its plots, its sentences, the fields of limits. */
import t from 'tap';
import type { ClientRow } from '../../src/control/client-calls.ts';
import { withDetail } from '../../src/control/event-text.ts';
import { type EventRecord, eventKinds } from '../../src/control/events.ts';
import type { Explanation } from '../../src/control/explain.ts';
import type { Top } from '../../src/control/rows.ts';
import { joined } from '../../src/page/history-lines.ts';
import { changeOf, noTexts, textsOf } from '../../src/page/limit-fields.ts';
import { groupNames, groupOf, isLoss, isMark, sentenceOf } from '../../src/page/sentences.ts';
import { keptSamples, Series, shares, stacked } from '../../src/page/series.ts';
import { verdictOf } from '../../src/page/verdict.ts';

interface Made {
  readonly peers?: readonly { name: string; state: string; isWanted?: boolean }[];
  readonly links?: readonly object[];
  readonly paths?: readonly object[];
  readonly actors?: readonly { id: string; state: string }[];
  readonly warnings?: readonly string[];
  readonly count?: number;
  readonly cutOff?: number;
}

/** The parts of an answer that the functions read. */
function topOf({
  peers = [{ name: 'hub', state: 'connected' }],
  links = [],
  paths = [],
  actors = [],
  ...more
}: Made = {}): Top {
  const peersConnected = peers.filter(({ state }) => state === 'connected').length;
  const of = (test: (peer: NonNullable<Made['peers']>[number]) => boolean): number => peers.filter(test).length;
  const status = {
    links,
    warnings: more.warnings ?? [],
    peers: more.count ?? peers.length,
    peersConnected,
    peersCutOff: more.cutOff ?? of(({ state }) => state === 'cut off'),
    peersLost: of(({ state, isWanted = false }) => isWanted && state !== 'connected'),
  };
  return { status, peers, paths, actors, rings: [] } as unknown as Top;
}

const problem: Explanation = { severity: 'problem', text: 'Link lte is down for 3 s' };
const fibre = { name: 'fibre', state: 'up', isEnabled: true, sentBps: 3e6, receivedBps: 9e6 };
const lte = { name: 'lte', state: 'up', isEnabled: true, sentBps: 1e6, receivedBps: 0 };

t.test('verdictOf() says well, hurt, down or unknown', async (t) => {
  const of = (top: Top | undefined, explanations: readonly Explanation[] = [], silentMs?: number) => {
    const { health, headline } = verdictOf({ top, explanations, silentMs });
    return `${health}: ${headline}`;
  };
  t.equal(of(undefined), 'unknown: Asking the daemon …');
  t.equal(of(topOf(), [], 4000), 'unknown: No answer from the daemon for 4 s');
  t.equal(of(topOf(), [{ severity: 'limit', text: 'x' }]), 'well: All is well');
  t.equal(of(topOf(), [problem]), 'hurt: Traffic flows, with one thing to look at');
  t.equal(of(topOf({ links: [fibre, { ...lte, state: 'down' }] }), [problem]), 'hurt: Traffic flows without lte');
  t.equal(of(topOf({ peers: [{ name: 'hub', state: 'cut off' }] }), [problem]), 'down: Cut off from hub');
  const wanted = { name: 'hub', state: 'waiting', isWanted: true };
  t.equal(of(topOf({ peers: [wanted, { name: 'b', state: 'connected' }] })), 'down: Cut off from hub');
  const crowd = { peers: [{ name: 'hub', state: 'cut off' }], count: 900, cutOff: 700 };
  t.equal(of(topOf(crowd)), 'down: Cut off from 700 peers', 'those without a row count');
  t.equal(of(topOf({ peers: [] })), 'well: All is well', 'a hub whom nobody calls');
  t.equal(of(topOf({ actors: [{ id: 'sealer', state: 'failed' }] })), 'down: sealer has failed');
});

t.test('verdictOf() shows a warning at once, and not twice when the explanation has come', async (t) => {
  const top = topOf({ warnings: ['Link lte is down for 5 s', 'Link b is degraded'] });
  const texts = verdictOf({ top, explanations: [problem], silentMs: undefined }).problems.map(({ text }) => text);
  t.same(texts, ['Link lte is down for 3 s', 'Link b is degraded']);
});

t.test('Series keeps a quarter of an hour, leaves gaps, and gives each way a colour of its own', async (t) => {
  const series = new Series();
  const path = { link: 'fibre', peer: 'hub', condition: 'live', sentBps: 1, receivedBps: 1, rttMs: 17 };
  const top = topOf({ links: [fibre, lte], paths: [path, { ...path, sentBps: 0, rttMs: 99 }] });
  for (let second = 0; second < keptSamples + 50; second += 1) series.add(top, second * 1000);
  t.equal(series.lines(0).times.length, keptSamples);
  series.add(topOf({ links: [fibre] }), 2_000_000);
  const lines = series.lines(940);
  t.same(lines.ways, ['fibre', 'lte']);
  t.same(lines.receivedBps[0]?.slice(-3), [9e6, null, 9e6]);
  t.same(lines.rttMs[0]?.slice(-3), [17, null, null], 'the busiest path speaks for its link');
  t.equal(series.lines(1_999).ways.length, 1, 'what is not in sight is not named');
  t.equal(series.colourOf('lte'), 1);
});

t.test('Series tells ways apart by peer where there is no link, and sums up a crowd', async (t) => {
  const path = { link: 'default', condition: 'live', sentBps: 5, receivedBps: 1, rttMs: 1 };
  const paths = [
    { ...path, peer: 'a', peerLink: 'lte' },
    { ...path, peer: 'b' },
  ];
  const series = new Series();
  series.add(topOf({ links: [{ ...fibre, name: 'default' }], paths, count: 2 }), 1000);
  t.same(series.lines(0).ways, ['a, lte', 'b']);
  const crowd = new Series();
  crowd.add(topOf({ links: [{ ...fibre, name: 'default', sentBps: 70 }], paths, count: 900 }), 1000);
  t.same(crowd.lines(0).sentBps, [[70]], 'of the link: of a crowd not each path is told');
  t.same(crowd.lines(0).rttMs, [[1]]);
});

t.test('stacked() and shares() draw what is there', async (t) => {
  const lines = [
    [1, null, 0],
    [3, 2, 0],
  ];
  t.same(stacked(lines), [
    [1, null, 0],
    [4, 2, 0],
  ]);
  t.same(shares(lines), [
    [25, null, null],
    [75, 100, null],
  ]);
});

t.test('joined() puts answers of history on one axis of time, and breaks off where nobody measured', async (t) => {
  const columns = ['time', 'rttMs', 'outBps'];
  const first = { step: 60, columns, rows: [[60, 5, 100]] };
  const rows = [
    [60, null, 7],
    [120, 6, 8],
    [300, 6, 9],
  ];
  const { times, sentBps, rttMs, receivedBps } = joined(['a', 'b'], [0, 1], [first, { step: 60, columns, rows }]);
  t.same(times, [60, 120, 180, 300]);
  t.same(sentBps, [
    [100, null, null, null],
    [7, 8, null, 9],
  ]);
  t.same(rttMs[1], [null, 6, null, 6]);
  t.same(receivedBps[0], [null, null, null, null], 'a column that is not told');
});

t.test('every kind of event has a group and a sentence', async (t) => {
  for (const kind of eventKinds) {
    const event = {
      kind,
      id: 1,
      timeMs: 0,
      source: 'x',
      servers: [],
      addresses: [],
      from: 'a',
      expiresMs: 0,
      untilMs: 0,
      usedBytes: 0,
      quotaBytes: 0,
      hooks: [],
    };
    const record = event as unknown as EventRecord;
    t.ok(groupNames[groupOf(record)], kind);
    t.type(sentenceOf(record), 'string');
  }
  const failover = { kind: 'failover', peer: 'hub', from: 'fibre', to: 'lte', reason: 'probes were not answered' };
  const record = { ...failover, id: 1, timeMs: 0, source: 'control-server' } as EventRecord;
  t.equal(sentenceOf(record), 'fibre was left for lte: probes were not answered');
  const rekey = withDetail({ kind: 'rekey', peer: 'hub', id: 1, timeMs: 0, source: 'session-manager' } as EventRecord);
  t.equal(sentenceOf(rekey as EventRecord), 'peer=hub', 'what has no sentence is not said twice');
  t.ok(isMark(record) && isLoss(record));
});

t.test('changeOf() tells what differs, and the field that nobody can read', async (t) => {
  const row = {
    limits: { upBps: 5e6, downBps: 0, priority: 50 },
    quota: { dailyBytes: 10e9, monthlyBytes: 0 },
  } as ClientRow;
  const before = textsOf(row);
  t.same(before, { down: 'off', up: '5', daily: '10', monthly: 'off' });
  t.same(changeOf(before, before), { change: {}, wrong: undefined });
  const after = { down: ' 2,5', up: 'OFF', daily: '', monthly: '0.5' };
  t.same(changeOf(after, before).change, {
    rates: { down: 2.5, up: 'off' },
    quota: { dailyBytes: null, monthlyBytes: 5e8 },
  });
  for (const wrong of ['x', '0', '-1', 'NaN'])
    t.equal(changeOf({ ...noTexts, daily: wrong }, noTexts).wrong, 'daily', wrong);
});
