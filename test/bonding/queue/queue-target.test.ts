/** queueTargetWith(): how long bulk may stand in front of paths. */
import t from 'tap';
import { queueTargetWith } from '../../../src/bonding/queue/queue-target.ts';

const far = { rttUs: 60_000, jitterUs: 0, isStarting: false, lastingLoss: 0, repairUs: 0 } as const;

t.test('queueTargetWith() lasts for what flows wait for repairs, where there is something to repair', async (t) => {
  t.equal(queueTargetWith(0, far), 24_000);
  t.equal(queueTargetWith(0, { ...far, repairUs: 70_000 }), 24_000, 'a path without loss is as it was');
  t.equal(queueTargetWith(0, { ...far, lastingLoss: 0.01 }), 24_000, 'so is one whose losses nobody repairs');
  t.equal(queueTargetWith(0, { ...far, lastingLoss: 0.01, repairUs: 70_000 }), 164_000);
  t.equal(queueTargetWith(0, { ...far, lastingLoss: 0.0005, repairUs: 70_000 }), 94_000);
  t.equal(queueTargetWith(0, { ...far, lastingLoss: 0.01, repairUs: 900_000 }), 274_000, 'and no queue lasts for ever');
  t.equal(queueTargetWith(300_000, far), 300_000);
});
