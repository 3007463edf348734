/** Machines that join where UDP is blocked or obfuscated, and those that do not get in: they are told why, and the same line works later. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import type { ClientRow, InvitationRow } from '../../src/control/client-calls.ts';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { Daemon, type DaemonOptions } from '../support/daemon.ts';
import { filesIn, invite, join, leadOut, served, textOf } from '../support/inviting.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, runCommand, skipReason } from '../support/netns.ts';
import { outside, port } from '../support/pair.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(120_000);

interface World {
  readonly lab: Lab;
  readonly hubHost: Host;
  readonly vanHost: Host;
  readonly hub: Daemon;
}

function build(more: DaemonOptions['more'], pool = '10.9.0.0/24'): World {
  const lab = new Lab();
  const [hubHost, vanHost] = [lab.host('hub'), lab.host('van')];
  lab.join(vanHost, hubHost, { addresses: [['10.77.0.1/24'], [`${outside.b4}/24`]] });
  leadOut(vanHost);
  const hub = new Daemon(lab, hubHost, {
    keys: generateKeys(),
    addresses: [`10.9.0.1/${pool.split('/')[1]}`],
    port,
    peers: [],
    more: { server: { pool, endpoint: outside.b4 }, ...more },
  });
  return { lab, hubHost, vanHost, hub };
}

t.test('where UDP is blocked, by TLS', options, async (t) => {
  const { lab, hubHost, vanHost, hub } = build({ listen: { udp: port, tls: 443 } });
  t.teardown(() => lab.close());
  hubHost.run('nft', ['add table ip block; add chain ip block in { type filter hook input priority 0; }']);
  hubHost.run('nft', ['add rule ip block in udp dport 51820 drop']);
  await hub.start();
  const line = await invite(hub, 'van');
  t.match(line, /^hawser join 10\.77\.0\.2:51820,tls:\/\/10\.77\.0\.2:443#/);
  const van = join(lab, vanHost, line, 'van');
  t.ok(await served(vanHost, '10.9.0.1'), van.log());
  const paths = await hub.ask<PathStatus[]>('paths');
  t.ok(
    paths.every(({ transport }) => transport === 'tls'),
    JSON.stringify(paths.map(({ transport }) => transport)),
  );
  van.child.kill('SIGTERM');
  await van.ended();
});

t.test('under an obfuscation, which the line brings along', options, async (t) => {
  const worn = {
    jc: 3,
    jmin: 40,
    jmax: 70,
    s1: 15,
    s2: 33,
    s3: 7,
    s4: 16,
    h1: '100-200',
    h2: '300-400',
    h3: 500,
    h4: 1000,
  };
  const { lab, vanHost, hub } = build({ obfuscation: worn });
  t.teardown(() => lab.close());
  await hub.start();
  const van = join(lab, vanHost, await invite(hub, 'van'), 'van');
  t.ok(await served(vanHost, '10.9.0.1'), van.log());
  t.match(textOf(van.folder, 'van.yaml'), /h1: 100-200/);
  van.child.kill('SIGTERM');
  await van.ended();
});

t.test(
  'no address left, no room on the disk, a file in the way: the same line works when that is over',
  options,
  async (t) => {
    const { lab, vanHost, hub } = build({}, '10.9.0.0/30');
    const state = path.join(path.dirname(hub.configPath), 'state');
    mkdirSync(state);
    runCommand('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=700', 'tmpfs', state]);
    t.teardown(async () => {
      await hub.stop();
      runCommand('umount', [state]);
      await lab.close();
    });
    await hub.start();
    const line = await invite(hub, 'van');
    const tryIt = async (...more: string[]): Promise<string> => {
      const one = join(lab, vanHost, line, 'van', '--no-up', ...more);
      const code = await one.ended();
      return `${code} ${one.log()}`;
    };
    t.match(await hub.cli('client', 'add', 'phone', '--stock'), { status: 0 });
    t.match(await tryIt(), /^1 .*no room for another client \(have clients removed there/);
    t.match(await hub.cli('client', 'remove', 'phone'), { status: 0 });

    const filler = path.join(state, 'filler');
    t.throws(() => writeFileSync(filler, Buffer.alloc(1 << 20)), { code: 'ENOSPC' });
    t.match(await tryIt(), /^1 .*cannot write down a new client now/);
    t.same(await hub.ask<ClientRow[]>('client.list'), [], 'nobody is half in');
    rmSync(filler);

    const folder = path.join(lab.folder, 'etc-van');
    const theirs = path.join(folder, 'van.yaml');
    writeFileSync(theirs, '# of somebody\n');
    t.match(await tryIt(), /^1 .*Will not overwrite .*van\.yaml \(--force overwrites/);
    t.equal(readFileSync(theirs, 'utf8'), '# of somebody\n');
    t.match(await hub.ask<InvitationRow[]>('invite.list'), [{ state: 'joining' }]);
    const [before] = await hub.ask<ClientRow[]>('client.list');
    t.match(await tryIt('--name', 'bus'), /^0 /);
    t.same(filesIn(folder), ['bus-hub.psk', 'bus.key', 'bus.yaml', 'van.yaml']);
    t.same((await hub.ask<ClientRow[]>('client.list'))[0]?.devices, before?.devices, 'the same answer');
  },
);

t.test('no way out, no rights, no invitation', options, async (t) => {
  const { lab, hub, vanHost } = build({});
  t.teardown(() => lab.close());
  await hub.start();
  const line = await invite(hub, 'van');
  const alone = join(lab, lab.host('alone'), line, 'alone', '--no-up', '--wait', '2s');
  t.equal(await alone.ended(), 1);
  t.match(
    alone.log(),
    /The hub cannot be called: udp 10\.77\.0\.2:51820: ENETUNREACH \(see whether this machine has a way out/,
  );
  const unwritable = join(lab, vanHost, line, 'x', '--no-up', '--out', '/dev/null/x');
  t.equal(await unwritable.ended(), 1);
  t.match(unwritable.log(), /Cannot write to \/dev\/null\/x: .*\(run as root, or name another folder: --out FOLDER\)/);
  const cut = join(lab, vanHost, line.slice(0, -9), 'cut');
  t.equal(await cut.ended(), 64);
  t.match(cut.log(), /That is no invitation: .*missing.* \(copy the whole line/);
  t.match(await hub.ask<InvitationRow[]>('invite.list'), [{ state: 'open' }], 'none of them used it');
  t.match(await hub.cli('invite', 'revoke', 'van'), { status: 0, stdout: /van: the invitation was taken back/ });
  t.match(await hub.cli('invite', 'revoke', 'van'), {
    status: 1,
    stderr: /no invitation "van" that could still be used/,
  });
});
