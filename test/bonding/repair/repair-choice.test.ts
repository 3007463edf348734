import t from 'tap';
import { chooseForRepair, repairRoomBytes } from '../../../src/bonding/repair/repair-choice.ts';
import { pathView } from '../../support/path-views.ts';

t.test('chooseForRepair() takes the nearest path until what it owes makes a farther one quicker', async (t) => {
  const near = pathView(0, { rttUs: 20_000, rateBytesPerUs: 1.25, allowedBytes: 3_000 });
  const far = pathView(1, { rttUs: 30_000, rateBytesPerUs: 5, allowedBytes: 100_000 });
  t.equal(chooseForRepair([near, far], 2, 3_000), 0, 'it has credit');
  near.allowedBytes = -2_000;
  t.equal(chooseForRepair([near, far], 2, 3_000), 0, 'it would take 4 ms more, the other 5');
  near.allowedBytes = -4_000;
  t.equal(chooseForRepair([near, far], 2, 3_000), 1);
});

t.test(
  'chooseForRepair() waits for the nearest path when it has room sooner than a farther one brings anything',
  async (t) => {
    const near = pathView(0, { rttUs: 16_000, rateBytesPerUs: 25, allowedBytes: -20_000 });
    const far = pathView(1, { rttUs: 190_000, rateBytesPerUs: 0.4, allowedBytes: 3_000 });
    t.equal(repairRoomBytes(near) > 0, false);
    t.equal(chooseForRepair([near, far], 2, 3_000), -1, '1 ms, and the other is 87 ms farther');
    near.allowedBytes = -3_000_000;
    t.equal(chooseForRepair([near, far], 2, 3_000), 1, 'what is owed takes 120 ms');
    near.isUsable = false;
    near.allowedBytes = -20_000;
    t.equal(chooseForRepair([near, far], 2, 3_000), 1);
  },
);

t.test('chooseForRepair() does not take a far and slow path because a search of the near one overflows', async (t) => {
  const near = pathView(0, { rttUs: 62_000, rateBytesPerUs: 10, allowedBytes: 9_000, loss: 0.17, jitterUs: 4_000 });
  const far = pathView(1, { rttUs: 180_000, rateBytesPerUs: 0.25, allowedBytes: 3_000 });
  t.equal(chooseForRepair([near, far], 2, 3_000), 0);
});

t.test('chooseForRepair() takes no path whose reserve is spent, and keeps to the best tier', async (t) => {
  const spent = pathView(0, { rttUs: 20_000, rateBytesPerUs: 5, allowedBytes: -16 * 1024 });
  const metered = pathView(1, { rttUs: 20_000, rateBytesPerUs: 5, allowedBytes: 9_000, role: 'metered' });
  t.equal(chooseForRepair([spent, metered], 2, 3_000), -1);
  spent.allowedBytes += 1;
  t.equal(chooseForRepair([spent, metered], 2, 3_000), 0);
});

t.test('repairRoomBytes() overdraws a slow path by a short queue, and by one packet at least', async (t) => {
  const room = (mbit: number, allowedBytes: number) =>
    repairRoomBytes(pathView(0, { rttUs: 20_000, rateBytesPerUs: mbit / 8, allowedBytes }));
  t.equal(room(100, -10_000), 16 * 1024 - 10_000);
  t.equal(room(8, 1_000), 5_000);
  t.equal(room(1, -1_000), 500);
  t.equal(room(0, 0), 5_000, 'of an unknown rate 10 Mbit/s are taken');
  const shallow = pathView(0, { rttUs: 20_000, rateBytesPerUs: 1, allowedBytes: -10, isShallow: true });
  t.equal(repairRoomBytes(shallow), -10, 'where it would be lost again it waits for its turn');
});
