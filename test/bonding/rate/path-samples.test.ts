/** PathSamples: what of the losses that reports and the clock tell of is held against the path. */
import t from 'tap';
import { PathController } from '../../../src/bonding/rate/path-controller.ts';
import { PathSamples } from '../../../src/bonding/rate/path-samples.ts';
import { feedback } from '../../../src/contract/columns.ts';

/** A path after a second of 10 packets a report, none of them lost. */
function soundPath() {
  const controller = new PathController({ configuredBps: 0 });
  const samples = new PathSamples(controller);
  const cells = new Float64Array(feedback.columns);
  let packets = 0;
  let nowUs = 0;
  const report = (acked: number, lost = 0, spurious = 0): void => {
    nowUs += 10_000;
    packets += acked;
    cells.fill(0);
    cells[feedback.ackedPackets] = acked;
    cells[feedback.ackedBytes] = acked * 1_400;
    cells[feedback.lostPackets] = lost;
    cells[feedback.spuriousPackets] = spurious;
    cells[feedback.hasSection] = 1;
    cells[feedback.packets] = packets;
    cells[feedback.bytes] = packets * 1_400;
    cells[feedback.arrivalUs] = nowUs;
    cells[feedback.rttUs] = 20_000;
    cells[feedback.delayUs] = 10_000;
    samples.handleReport(cells, 0, 20_000, nowUs);
  };
  for (let round = 0; round < 100; round += 1) report(10);
  return { controller, samples, report, giveUp: (lost: number) => samples.handleGivenUp(lost, true, nowUs) };
}

t.test('packets that were given up and come after all are no loss', async (t) => {
  const { controller, report, giveUp } = soundPath();
  t.equal(controller.loss, 0);
  giveUp(40);
  report(10);
  const doubted = controller.loss;
  t.ok(doubted > 0.05, `${doubted}`);
  report(0, 0, 40);
  t.ok(controller.loss < doubted / 4, `${doubted}, then ${controller.loss}`);
  const late = soundPath();
  late.giveUp(40);
  for (let round = 0; round < 110; round += 1) late.report(1);
  const before = late.controller.loss;
  late.report(0, 0, 40);
  t.ok(late.controller.loss > before * 0.8, `after a second they say nothing: ${before}, then ${late.controller.loss}`);
});

t.test('losses that may be a matter of size count once it is known that they are not', async (t) => {
  const { controller, samples, report } = soundPath();
  samples.areLossesDoubted = true;
  for (let round = 0; round < 5; round += 1) report(8, 2);
  t.equal(controller.loss, 0);
  samples.areLossesDoubted = false;
  report(10);
  t.ok(controller.loss >= 0.02, `${controller.loss}`);
  const other = soundPath();
  other.samples.areLossesDoubted = true;
  for (let round = 0; round < 5; round += 1) other.report(8, 2);
  other.samples.forgetLosses();
  other.samples.areLossesDoubted = false;
  other.report(10);
  t.equal(other.controller.loss, 0, 'they were');
});
