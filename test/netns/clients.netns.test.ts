/** A hub from nothing: what `init` writes, a client that is added while it runs and pings, one that is removed and does not. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { ControlConnection } from '../../src/cli/control-client.ts';
import { parseConfig } from '../../src/config/parse.ts';
import type { ClientRow, ClientSession, ClientUsage, NewClientAnswer } from '../../src/control/client-calls.ts';
import type { EventRecord } from '../../src/control/events.ts';
import { cliProgram, Daemon, runCli } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, runCommand, skipReason } from '../support/netns.ts';
import { buildPair, inside, outside, port } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(240_000);

/** A daemon whose files were made by the commands: `files` is where they lie. */
function daemonOf(lab: Lab, host: Host, name: string, file: string): Daemon {
  const daemon = new Daemon(lab, host, {
    instance: name,
    keys: generateKeys(),
    addresses: ['192.0.2.1/32'],
    peers: [],
  });
  const runtime = { runDirectory: path.join(lab.folder, 'run'), stateDirectory: path.join(lab.folder, name, 'state') };
  appendFileSync(file, `\nruntime: ${JSON.stringify(runtime)}\n`);
  // Key files are named relative to the configuration.
  writeFileSync(daemon.configPath, readFileSync(file));
  for (const key of keyFilesOf(file)) renameSync(key, path.join(path.dirname(daemon.configPath), path.basename(key)));
  return daemon;
}

function keyFilesOf(file: string): string[] {
  const { config } = parseConfig(readFileSync(file, 'utf8'), file);
  return [
    config?.identity.privateKeyFile ?? '',
    ...(config?.peers ?? []).flatMap(({ presharedKeyFile }) => presharedKeyFile ?? []),
  ];
}

async function served(host: Host, address: string): Promise<boolean> {
  for (let tries = 0; tries < 20; tries += 1) if ((await ping(host, address, { count: 2 })).received > 0) return true;
  return false;
}

t.test('from nothing to the first ping in three commands; removed, and nobody else notices', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [hubHost, phoneHost, laptopHost] = [lab.host('hub'), lab.host('phone'), lab.host('laptop')];
  lab.join(phoneHost, hubHost, { addresses: [['10.77.0.1/24'], [`${outside.b4}/24`]] });
  lab.join(laptopHost, hubHost, { addresses: [['10.78.0.1/24'], ['10.78.0.2/24']] });
  hubHost.forward();
  laptopHost.ip('route add default via 10.78.0.2');
  const folder = path.join(lab.folder, 'files');
  mkdirSync(folder);
  // 1
  const init = await runCli(['init', '--role', 'server', '--endpoint', `${outside.b4}:${port}`, '--out', folder]);
  t.equal(init.status, 0, init.stderr);
  const hub = daemonOf(lab, hubHost, 'hub', path.join(folder, 'hub.yaml'));
  // 2
  await hub.start();
  // 3
  const added = await hub.cli('client', 'add', 'phone', '--stock');
  t.equal(added.status, 0, added.stderr);
  t.match(added.stdout, /^\[Interface\]\nPrivateKey = .+\nAddress = 10\.9\.0\.2\/32$/m);
  const add = async (name: string, text: string, suffix: string, host: Host): Promise<Daemon> => {
    writeFileSync(path.join(folder, `${name}${suffix}`), text);
    // There, since an import of Hawser's file looks for the links of its host.
    host.run(process.execPath, [cliProgram, 'import', path.join(folder, `${name}${suffix}`), '--out', folder]);
    const daemon = daemonOf(lab, host, name, path.join(folder, `${name}.yaml`));
    await daemon.start();
    return daemon;
  };
  const phone = await add('phone', added.stdout, '.conf', phoneHost);
  t.ok(await served(phoneHost, '10.9.0.1'), 'the first ping of the phone');
  const threads = async () => (await hub.actors()).map(({ id, threadId, restarts }) => `${id} ${threadId} ${restarts}`);
  const before = await threads();
  const others = ping(phoneHost, '10.9.0.1', { count: 400, intervalMs: 20 });

  const second = await hub.cli('client', 'add', 'laptop', '--hawser');
  t.equal(second.status, 0, second.stderr);
  await add('laptop', second.stdout, '.hawser', laptopHost);
  t.ok(await served(laptopHost, '10.9.0.1'), 'the first ping of the laptop');
  t.ok(await served(laptopHost, '10.9.0.2'), 'clients reach each other');
  const routes = hubHost.ip('route show table all proto 77');
  t.equal(routes.match(/10\.9\.0/g)?.length, 1, `one route for the pool: ${routes}`);

  t.match(await hub.cli('client', 'disable', 'laptop'), { status: 0, stdout: /laptop: disabled/ });
  t.equal((await ping(laptopHost, '10.9.0.1', { count: 3, intervalMs: 100 })).received, 0);
  t.match(await hub.cli('client', 'enable', 'laptop'), { status: 0 });
  t.ok(await served(laptopHost, '10.9.0.1'), 'enabled again');
  const known = (await hub.peers()).find(({ name }) => name === 'phone');
  t.ok((known?.receivedBps ?? 0) > 0, 'who came after the start has a rate too');
  t.match(await hub.cli('client', 'list'), { stdout: /laptop +enabled +10\.9\.0\.3/ });
  t.match(await hub.cli('client', 'remove', 'laptop'), { status: 0 });
  t.equal((await ping(laptopHost, '10.9.0.1', { count: 3, intervalMs: 100 })).received, 0, 'removed');
  const { sent, received } = await others;
  t.ok(received >= sent - 1, `${received} of ${sent} pings of the phone arrived meanwhile`);
  t.same(await threads(), before, 'no thread was renewed');
  const events = await hub.ask<EventRecord[]>('events');
  const kinds = events.filter((event) => 'client' in event).map(({ kind }) => kind);
  const ends = events.flatMap((event) => (event.kind === 'session-closed' ? `${event.client} ${event.reason}` : []));
  t.same(ends, ['laptop disabled', 'laptop removed']);
  const [session] = await hub.ask<ClientSession[]>('sessions');
  t.match(session, { client: 'phone', endpoint: /^10\.77\.0\.1:/ });
  const { days } = await hub.ask<ClientUsage>('client.usage', { name: 'phone' });
  t.ok(
    (session?.upBytes ?? 0) > 10_000 && (days[0]?.upBytes ?? 0) >= (session?.upBytes ?? 0),
    JSON.stringify([session, days]),
  );
  t.same(
    kinds.filter((kind) => !kind.startsWith('session-')),
    [
      ...['client-created', 'lease-given', 'client-created', 'lease-given'],
      ...['client-disabled', 'client-enabled', 'client-removed'],
    ],
  );
  const [, psk = ''] = /PresharedKey = (.+)/.exec(added.stdout) ?? [];
  const said = [
    hub.log(),
    JSON.stringify([events, await hub.ask('client.list'), await hub.ask('peers'), await hub.ask('status')]),
  ];
  t.notMatch(said.join('\n'), psk.slice(0, 16), 'no log and no answer holds a preshared key');
  t.equal(await phone.stop(), 0);
});

t.test(
  'clients outlive the hub and its store; a reload takes pools, and what is in the way is named',
  options,
  async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const [hubHost, phoneHost] = [lab.host('hub'), lab.host('phone')];
    lab.join(phoneHost, hubHost, { addresses: [['10.77.0.1/24'], [`${outside.b4}/24`]] });
    const server = { pool: '10.9.0.0/24', endpoint: outside.b4 };
    const hub = new Daemon(lab, hubHost, {
      keys: generateKeys(),
      addresses: ['10.9.0.1/24'],
      port,
      peers: [],
      more: { server },
    });
    await hub.start();
    const keys = generateKeys();
    const answer = await hub.ask<NewClientAnswer>('client.add', { name: 'phone', publicKey: keys.publicKey });
    t.same(answer.hub.endpoints, [`${outside.b4}:${port}`]);
    const phone = new Daemon(lab, phoneHost, {
      keys,
      addresses: ['10.9.0.2/24'],
      peers: [
        {
          name: 'hub',
          publicKey: answer.hub.publicKey,
          presharedKey: answer.presharedKey,
          allowedIPs: ['10.9.0.0/24'],
          endpoints: answer.hub.endpoints,
        },
      ],
    });
    await phone.start();
    t.ok(await served(phoneHost, '10.9.0.1'));

    await hub.actor('kill', 'client-store');
    const { received } = await ping(phoneHost, '10.9.0.1', { count: 20, intervalMs: 20 });
    t.ok(received > 17, `the store is not in the way of packets: ${received} of 20`);
    let names: string[] = [];
    for (let tries = 0; names.length === 0 && tries < 50; tries += 1, await sleep(100))
      names = await hub.ask<ClientRow[]>('client.list').then(
        (rows) => rows.map(({ name }) => name),
        () => [],
      );
    t.same(names, ['phone'], 'another one has taken its place');

    // Where a peer is, is written a second later.
    const places = path.join(path.dirname(hub.configPath), 'state', 'hub.peers.json');
    while (!existsSync(places) || !readFileSync(places, 'utf8').includes(keys.publicKey)) await sleep(50);
    await hub.stop('SIGKILL');
    await hub.start();
    t.ok(await served(phoneHost, '10.9.0.1'), 'after SIGKILL');

    const reload = async (change: object): Promise<string> => {
      const config = JSON.parse(readFileSync(hub.configPath, 'utf8')) as object;
      writeFileSync(hub.configPath, JSON.stringify({ ...config, ...change }));
      const { stdout, stderr } = await hub.cli('reload');
      return `${stdout}${stderr}`;
    };
    const thief = { name: 'thief', publicKey: generateKeys().publicKey, allowedIPs: ['10.9.0.2/32'] };
    t.match(
      await reload({ peers: [thief] }),
      /10\.9\.0\.2\/32, which peer "thief" shall have, leads to peer "phone" \(clients\)/,
    );
    t.match(await reload({ peers: [], server: { ...server, limits: { clients: 1 } } }), /server changed/);
    await t.rejects(hub.ask('client.add', { name: 'more', publicKey: generateKeys().publicKey }), { code: 'LIMIT' });
    t.equal(
      (await ping(phoneHost, '10.9.0.1', { count: 3, intervalMs: 100 })).received,
      3,
      'the client is untouched by all that',
    );
    t.match(await reload({ server: undefined }), /server changed/);
    t.equal((await ping(phoneHost, '10.9.0.1', { count: 3, intervalMs: 100 })).received, 0, 'no server, no clients');
    await t.rejects(hub.ask('client.list'), { code: 'NO_SERVER' });
    t.match(await reload({ server }), /server changed/);
    t.ok(await served(phoneHost, '10.9.0.1'), 'and they are there again');
  },
);

t.test('ten shells at once, a full disk and a damaged store: clear errors, and nobody is lost', options, async (t) => {
  const pair = buildPair({
    more: { server: { pool: '10.100.0.0/16', endpoint: outside.b4, limits: { clients: 5000 } } },
  });
  const { lab, hosts, a, b } = pair;
  const state = path.join(path.dirname(b.configPath), 'state');
  mkdirSync(state);
  runCommand('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'tmpfs', state]);
  t.teardown(async () => {
    await b.stop();
    runCommand('umount', [state]);
    await lab.close();
  });
  await b.start();
  await a.start();
  t.ok(await served(hosts.a, inside.b4));
  const others = ping(hosts.a, inside.b4, { count: 1500, intervalMs: 2 });
  const tookMs: number[] = [];
  const shell = async (number: number): Promise<void> => {
    const connection = await ControlConnection.open({ name: b.name, runDirectory: path.join(lab.folder, 'run') });
    for (let count = 0; count < 4; count += 1) {
      const startMs = performance.now();
      await connection.request('client.add', { name: `s${number}-${count}`, publicKey: generateKeys().publicKey });
      if (number === 0) tookMs.push(Math.round(performance.now() - startMs));
      if (count % 2 === 1) await connection.request('client.remove', { name: `s${number}-${count}` });
    }
    connection.close();
  };
  const names = async (): Promise<string[]> => (await b.ask<ClientRow[]>('client.list')).map(({ name }) => name).sort();
  await Promise.all(Array.from({ length: 10 }, (_, number) => shell(number)));
  const { received, sent, maxMs } = await others;
  t.comment(`${tookMs.join(' ')} ms for one of ten; pings of another: ${received} of ${sent}, ${maxMs} ms at most`);
  t.equal(received, sent);
  const there = await names();
  t.same(there, Array.from({ length: 10 }, (_, number) => [`s${number}-0`, `s${number}-2`]).flat());
  const clients = await b.ask<ClientRow[]>('client.list');
  t.equal(new Set(clients.flatMap(({ devices }) => devices.flatMap(({ addresses }) => addresses))).size, there.length);

  const filler = path.join(state, 'filler');
  t.throws(() => writeFileSync(filler, Buffer.alloc(2 << 20)), { code: 'ENOSPC' });
  const more = async (name: string) => await b.ask('client.add', { name, publicKey: generateKeys().publicKey });
  // The log of changes has taken its place on the disk before, and there is room in it for some.
  const late: string[] = [];
  const fill = async (): Promise<void> => {
    for (let count = 0; count < 300; count += 1) {
      await more(`full${count}`);
      late.push(`full${count}`);
    }
  };
  await t.rejects(fill(), {
    code: 'STORE',
    message: /cannot be written: .*(full|I\/O).*\(make room in runtime\.stateDirectory/,
  });
  const kept = [...there, ...late];
  t.same(await names(), [...kept].sort(), 'what was refused is not there, and all else is');
  const troubles = async (): Promise<string> => JSON.stringify(await b.ask('explain'));
  t.match(await troubles(), /clients\.db cannot be written: .*make room in runtime\.stateDirectory/);
  rmSync(filler);
  await more('room');
  t.match(await troubles(), /clients\.db/, 'one that was taken is no end');
  for (let tries = 0; tries < 300 && /clients\.db/.test(await troubles()); tries += 1) await sleep(100);
  t.notMatch(await troubles(), /clients\.db/, 'and it is over when nothing was refused for a while');
  t.equal(b.log().match(/clients\.db cannot be written/g)?.length, 1, 'it was said once');
  await b.stop();
  const file = path.join(state, 'b.clients', 'clients.db');
  writeFileSync(file, readFileSync(file).fill(0x55, 0, 8192));
  await b.start();
  t.same(await names(), ['room', ...kept].sort(), 'from the backup');
  t.match(b.log(), new RegExp(`was damaged .* was made anew: ${kept.length + 1} clients`));
});

t.test('nobody is added for a file that leads nowhere', { ...options }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const host = lab.host('hub');
  const start = async (instance: string, more: object): Promise<Daemon> => {
    const own = { instance, interface: instance, keys: generateKeys(), peers: [] };
    const daemon = new Daemon(lab, host, { ...own, addresses: ['10.9.0.1/24'], more: { ...more } });
    await daemon.start();
    return daemon;
  };
  const hub = await start('hub', { listen: { udp: port }, server: { pool: '10.9.0.0/24' } });
  const refused = await hub.cli('client', 'add', 'phone');
  t.match(refused, {
    status: 1,
    stdout: '',
    stderr: /where this hub is reached; nobody was added \(write server\.endpoint/,
  });
  t.same(await hub.ask<ClientRow[]>('client.list'), []);
  const added = await hub.cli('client', 'add', 'phone', '--endpoint', '203.0.113.1');
  t.match(added, { status: 0, stdout: /Endpoint = 203\.0\.113\.1:51820/ });
  const tcp = await start('tcp', {
    listen: { faketcp: 8443 },
    server: { pool: '10.9.1.0/24', endpoint: '203.0.113.1' },
  });
  t.match(await tcp.cli('client', 'add', 'phone'), { status: 1, stderr: /WireGuard needs UDP.*nobody was added/ });
  t.match(await tcp.cli('client', 'add', 'van', '--hawser'), { status: 0, stdout: /faketcp:\/\/203\.0\.113\.1:8443/ });
  t.same(
    (await tcp.ask<ClientRow[]>('client.list')).map(({ name }) => name),
    ['van'],
  );
  const none = await start('none', {});
  t.match(await none.cli('client', 'add', 'phone'), { status: 1, stderr: /keeps no clients/ });
});
