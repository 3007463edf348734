/** What a hub's clients may use of its ports, and how they and its operator hear that it is all. */
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import type { EventRecord } from '../../src/control/events.ts';
import type { NatStatus } from '../../src/control/nat-rows.ts';
import { callMirror, serveMirror } from '../support/nat.ts';
import {
  buildNatWorld,
  hubAddress,
  hubAnswers,
  inner,
  mirror,
  options,
  outAddress,
  startNatWorld,
} from '../support/nat-world.ts';
import { until } from '../support/until.ts';

t.setTimeout(180_000);

t.test('who meets the limit is told of, and a reload changes the limit', options, async (t) => {
  const world = buildNatWorld({ nat: { mode: 'masquerade', connections: 5 } });
  t.teardown(() => world.lab.close());
  const { lab, hub, out, a, daemons } = world;
  await startNatWorld(world);
  await serveMirror(out, mirror);
  const scene = { lab, hub, clients: a, outside: out, ipv4: [], ipv6: [] };
  const calls = { protocol: 'tcp', sources: [inner.a], each: 8, target: outAddress, port: mirror } as const;
  const held = await callMirror(scene, a, calls);
  t.equal(held.results.filter(({ error }) => error !== undefined).length, 3);
  const told = async () =>
    (await daemons.hub.ask<readonly EventRecord[]>('events')).filter(({ kind }) => kind === 'nat-exhausted');
  await until('an event tells', async () => (await told()).length > 0);
  t.match(await told(), [{ peer: 'a', reason: /5 connections/ }]);
  held.end();
  const config = JSON.parse(readFileSync(daemons.hub.configPath, 'utf8')) as { server: { nat: object } };
  config.server.nat = { mode: 'masquerade', connections: 20 };
  writeFileSync(daemons.hub.configPath, JSON.stringify(config));
  await daemons.hub.ask('reload');
  await until('the limit is another', async () => (await daemons.hub.ask<NatStatus>('nat')).connectionLimit === 20);
  const more = await callMirror(scene, a, { ...calls, each: 15 });
  t.equal(more.results.filter(({ error }) => error !== undefined).length, 0);
  config.server.nat = { mode: 'off' };
  writeFileSync(daemons.hub.configPath, JSON.stringify(config));
  await daemons.hub.ask('reload');
  await until('it is off', async () => !(await daemons.hub.ask<NatStatus>('nat')).isOn);
  t.equal(hub.run('nft', ['list', 'ruleset']), '');
});

t.test('when every shared port is in use to one destination, who calls there is told so', options, async (t) => {
  const world = buildNatWorld({ nat: { mode: 'masquerade', ports: '20000-20063' } });
  t.teardown(() => world.lab.close());
  const { lab, hub, out, a, c, daemons } = world;
  await startNatWorld(world);
  await Promise.all([serveMirror(out, mirror), serveMirror(out, mirror + 1)]);
  const scene = { lab, hub, clients: a, outside: out, ipv4: [], ipv6: [] };
  const calls = { protocol: 'tcp', sources: [inner.a], each: 70, target: outAddress, port: mirror } as const;
  const held = await callMirror(scene, a, calls);
  t.equal(held.results.filter(({ outside }) => outside !== undefined).length, 64);
  const told = async () =>
    (await daemons.hub.ask<readonly EventRecord[]>('events')).filter(({ kind }) => kind === 'nat-exhausted');
  const other = { ...calls, sources: [inner.c], each: 1 };
  await until('an event tells', async () => {
    await callMirror(scene, c, other);
    return (await told()).length > 0;
  });
  t.match(await told(), [{ reason: new RegExp(`20000-20063 is in use to ${outAddress}:${mirror}/tcp`) }]);
  t.match((await callMirror(scene, c, other)).results, [{ error: 'ECONNREFUSED' }]);
  t.same(
    (await callMirror(scene, c, { ...other, port: mirror + 1 })).results.flatMap(({ error }) => error ?? []),
    [],
  );
  held.end();
  await held.ended;
  await until('it goes again', async () => (await callMirror(scene, c, other)).results[0]?.error === undefined);
});

t.test('devices of one client have one block of ports together, and all of it', options, async (t) => {
  const nat = { mode: 'masquerade', addresses: [hubAddress], ports: '20000-20063', perClient: 16 };
  const limits = { clients: 4 };
  const world = buildNatWorld({ nat, limits }, []);
  t.teardown(() => world.lab.close());
  const { lab, hub, out, a, c, keys, daemons } = world;
  await daemons.hub.start();
  const its = (name: 'a' | 'c') => ({ publicKey: keys[name].publicKey, presharedKey: false, addresses: [inner[name]] });
  await daemons.hub.ask('client.add', { name: 'anna', ...its('a') });
  await daemons.hub.ask('client.device.add', { name: 'anna', device: 'tablet', ...its('c') });
  await Promise.all([daemons.a.start(), daemons.c.start()]);
  await hubAnswers(a, c);
  await Promise.all([serveMirror(out, mirror), serveMirror(out, mirror + 1)]);
  const scene = { lab, hub, clients: a, outside: out, ipv4: [], ipv6: [] };
  const calls = { protocol: 'tcp', each: 12, target: outAddress, port: mirror } as const;
  const first = await callMirror(scene, a, { ...calls, sources: [inner.a] });
  const second = await callMirror(scene, c, { ...calls, sources: [inner.c], port: mirror + 1 });
  const portsOf = ({ results }: typeof first): number[] =>
    results.flatMap(({ outside }) => (outside ? Number(outside.split('|')[1]) : []));
  t.equal(portsOf(first).length, 12);
  t.equal(portsOf(second).length, 4, 'what the first device has left of the block');
  t.equal(second.results.filter(({ error }) => error === 'ECONNREFUSED').length, 8, 'and is told when it is all');
  for (const its of [...portsOf(first), ...portsOf(second)]) t.ok(its >= 20000 && its <= 20015, `port ${its}`);
  first.end();
  await first.ended;
  second.end();
  await second.ended;
  await until('what one gives back the other one has', async () => {
    const again = await callMirror(scene, c, { ...calls, sources: [inner.c], each: 14 });
    again.end();
    await again.ended;
    return portsOf(again).length === 14;
  });
  const { leases } = await daemons.hub.ask<NatStatus>('nat');
  t.same(
    leases.map(({ block }) => block),
    [0, 1].map(() => `${hubAddress}:20000-20015`),
  );
});
