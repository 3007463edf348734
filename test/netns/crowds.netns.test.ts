/** `server.limits.perAddress` on real packets: clients behind one translated address, of which one is too many. */
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import type { ClientRow, NewClientAnswer } from '../../src/control/client-calls.ts';
import type { EventRecord } from '../../src/control/events.ts';
import { Daemon } from '../support/daemon.ts';
import { served } from '../support/inviting.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import { port } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';
import { stockSkipReason, WireguardGo } from '../support/wireguard-go.ts';

const skip = skipReason();
t.setTimeout(120_000);
const hubAddress = '10.9.0.1';
const endpoint = `10.77.0.2:${port}`;

t.test(
  'who is one too many at its address stays out, those who are there notice nothing, and others come in',
  skip === false ? {} : { skip },
  async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const [host, router] = [lab.host('hub'), lab.host('router')];
    lab.join(router, host, { addresses: [['10.77.0.1/24'], ['10.77.0.2/24']] });
    router.forward();
    router.run('nft', ['add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }']);
    router.run('nft', ['add rule ip nat post oifname "to-hub" ip saddr != 10.83.0.0/16 masquerade']);
    host.ip('route add 10.83.0.0/16 via 10.77.0.1');
    const server = { pool: '10.9.0.0/24', limits: { perAddress: 2 } };
    const keys = generateKeys();
    const hub = new Daemon(lab, host, { keys, addresses: [`${hubAddress}/24`], port, peers: [], more: { server } });
    await hub.start();

    /** One behind the router: dora has an address of its own, the others share the router's. */
    const connect = async (name: string, at: number, isStock: boolean): Promise<Host> => {
      const its = lab.host(name);
      lab.join(its, router, { addresses: [[`10.8${at}.0.1/24`], [`10.8${at}.0.2/24`]] });
      its.ip(`route add 10.77.0.0/24 via 10.8${at}.0.2`);
      const own = generateKeys();
      const answer = await hub.ask<NewClientAnswer>('client.add', { name, publicKey: own.publicKey });
      const addresses = [`10.9.0.${at + 2}/24`];
      const allowedIPs = [`${hubAddress}/32`];
      const peer = { name: 'hub', publicKey: keys.publicKey, presharedKey: answer.presharedKey, allowedIPs };
      if (isStock)
        await WireguardGo.start(lab, its, { privateKey: own.privateKey, addresses, peers: [{ ...peer, endpoint }] });
      else await new Daemon(lab, its, { keys: own, addresses, peers: [{ ...peer, endpoints: [endpoint] }] }).start();
      return its;
    };
    const anna = await connect('anna', 0, false);
    t.ok(await served(anna, hubAddress), 'the first');
    // A phone, where there is one.
    const bert = await connect('bert', 1, stockSkipReason() === false);
    t.ok(await served(bert, hubAddress), 'the second');

    const others = [anna, bert].map((one) => ping(one, hubAddress, { count: 200, intervalMs: 20 }));
    const cleo = await connect('cleo', 2, false);
    t.equal((await ping(cleo, hubAddress, { count: 6, intervalMs: 500 })).received, 0, 'the third is out');
    const refusalOf = async (name: string) =>
      (await hub.ask<ClientRow>('client.show', { name })).devices[0]?.refusal?.reason;
    t.equal(await refusalOf('cleo'), 'perAddress');
    const told = (await hub.ask<EventRecord[]>('events')).filter(({ kind }) => kind === 'limit-reached');
    t.match(told, [{ client: 'cleo', limit: 'perAddress' }]);
    t.match(await hub.cli('explain'), { stdout: /server\.limits\.perAddress/ });
    const dora = await connect('dora', 3, false);
    t.ok(await served(dora, hubAddress), 'elsewhere there is room');
    for (const { received, sent } of await Promise.all(others))
      t.ok(received >= sent - 1, `${received} of ${sent} pings of one who is there`);

    await hub.ask('client.disable', { name: 'bert' });
    t.ok(await served(cleo, hubAddress), 'the place of who left');
    t.equal(await refusalOf('cleo'), undefined);
    await hub.ask('client.enable', { name: 'bert' });

    const config = JSON.parse(readFileSync(hub.configPath, 'utf8')) as object;
    const more = { ...server, limits: { perAddress: 3 } };
    writeFileSync(hub.configPath, JSON.stringify({ ...config, server: more }));
    t.match(await hub.cli('reload'), { status: 0 });
    for (const one of [anna, bert, cleo, dora]) t.ok(await served(one, hubAddress), `${one.name} with room for three`);
  },
);
