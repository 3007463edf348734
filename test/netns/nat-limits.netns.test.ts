/** What a hub's clients may use of its ports, and how they and its operator hear that it is all. */
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import type { EventRecord } from '../../src/control/events.ts';
import type { NatStatus } from '../../src/control/nat-rows.ts';
import { callMirror, serveMirror } from '../support/nat.ts';
import { buildNatWorld, inner, mirror, options, outAddress, startNatWorld, until } from '../support/nat-world.ts';

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
