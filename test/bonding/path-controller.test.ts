/** PathController's promises at its edges; how well it steers is shown in test/sim/. */
import t from 'tap';
import { PathController } from '../../src/bonding/path-controller.ts';

t.test('allowedBytes() gives a first window and no more when nothing is known', async (t) => {
  const controller = new PathController({ configuredBps: 0 });
  t.ok(controller.allowedBytes(0, 0, 0) >= 3_000, 'two packets at once');
  let inFlightBytes = 0;
  for (let nowUs = 0; nowUs < 1_000_000; nowUs += 1_000) {
    while (controller.allowedBytes(nowUs, inFlightBytes, 0) > 0) {
      controller.spend(1_500);
      inFlightBytes += 1_500;
    }
  }
  t.ok(inFlightBytes >= 16 * 1_500 && inFlightBytes <= 64 * 1_500, `${inFlightBytes} bytes without any report`);
  t.equal(controller.rateBytesPerUs, 0);
});

t.test('allowedBytes() keeps to a configured rate', async (t) => {
  const controller = new PathController({ configuredBps: 8_000_000 });
  let sentBytes = 0;
  for (let nowUs = 0; nowUs < 1_000_000; nowUs += 500) {
    while (controller.allowedBytes(nowUs, 0, 0) > 0) {
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

t.test('handleProbe() forgives losses of a path that carries nothing, although reports go on', async (t) => {
  const controller = new PathController({ configuredBps: 0 });
  const idle = { rttUs: 20_000, deliveredBytes: 0, deliveryUs: 0, ackedPackets: 0, lostPackets: 0, isAppLimited: true };
  controller.handleSample({ ...idle, nowUs: 10_000, lostPackets: 400 });
  t.ok(controller.loss > 0.5, `loss ${controller.loss}`);
  for (let nowUs = 20_000; nowUs < 4_000_000; nowUs += 10_000) {
    controller.handleSample({ ...idle, nowUs });
    if (nowUs % 200_000 === 0) controller.handleProbe(20_000, nowUs);
  }
  t.ok(controller.loss < 0.04, `loss ${controller.loss}`);
});
