import t from 'tap';
import { InnerMtu, type SizedPath } from '../../../src/bonding/size/inner-mtu.ts';

const second = 1e6;
const wide = { innerBytes: 1420, rateBytesPerUs: 7.5 };
const all: readonly SizedPath[] = [wide, { innerBytes: 1240, rateBytesPerUs: 5 }];
const little: readonly SizedPath[] = [wide, { innerBytes: 1240, rateBytesPerUs: 0.2 }];

function chosen(paths: readonly SizedPath[], isForAll = false): number {
  return new InnerMtu().choose(paths, paths.length, 1420, isForAll, 0);
}

t.test(
  'InnerMtu lowers it for all where the narrow path carries much, and leaves out one that carries little',
  async (t) => {
    t.equal(chosen(all), 1240);
    t.equal(chosen(little), 1420);
    t.equal(chosen([wide, { innerBytes: 700, rateBytesPerUs: 0.9 }]), 1420, 'short packets cost, too');
    t.equal(chosen([wide, { innerBytes: 1240, rateBytesPerUs: 0 }]), 1240, 'a path never used may be as good');
    t.equal(chosen([{ innerBytes: 1240, rateBytesPerUs: 0 }]), 1240);
    t.equal(chosen(little, true), 1240, 'where each packet may take each path');
    t.equal(chosen([wide, { innerBytes: 9000, rateBytesPerUs: 5 }]), 1420, 'no more than the tunnel makes');
  },
);

t.test('InnerMtu does not flap: better must be better for a while, and longer each time', async (t) => {
  const much = [wide, { innerBytes: 700, rateBytesPerUs: 5 }];
  const tiny = [wide, { innerBytes: 700, rateBytesPerUs: 0.3 }];
  const mtu = new InnerMtu();
  t.equal(mtu.choose(much, 2, 1420, false, 0), 700);
  t.equal(mtu.choose(tiny, 2, 1420, false, 0.1 * second), 700);
  t.equal(mtu.choose(much, 2, 1420, false, 0.9 * second), 700);
  t.equal(mtu.choose(tiny, 2, 1420, false, 1 * second), 700, 'it has not been better all the time');
  let changes = 0;
  let last = 700;
  for (let nowUs = second; nowUs < 60 * second; nowUs += 10_000) {
    const now = mtu.choose(Math.floor(nowUs / (3 * second)) % 2 === 0 ? tiny : much, 2, 1420, false, nowUs);
    if (now !== last) changes += 1;
    last = now;
  }
  t.ok(changes > 0 && changes <= 3, `${changes} changes`);
});

t.test('InnerMtu follows at once when what is sent fits no path, and when all take more', async (t) => {
  const mtu = new InnerMtu();
  t.equal(mtu.choose(little, 2, 1420, false, 0), 1420);
  const narrow = [
    { innerBytes: 1300, rateBytesPerUs: 7 },
    { innerBytes: 1240, rateBytesPerUs: 0.05 },
  ];
  t.equal(mtu.choose(narrow, 2, 1420, false, 1000), 1300);
  t.equal(mtu.choose([wide, wide], 2, 1420, false, 2000), 1420);
  t.equal(mtu.choose([], 0, 1420, false, 3000), 1420, 'without a path it stays');
});
