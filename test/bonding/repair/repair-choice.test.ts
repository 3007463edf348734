import t from 'tap';
import { chooseForRepair, repairReserveBytes } from '../../../src/bonding/repair/repair-choice.ts';
import { pathView } from '../../support/path-views.ts';

t.test('chooseForRepair() takes the nearest path until what it owes makes a farther one quicker', async (t) => {
  const near = pathView(0, { rttUs: 20_000, rateBytesPerUs: 0.625, allowedBytes: 3_000 });
  const far = pathView(1, { rttUs: 50_000, rateBytesPerUs: 5, allowedBytes: 100_000 });
  t.equal(chooseForRepair([near, far], 2, 3_000), 0, 'it has credit');
  near.allowedBytes = -5_000;
  t.equal(chooseForRepair([near, far], 2, 3_000), 0, 'it would take 13 ms more, the other 15');
  near.allowedBytes = -8_000;
  t.equal(chooseForRepair([near, far], 2, 3_000), 1);
});

t.test('chooseForRepair() passes over paths whose reserve is spent, and keeps to the best tier', async (t) => {
  const spent = pathView(0, { rttUs: 20_000, rateBytesPerUs: 5, allowedBytes: -repairReserveBytes });
  const metered = pathView(1, { rttUs: 20_000, rateBytesPerUs: 5, allowedBytes: 9_000, role: 'metered' });
  t.equal(chooseForRepair([spent, metered], 2, 3_000), -1);
  spent.allowedBytes += 1;
  t.equal(chooseForRepair([spent, metered], 2, 3_000), 0);
});
