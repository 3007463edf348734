/** What a path publishes of itself in its row. */
import t from 'tap';
import { PathCells } from '../../../src/actors/sealer/path-cells.ts';
import { SendingPath } from '../../../src/bonding/sending-path.ts';
import { carrier, link, transport } from '../../../src/contract/link-tables.ts';
import { path, pathState } from '../../../src/contract/peer-tables.ts';
import { carrierOf } from '../../../src/rings/carriers.ts';
import { carrierTable, createRowTable, linkTable, pathTable } from '../../../src/rings/table.ts';
import { plainWay } from '../../support/path-rows.ts';
import { randomOf } from '../../support/random.ts';

/** Mbit/s that is in the row after 5 s of reports, each of which names so many packets of the last 20 ms. */
function published(packets: number, isAppLimited: boolean, jitterUs: number): number {
  const paths = pathTable(createRowTable(path, path.mostPerPeer));
  paths.setInt(0, path.stateAt, pathState.up);
  paths.setInt(0, path.carrierAt, carrierOf(0, transport.udp));
  const links = linkTable(createRowTable(link, 1));
  const carriers = carrierTable(createRowTable(carrier, carrier.rowsPerLink));
  const cells = new PathCells(0, 0, { paths, links, carriers });
  const one = new SendingPath(cells, plainWay, 0);
  const random = randomOf(1);
  for (let nowUs = 20_000; nowUs < 5e6; nowUs += 20_000) {
    one.controller.allowedBytes(nowUs, packets * 1_400, 0);
    one.controller.spend(packets * 1_400);
    one.controller.handleSample({
      nowUs,
      rttUs: 40_000 + random() * jitterUs,
      deliveredBytes: packets * 1_400,
      deliveryUs: 20_000,
      ackedPackets: packets,
      lostPackets: 0,
      isAppLimited,
    });
    cells.publish(one, nowUs);
  }
  t.equal(one.controller.isStarting, false);
  return paths.number(0, path.rateBpsAt) / 1e6;
}

t.test('publish() tells no rate of a path that bore next to nothing, though jitter has ended the search', async (t) => {
  t.equal(published(1, true, 15_000), 0, 'reports would be as far apart as that pays for');
  const rate = published(40, false, 15_000);
  t.ok(rate > 20 && rate < 60, `${rate} of what was filled with 22 Mbit/s`);
});
