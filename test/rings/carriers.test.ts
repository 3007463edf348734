/** What stands in front of a sealed packet, by path: sizes of paths and of inner packets are reckoned with it. */
import t from 'tap';
import { transport } from '../../src/contract/link-tables.ts';
import { endpoint, path } from '../../src/contract/peer-tables.ts';
import { carrierOf, pathHeaderBytes } from '../../src/rings/carriers.ts';
import { createRowTable, pathTable } from '../../src/rings/table.ts';

t.test('pathHeaderBytes() counts what the path wears, and what its carrier leaves out', async (t) => {
  const paths = pathTable(createRowTable(path, 2));
  const of = (by: number, kind: number, { padding = 0, spared = 0 } = {}): number => {
    paths.setInt(1, path.carrierAt, carrierOf(3, by));
    paths.slice(1, path.endpointAt, endpoint.bytes).set([kind & 255, kind >> 8]);
    paths.setInt(1, path.paddingBytesAt, padding);
    paths.setInt(1, path.sparedBytesAt, spared);
    return pathHeaderBytes(paths, 1);
  };
  t.equal(of(transport.udp, endpoint.ip4), 28);
  t.equal(of(transport.udp, endpoint.ip6), 48);
  t.equal(of(transport.udp, endpoint.ip4, { padding: 100 }), 128, 'S4');
  t.equal(of(transport.faketcp, endpoint.ip4), 52);
  t.equal(of(transport.faketcp, endpoint.ip6, { spared: 12 }), 60, 'without timestamps');
});
