/** SendingPath: what counts as data on a path, and what does not. */
import t from 'tap';
import { SendingPath } from '../../src/bonding/sending-path.ts';
import { pathRow, plainWay } from '../support/path-rows.ts';

const probeUs = 200_000;

function pathOf(): SendingPath {
  const path = new SendingPath(pathRow(0), plainWay, 0);
  path.followState(0);
  return path;
}

/** Answers each probe of a path of 20 ms for so long; returns the time between the last two. */
function probe(path: SendingPath, forUs: number): number {
  const idle = {
    inFlightBytes: 0,
    freshBytes: 0,
    oldestUnackedUs: 0,
    reportIntervalUs: 10_000,
    rttUs: 20_000,
    jitterUs: 0,
    loss: 0,
  };
  let lastUs = 0;
  let intervalUs = 0;
  for (let nowUs = 1_000; nowUs < forUs; nowUs += 1_000) {
    path.life.tick(nowUs, { ...idle, lastReportUs: 0, isPeerIdle: nowUs > 10 * probeUs, hasStandby: false });
    if (nowUs < path.life.nextProbeAtUs) continue;
    intervalUs = nowUs - lastUs;
    lastUs = nowUs;
    const sequence = path.prober.startProbe(nowUs);
    path.spendFrame(100);
    path.handleProbeReply(sequence, 0, true, nowUs + 20_000);
  }
  return intervalUs;
}

t.test('an idle path is asked less and less often, though each question is a frame that leaves by it', async (t) => {
  const path = pathOf();
  t.ok(probe(path, 60e6) > 10 * probeUs);
});

t.test(
  'a path that bears frames only is idle: its round trip is that of the probes, not what data saw long ago',
  async (t) => {
    const path = pathOf();
    path.spend(1_500, 1_000);
    path.inFlightBytes = 0;
    path.controller.handleSample({
      nowUs: 500_000,
      rttUs: 400_000,
      deliveredBytes: 1_500,
      deliveryUs: 0,
      ackedPackets: 1,
      lostPackets: 0,
      isAppLimited: true,
    });
    probe(path, 3e6);
    path.refresh(3e6, true, 0, 0);
    t.equal(Math.round(path.rttUs / 1_000), 20);
  },
);

t.test('what fills the window is given up when no report names it, for nothing else would make room', async (t) => {
  const path = pathOf();
  path.controller.handleSample({
    nowUs: 1e6,
    rttUs: 20_000,
    deliveredBytes: 1_500,
    deliveryUs: 0,
    ackedPackets: 1,
    lostPackets: 0,
    isAppLimited: true,
  });
  path.refresh(1e6, true, path.rank, 0);
  const sentUs = 1e6 + 5_000;
  t.ok(path.expiryUs(1.1e6, 1e6) < sentUs, 'a report may be late');
  t.ok(path.expiryUs(1.3e6, 1e6) < sentUs, 'and the way back may stall');
  t.ok(path.expiryUs(1.5e6, 1e6) > sentUs, 'but not for ever');
  t.ok(path.expiryUs(1.1e6, 1.1e6) > sentUs, 'a report that should have named it has come');
});

t.test('a suggestion stands in place of the configuration, and the peer is heard beside it', async (t) => {
  const path = pathOf();
  path.handleWish(0, 'backup', 1);
  path.handleSuggestion(9, 'always');
  t.match(path, { weight: 9, ownRole: 'always', role: 'backup' });
  path.handleSuggestion(9, 'metered');
  t.match(path, { ownRole: 'metered', role: 'metered' });
  path.handleWish(0, 'always', 1);
  t.equal(path.role, 'metered');
  path.handleSuggestion(0, 'always');
  t.match(path, { weight: 0, ownRole: 'always', role: 'always' });
});

t.test('what a path swayed by while it was proven is forgotten when it is first used', async (t) => {
  const path = pathOf();
  const trips = [400_000, 50_000, 300_000, ...Array.from({ length: 9 }, () => 50_000)];
  for (const [at, tripUs] of trips.entries()) {
    const sequence = path.prober.startProbe(at * probeUs);
    path.handleProbeReply(sequence, 0, true, at * probeUs + tripUs);
  }
  const nowUs = 3e6;
  t.ok(path.controller.jitterUs > 50_000, `${path.controller.jitterUs} us`);
  path.refresh(nowUs, true, 0, 0);
  t.ok(path.jitterUs < 10_000, `a scheduler sees ${path.jitterUs} us`);
  path.spend(1_500, nowUs);
  path.refresh(nowUs, true, 0, 0);
  t.ok(path.jitterUs < 10_000, `and still when it bears data: ${path.jitterUs} us`);
});
