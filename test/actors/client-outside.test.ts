/** What clients have of the hub's outside: nobody gets what another has, or what the hub needs, and it survives the file. */
import t from 'tap';
import { clientFromText, clientToText } from '../../src/actors/clients/client-record.ts';
import { openClientLab } from '../support/client-lab.ts';

t.test('client forward: a port leads to one client, and to none when it is off', async (t) => {
  const { book, instance, add, store } = await openClientLab(t.testdir());
  await add('office');
  await add('phone');
  const forward = async (name: string, text: string, isOff = false) =>
    await book.verbs.forward({ name, forward: text, isOff });
  const natOf = (name: string) => [...instance.peers.values()].find((peer) => peer.name === name)?.nat;
  t.match(await forward('office', '443:8443/tcp'), { nat: { forwards: ['443:8443/tcp'] } });
  await forward('office', '443/udp');
  t.same(natOf('office')?.forwards, [
    { protocol: 'tcp', port: 443, to: 8443 },
    { protocol: 'udp', port: 443, to: 443 },
  ]);
  t.match(
    await forward('office', '443:9443/tcp'),
    { nat: { forwards: ['443/udp', '443:9443/tcp'] } },
    'to another port',
  );
  await t.rejects(forward('phone', '443/tcp'), /Port 443\/tcp leads to client "office" already/);
  await t.rejects(forward('phone', '22/tcp'), /A program of this host listens on port 22\/tcp/);
  await t.rejects(forward('phone', 'https'), /is not a port.*443:8443\/tcp/);
  await t.rejects(forward('nobody', '1/tcp'), /no client "nobody"/);
  await t.rejects(forward('phone', '443/udp', true), /does not lead to client "phone"/);
  await forward('office', '443/tcp', true);
  t.match(await forward('phone', '443/tcp'), { nat: { forwards: ['443/tcp'] } });
  for (const { record } of store.list()) t.same(clientFromText(clientToText(record)), JSON.parse(clientToText(record)));
});

t.test('client set --public-address: one client, and not what all share', async (t) => {
  const { book, instance, add } = await openClientLab(t.testdir());
  await add('office');
  await add('phone');
  const set = async (name: string, publicAddress: string | null) => await book.verbs.set({ name, publicAddress });
  await book.verbs.forward({ name: 'office', forward: '80/tcp', isOff: false });
  t.match(await set('office', '203.0.113.8'), { nat: { publicAddress: '203.0.113.8', forwards: ['80/tcp'] } });
  t.match([...instance.peers.values()].find(({ name }) => name === 'office')?.nat, { publicAddress: '203.0.113.8' });
  await t.rejects(set('phone', '203.0.113.8'), /is the address of client "office"/);
  await t.rejects(set('phone', '203.0.113.1'), /an address of the hub for all/);
  await t.rejects(set('phone', '198.51.100.1'), /198\.51\.100\.1 is the address of this host.*SSH too/);
  await t.rejects(set('phone', '203.0.113.0/24'), /is no address/);
  t.match(await set('office', '203.0.113.8'), {}, 'again');
  t.equal((await set('office', null)).nat?.publicAddress, undefined);
  t.match(await set('phone', '203.0.113.8'), { nat: { publicAddress: '203.0.113.8' } });
});

t.test('clientFromText() refuses what is no outside of ours', async (t) => {
  const { add, store } = await openClientLab(t.testdir());
  await add('office');
  const [stored] = store.list();
  const text = JSON.stringify({ ...stored?.record, nat: 0 });
  const forged = ['"1.2.3.4 }; flush ruleset"', '"203.0.113.0/24"', '"203.0.113.8/32"', '""'].map(
    (address) => `{"forwards":[],"publicAddress":${address}}`,
  );
  for (const nat of [
    '{"forwards":["80/tcp","0/tcp"]}',
    '{"forwards":["80/tcp }"]}',
    '1',
    '{}',
    '{"forwards":[1]}',
    '{"forwards":[],"publicAddress":7}',
    ...forged,
  ])
    t.equal(clientFromText(text.replace('"nat":0', `"nat":${nat}`)), undefined, nat);
  t.ok(clientFromText(text.replace('"nat":0', '"nat":{"forwards":["1/tcp"]}')));
});
