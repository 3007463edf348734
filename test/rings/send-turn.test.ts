/** The supervisor's side of the turns at a carrier's sockets; those who send are in native/link-beside and native/send-turn. */
import t from 'tap';
import { carrier } from '../../src/contract/link-tables.ts';
import { lendBeside } from '../../src/rings/send-turn.ts';
import { carrierTable, createRowTable } from '../../src/rings/table.ts';

t.test('lendBeside() names a socket, or none, and gives the turn back', async (t) => {
  const carriers = carrierTable(createRowTable(carrier, 2));
  const cells = () =>
    [carrier.turnAt, carrier.beside4At, carrier.beside6At, carrier.fragmenting4At].map((at) => carriers.int(1, at));
  carriers.setInt(1, carrier.fragmenting4At, 1);
  lendBeside(carriers, 1, 4, 0);
  t.same(cells(), [0, 1, 0, 0]);
  lendBeside(carriers, 1, 6, 12);
  t.same(cells(), [0, 1, 13, 0]);
  lendBeside(carriers, 1, 4, -1);
  t.same(cells(), [0, 0, 13, 0]);
  t.equal(carriers.int(0, carrier.beside6At), 0, 'of another carrier nothing changes');
});

t.test('lendBeside() does not wait for ever for a sender that stands', async (t) => {
  const carriers = carrierTable(createRowTable(carrier, 1));
  carriers.setInt(0, carrier.turnAt, 1);
  t.equal(lendBeside(carriers, 0, 4, 3), false);
  t.equal(carriers.int(0, carrier.beside4At), 0, 'nothing has changed');
  carriers.setInt(0, carrier.turnAt, 0);
  t.equal(lendBeside(carriers, 0, 4, 3), true);
});
