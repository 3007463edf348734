/** Two real daemons over emulated links: one rope of several of them. */
import t from 'tap';
import { startBond } from '../support/bond.ts';
import { goodputMbit, runTcp, serveFlows } from '../support/flows.ts';
import { skipReason } from '../support/netns.ts';
import { inside } from '../support/pair.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(300_000);

t.test('startBond() carries a flow over a single emulated link', options, async (t) => {
  const { lab, net } = await startBond({ emulated: [{ name: 'fibre', rateMbit: 50, delayMs: 10 }] });
  t.teardown(() => lab.close());
  await serveFlows(net.server, 7000);
  for (const direction of ['down', 'up'] as const) {
    const mbit = goodputMbit(await runTcp(net.client, inside.b4, 7000, { seconds: 6, direction }), 3, 6);
    t.ok(mbit > 35 && mbit < 50, `${mbit.toFixed(1)} Mbit/s ${direction} through 50`);
  }
});
