/** How many clients may have sessions from one address, and how many devices of one client: judged where handshakes are accepted. */
import t, { type Test } from 'tap';
import { type CrowdLimits, customerOf } from '../../src/actors/session/crowds.ts';
import { parseCidr } from '../../src/config/address.ts';
import { endpoint, peer as layout, peerRefusal } from '../../src/contract/peer-tables.ts';
import { sockaddrEmit } from '../../src/wire/sockaddr.ts';
import { type Address, Host, type Lab, labWithHub } from '../support/session-lab.ts';

t.setTimeout(180_000);

const hubPlace = [{ host: '10.0.0.1', port: 51820 }];

interface Crowd {
  readonly lab: Lab;
  readonly hub: Host;
  /** In the order of their rows. */
  readonly clients: readonly Host[];
}

/** A hub and clients that have said nothing yet; by name, and where each is. */
async function build(
  t: Test,
  crowds: CrowdLimits,
  places: Readonly<Record<string, Address>>,
  isClient = true,
): Promise<Crowd> {
  const { lab, hub } = labWithHub(t, { peerRows: 8, slots: 40 });
  hub.crowds = crowds;
  const clients = Object.entries(places).map(
    ([name, address], row) =>
      new Host(lab, { name: name.replace('/', '-'), address, privateKey: Buffer.alloc(32, row + 2) }),
  );
  await start({ lab, hub, clients }, Object.keys(places), isClient);
  for (const client of clients) await client.start([client.peer(hub, { endpoints: hubPlace })]);
  return { lab, hub, clients };
}

async function start({ hub, clients }: Crowd, names: readonly string[], isClient = true): Promise<void> {
  const its = isClient ? { isClient: true as const } : {};
  await hub.start(clients.map((client, row) => hub.peer(client, { row, name: names[row] ?? '', ...its })));
}

/** They send something, one after the other; which of them have a session then. */
function call({ lab, hub, clients }: Crowd, rows = [...clients.keys()]): number[] {
  for (const row of rows) {
    if (clients[row]?.sendData('hello') === false) lab.settle();
    clients[row]?.sendData('hello');
    lab.settle();
  }
  return rows.filter((row) => hub.peers.int(row, layout.sendSlotAt) >= 0);
}

const refusalOf = ({ hub }: Crowd, row: number): number => hub.peers.int(row, layout.refusalAt);

t.test('from one address so many clients as may be; the next one is refused until one of them is gone', async (t) => {
  const places = {
    anna: '10.7.0.1:1001',
    bert: '10.7.0.1:1002',
    cleo: '10.7.0.1:1003',
    dora: '10.7.0.2:1001',
  } as const;
  const crowd = await build(t, { perAddress: 2, perClient: 0 }, places);
  const { lab, hub } = crowd;
  t.same(call(crowd), [0, 1, 3]);
  t.equal(refusalOf(crowd, 2), peerRefusal.perAddress);
  t.match(hub.events('limit-reached'), [{ client: 'cleo', limit: 'perAddress' }]);
  t.match(hub.events('handshake-refused'), [
    { peer: 'cleo', endpoint: '10.7.0.1:1003', reason: /server\.limits\.perAddress/ },
  ]);
  // Those that are there go on, under new keys too.
  lab.run(130);
  t.same(call(crowd, [0]), [0]);
  t.equal(refusalOf(crowd, 0), peerRefusal.none);
  hub.crash();
  await start(crowd, Object.keys(places));
  lab.run(6);
  call(crowd, [2]);
  t.equal(refusalOf(crowd, 2), peerRefusal.perAddress, 'a successor knows who is there');
  // The keys of a client that says no more are good for three minutes.
  lab.run(200);
  t.same(call(crowd, [2]), [2]);
  t.equal(refusalOf(crowd, 2), peerRefusal.none);
});

t.test('customerOf() takes a /64 of IPv6 for one, and each address of IPv4', async (t) => {
  const at = (text: string): string => {
    const { addressHex = '' } = parseCidr(text) ?? {};
    const bytes = new Uint8Array(endpoint.bytes);
    sockaddrEmit(bytes, 0, { address: Buffer.from(addressHex, 'hex'), port: 1, scopeId: 0 });
    return customerOf(bytes);
  };
  t.equal(at('2001:db8::1'), at('2001:db8::2'));
  t.not(at('2001:db8::1'), at('2001:db8:0:1::1'));
  t.not(at('10.7.0.1'), at('10.7.0.2'));
});

t.test('a client that moves counts where it is', async (t) => {
  const crowd = await build(
    t,
    { perAddress: 1, perClient: 0 },
    { anna: '10.7.0.1:1', bert: '10.7.0.2:1', cleo: '10.7.0.1:2' },
  );
  t.same(call(crowd), [0, 1]);
  const [anna] = crowd.clients;
  if (anna !== undefined) anna.address = '10.7.0.3:1';
  anna?.command({ kind: 'rekey', peer: 'hub' });
  crowd.lab.run(1);
  call(crowd, [0]);
  crowd.lab.run(6);
  t.same(call(crowd, [2]), [2]);
});

t.test('of one client so many devices as may be', async (t) => {
  const places = {
    phone: '10.7.0.1:1',
    'phone/tablet': '10.7.0.2:1',
    'phone/tv': '10.7.0.3:1',
    phone2: '10.7.0.4:1',
  } as const;
  const crowd = await build(t, { perAddress: 0, perClient: 2 }, places);
  t.same(call(crowd), [0, 1, 3]);
  t.equal(refusalOf(crowd, 2), peerRefusal.perClient);
  t.match(crowd.hub.events('limit-reached'), [{ client: 'phone', limit: 'perClient' }]);
});

t.test('peers of the file are nobody to be limited', async (t) => {
  const crowd = await build(t, { perAddress: 1, perClient: 1 }, { anna: '10.7.0.1:1', bert: '10.7.0.1:2' }, false);
  t.same(call(crowd), [0, 1]);
});
