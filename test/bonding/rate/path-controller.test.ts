/** PathController's promises at its edges; how well it steers is shown in test/sim/. */
import t from 'tap';
import { PathController } from '../../../src/bonding/rate/path-controller.ts';
import { randomOf } from '../../support/random.ts';

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

t.test('a trickle is nobody’s bottleneck, also when jitter ends the search for a rate', async (t) => {
  for (const jitterUs of [0, 15_000]) {
    const controller = new PathController({ configuredBps: 0 });
    const random = randomOf(1);
    for (let nowUs = 20_000; nowUs < 5e6; nowUs += 20_000) {
      controller.allowedBytes(nowUs, 1_400, 0);
      controller.spend(1_400);
      controller.handleSample({
        nowUs,
        rttUs: 40_000 + random() * jitterUs,
        deliveredBytes: 1_400,
        deliveryUs: 20_000,
        ackedPackets: 1,
        lostPackets: 0,
        isAppLimited: true,
      });
    }
    t.equal(controller.isStarting, jitterUs === 0);
    t.ok(controller.rateBytesPerUs > 0);
    t.equal(controller.bottleneckBytesPerUs, 0, `${jitterUs} us of jitter`);
  }
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

t.test('a trickle that other traffic follows does not bring the pace near zero', async (t) => {
  const controller = new PathController({ configuredBps: 0 });
  const stepUs = 10_000;
  let nowUs = 0;
  const report = (deliveredBytes: number, deliveryUs: number, isAppLimited: boolean, rttUs = 20_000) => {
    nowUs += deliveryUs;
    controller.spend(deliveredBytes);
    const ackedPackets = Math.ceil(deliveredBytes / 1_500);
    controller.handleSample({ nowUs, rttUs, deliveredBytes, deliveryUs, ackedPackets, lostPackets: 0, isAppLimited });
  };
  // 40 Mbit/s, found by the queue that a flow makes of it.
  for (let step = 0; step < 300; step += 1) report(50_000, stepUs, false, 20_000 + Math.min(40_000, step * 2_000));
  const found = controller.rateBytesPerUs;
  t.ok(found > 3, `${found} bytes a microsecond found`);
  // A packet a report is all there is to send, for longer than the queue is let run dry every time.
  let leastPace = Number.POSITIVE_INFINITY;
  for (let step = 0; step < 1_000; step += 1) {
    report(100, stepUs, true);
    leastPace = Math.min(leastPace, controller.paceBytesPerUs);
  }
  t.ok(leastPace > found / 4, `the pace fell to ${leastPace}`);
});

t.test('handleHole() takes back what losses had begun that were no fault of the path', async (t) => {
  const controller = new PathController({ configuredBps: 0 });
  let nowUs = 0;
  const report = (ackedPackets: number, lostPackets: number, rttUs = 20_000) => {
    nowUs += 10_000;
    const deliveredBytes = ackedPackets * 1_500;
    controller.spend((ackedPackets + lostPackets) * 1_500);
    controller.handleSample({
      nowUs,
      rttUs,
      deliveredBytes,
      deliveryUs: 10_000,
      ackedPackets,
      lostPackets,
      isAppLimited: false,
    });
  };
  for (let step = 0; step < 300; step += 1) report(33, 0, 20_000 + Math.min(40_000, step * 2_000));
  const found = controller.rateBytesPerUs;
  for (let step = 0; step < 6; step += 1) report(3, 30);
  t.ok(controller.paceBytesPerUs < found * 0.6, 'a trial of sending less is under way');
  controller.handleHole(0, nowUs);
  let least = Number.POSITIVE_INFINITY;
  for (let step = 0; step < 40; step += 1) {
    report(33, 0);
    least = Math.min(least, controller.rateBytesPerUs);
  }
  t.ok(least > found * 0.9, `${least} at least after ${found} bytes a microsecond`);
  t.equal(controller.loss, 0);
});

t.test('ownLoss knows nothing of what a search overflows, and all of it once the search is over', async (t) => {
  const controller = new PathController({ configuredBps: 0 });
  const base = { rttUs: 20_000, deliveryUs: 10_000, isAppLimited: true };
  let nowUs = 0;
  const report = (ackedPackets: number, lostPackets: number, rttUs = 20_000) => {
    nowUs += 10_000;
    controller.spend((ackedPackets + lostPackets) * 1_500);
    const deliveredBytes = ackedPackets * 1_500;
    controller.handleSample({ ...base, rttUs, nowUs, deliveredBytes, ackedPackets, lostPackets });
  };
  report(33, 0);
  report(20, 200);
  t.ok(controller.loss > 0.3, `loss ${controller.loss}`);
  t.equal(controller.ownLoss, 0);
  for (let step = 0; step < 300; step += 1) report(33, 0, 20_000 + Math.min(40_000, step * 2_000));
  for (let step = 0; step < 20; step += 1) report(23, 10, 60_000);
  t.ok(controller.ownLoss > 0.1 && controller.ownLoss === controller.loss, `own loss ${controller.ownLoss}`);
});
