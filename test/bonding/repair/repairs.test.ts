/** Repairs: in which shape what was lost goes out again. */
import t from 'tap';
import type { FlightRecord } from '../../../src/bonding/flight-record.ts';
import { type RepairRoutes, Repairs } from '../../../src/bonding/repair/repairs.ts';
import { SendingPath } from '../../../src/bonding/sending-path.ts';
import { feedback } from '../../../src/contract/columns.ts';
import { pathRow, plainWay } from '../../support/path-rows.ts';

/** Ten packets of `waiting` sealed bytes have been lost; `told`: what was asked of the record. */
function repair(waiting: number, longestBytes: number, mayCut: boolean): readonly string[] {
  const path = new SendingPath(pathRow(0), plainWay, 0);
  const told: string[] = [];
  const cells = new Float64Array(feedback.columns);
  const send = (words: string): number => {
    told.push(words);
    cells[feedback.resentPackets] = (cells[feedback.resentPackets] as number) + 10;
    return 10 * waiting;
  };
  const record: FlightRecord = {
    feedback: cells,
    lossDelaysUs: new Float64Array(1),
    expireBeforeUs: new Float64Array(1),
    expire: () => 0,
    loseLonger: () => undefined,
    longestWaiting: () => waiting,
    giveUpLonger: (longest) => told.push(`give up ${longest}`),
    resend: () => send('as it was'),
    resendCut: (_path, _most, longest) => send(`cut to ${longest}`),
  };
  const routes: RepairRoutes = { repairPath: () => path, repairBytes: () => 64_000, longestBytes, mayCut };
  const repairs = new Repairs(record);
  repairs.lostPackets = 10;
  path.allowedBytes = 64_000;
  repairs.run(routes, 1_000);
  return told;
}

t.test(
  'run() sends what is too long for its paths in pieces, or gives it up where nobody would join them',
  async (t) => {
    t.strictSame(repair(1_452, 1_452, true), ['as it was']);
    t.strictSame(repair(1_452, 1_232, true), ['cut to 1232']);
    t.strictSame(repair(1_452, 1_232, false), ['give up 1232']);
  },
);
