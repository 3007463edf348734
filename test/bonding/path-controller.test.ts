/** PathController's promises at its edges; how well it steers is shown in test/sim/. */
import t from 'tap';
import { PathController } from '../../src/bonding/path-controller.ts';

t.test('allowedBytes() gives a first window and no more when nothing is known', async (t) => {
  const controller = new PathController({ configuredBps: 0 });
  t.ok(controller.allowedBytes(0, 0) >= 3_000, 'two packets at once');
  let inFlightBytes = 0;
  for (let nowUs = 0; nowUs < 1_000_000; nowUs += 1_000) {
    while (controller.allowedBytes(nowUs, inFlightBytes) > 0) {
      controller.spend(1_500);
      inFlightBytes += 1_500;
    }
  }
  t.ok(inFlightBytes >= 16 * 1_500 && inFlightBytes <= 32 * 1_500, `${inFlightBytes} bytes without any report`);
  t.equal(controller.rateBytesPerUs, 0);
});

t.test('allowedBytes() keeps to a configured rate', async (t) => {
  const controller = new PathController({ configuredBps: 8_000_000 });
  let sentBytes = 0;
  for (let nowUs = 0; nowUs < 1_000_000; nowUs += 500) {
    while (controller.allowedBytes(nowUs, 0) > 0) {
      controller.spend(1_500);
      sentBytes += 1_500;
    }
    if (nowUs % 10_000 === 0)
      controller.handleSample({
        nowUs,
        rttUs: 20_000,
        deliveredBytes: 20_000,
        deliveryUs: 10_000,
        ackedPackets: 14,
        lostPackets: 0,
        isAppLimited: false,
      });
  }
  t.ok(sentBytes > 950_000 && sentBytes < 1_010_000, `${sentBytes} bytes in a second at 8 Mbit/s`);
});
