/** ClientDevices: who has a rate together with whom. */
import t from 'tap';
import { ClientDevices } from '../../../src/actors/session/client-devices.ts';
import { peer } from '../../../src/contract/peer-tables.ts';
import { createRowTable, peerTable } from '../../../src/rings/table.ts';

t.test('several devices of one client have a lead, one alone has none', async (t) => {
  const peers = peerTable(createRowTable(peer, 8));
  const devices = new ClientDevices(peers);
  const leads = () => [0, 1, 2, 3].map((row) => peers.int(row, peer.leadAt));
  const have = () => peers.headNumber(peer.haveLeadsAt);
  for (const row of [0, 1, 2]) peers.setNumber(row, peer.takeBpsAt, 1e6);
  devices.enter(0, undefined);
  devices.enter(1, 'anna');
  devices.enter(3, 'bert');
  t.same(leads(), [0, 0, 0, 0]);
  t.equal(have(), 0);
  const version = peers.version();
  devices.enter(2, 'anna');
  t.same(leads(), [0, 2, 2, 0]);
  t.equal(have(), 1);
  t.ok(peers.version() > version, 'who reads the rows is told');
  devices.enter(0, 'anna');
  devices.leave(1);
  t.same(leads(), [3, 0, 3, 0], 'the next one leads');
  devices.enter(0, 'bert');
  t.same(leads(), [4, 0, 0, 4], 'a device that is another client’s now');
  devices.leave(0);
  devices.leave(3);
  devices.leave(2);
  t.same(leads(), [0, 0, 0, 0]);
  t.equal(have(), 0);
});
