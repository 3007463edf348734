/** What a path is asked to pass, by what is known of its interface. */
import t from 'tap';
import { PathFit } from '../../../src/bonding/size/path-fit.ts';
import { pathRow } from '../../support/path-rows.ts';

/** Headers of IPv4 and of a TCP with timestamps: by it the longest sealed packet of a tunnel of 1,420 is one of 1,504. */
const headerBytes = 52;
const sealedBytes = 1452;

function firstAsked(interfaceMtu: number, wantedBytes = sealedBytes): readonly number[] {
  const fit = new PathFit(pathRow(0, { headerBytes, interfaceMtu }), wantedBytes);
  fit.follow(0);
  return fit.size.nextVolley(0) ? fit.size.volley : [];
}

t.test('PathFit asks for no more than an interface takes', async (t) => {
  t.same(firstAsked(1500), [1500, 1200]);
  t.same(firstAsked(9000), [1504, 1200], 'nor for more than the tunnel makes');
  t.same(firstAsked(1400), [1400, 1200]);
});

t.test('PathFit asks for what Ethernet takes while nobody has told of the interface', async (t) => {
  t.same(firstAsked(0), [1500, 1200]);
  t.same(firstAsked(Number.POSITIVE_INFINITY), [1504, 1200], 'a stream below takes what comes');
  t.same(firstAsked(0, 8952), [9004, 1200], 'who has long packets in the tunnel wants to know');
});

t.test('PathFit asks for the rest when it is told of a wide interface', async (t) => {
  let interfaceMtu = 0;
  const row = pathRow(0, { headerBytes });
  Object.defineProperty(row, 'interfaceMtu', { get: () => interfaceMtu });
  const fit = new PathFit(row, sealedBytes);
  fit.follow(0);
  t.notOk(fit.isFull);
  interfaceMtu = 9000;
  fit.follow(1000);
  t.ok(fit.isFull);
  t.ok(fit.size.nextVolley(1000));
  t.same(fit.size.volley, [1504, 1200]);
});
