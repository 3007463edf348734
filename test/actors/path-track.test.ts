/** PathTrack: what counts as data on a path, and what does not. */
import t from 'tap';
import { PathTrack } from '../../src/actors/sealer/path-track.ts';
import { PathCredit } from '../../src/bonding/rate/path-credit.ts';
import { link, path, pathState } from '../../src/rings/layout.ts';
import { createRowTable, linkTable, pathTable } from '../../src/rings/table.ts';

const probeUs = 200_000;

function trackOf(): PathTrack {
  const paths = pathTable(createRowTable(path, 1));
  paths.setInt(0, path.stateAt, pathState.up);
  const settings = {
    linkRow: 0,
    port: 0,
    priority: 0,
    weight: 0,
    role: 'always',
    rateBps: 0,
    failbackUs: 5e6,
    sealedBytes: 1452,
  } as const;
  const track = new PathTrack(0, settings, new PathCredit(0), { paths, links: linkTable(createRowTable(link, 1)) }, 0);
  track.followState(0);
  return track;
}

/** Answers each probe of a path of 20 ms for so long; returns the time between the last two. */
function probe(track: PathTrack, forUs: number): number {
  const idle = { inFlightBytes: 0, oldestUnackedUs: 0, reportIntervalUs: 10_000, rttUs: 20_000, jitterUs: 0, loss: 0 };
  let lastUs = 0;
  let intervalUs = 0;
  for (let nowUs = 1_000; nowUs < forUs; nowUs += 1_000) {
    track.life.tick(nowUs, { ...idle, lastReportUs: 0, isPeerIdle: nowUs > 10 * probeUs });
    if (nowUs < track.life.nextProbeAtUs) continue;
    intervalUs = nowUs - lastUs;
    lastUs = nowUs;
    const sequence = track.startProbe(nowUs);
    track.spendFrame(100);
    track.handleProbeReply(sequence, 0, true, nowUs + 20_000);
  }
  return intervalUs;
}

t.test('an idle path is asked less and less often, though each question is a frame that leaves by it', async (t) => {
  const track = trackOf();
  t.ok(probe(track, 60e6) > 10 * probeUs);
});

t.test(
  'a path that bears frames only is idle: its round trip is that of the probes, not what data saw long ago',
  async (t) => {
    const track = trackOf();
    track.spend(1_500, 1_000);
    track.inFlightBytes = 0;
    track.controller.handleSample({
      nowUs: 500_000,
      rttUs: 400_000,
      deliveredBytes: 1_500,
      deliveryUs: 0,
      ackedPackets: 1,
      lostPackets: 0,
      isAppLimited: true,
    });
    probe(track, 3e6);
    track.refresh(3e6, true, 0, 0);
    t.equal(Math.round(track.rttUs / 1_000), 20);
  },
);
