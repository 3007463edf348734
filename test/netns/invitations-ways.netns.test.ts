/** Machines that join where UDP is blocked or obfuscated, and those that do not get in: they are told why, and the same line works later. */
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import type { ClientRow, InvitationRow } from '../../src/control/client-calls.ts';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { cliProgram, Daemon, type DaemonOptions } from '../support/daemon.ts';
import { filesIn, invite, join, leadOut, served, textOf } from '../support/inviting.ts';
import { generateKeys } from '../support/keys.ts';
import { type Host, Lab, runCommand, skipReason } from '../support/netns.ts';
import { outside, port } from '../support/pair.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(240_000);
const proxyProgram = path.join(import.meta.dirname, '../support/connect-proxy-program.js');

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

t.test('where nothing but an HTTP proxy leads out, through it', options, async (t) => {
  const { lab, hubHost, vanHost, hub } = build({ listen: { udp: port, tls: 443 } });
  t.teardown(() => lab.close());
  const router = lab.host('router');
  lab.join(vanHost, router, { interfaces: ['up0', 'down0'], addresses: [['10.78.0.1/24'], ['10.78.0.254/24']] });
  lab.join(router, hubHost, { interfaces: ['out0', 'in0'], addresses: [['10.79.0.254/24'], ['10.79.0.2/24']] });
  vanHost.ip('route replace default via 10.78.0.254');
  // By its own wire nothing of the van arrives.
  hubHost.run('nft', ['add table ip block; add chain ip block in { type filter hook input priority 0; }']);
  hubHost.run('nft', ['add rule ip block in ip saddr 10.77.0.1 drop']);
  const proxy = router.spawn(process.execPath, [proxyProgram, '0.0.0.0', '3128', 'joe:secret'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (proxy.stdout !== null) await once(proxy.stdout, 'data');
  router.ip('route add 10.77.0.2 via 10.79.0.2');
  await hub.start();
  const line = await invite(hub, 'van');
  const password = path.join(lab.folder, 'proxy.password');
  writeFileSync(password, 'wrong\n', { mode: 0o600 });
  const its = ['--proxy', 'http://joe@10.78.0.254:3128', '--proxy-password-file', password];
  const refused = join(lab, vanHost, line, 'van', ...its, '--wait', '6s', '--no-up');
  t.not(await refused.ended(), 0);
  t.match(refused.log(), /through 10\.78\.0\.254:3128: .*407/);
  writeFileSync(password, 'secret\n', { mode: 0o600 });
  const van = join(lab, vanHost, line, 'van', ...its);
  t.ok(await served(vanHost, '10.9.0.1'), van.log());
  t.match(textOf(van.folder, 'van.yaml'), /proxy: .?http:\/\/joe@10\.78\.0\.254:3128/);
  van.child.kill('SIGTERM');
  await van.ended();
});

t.test('where systemd has the unit, it starts the tunnel; and says why when it cannot', options, async (t) => {
  const { lab, vanHost, hub } = build({});
  t.teardown(() => lab.close());
  await hub.start();
  // A mount namespace of its own: a stand-in of systemd there, and this host's /etc and /run as they were.
  const stand = path.join(lab.folder, 'stand-in');
  for (const name of ['etc', 'run', 'bin']) mkdirSync(path.join(stand, name), { recursive: true });
  const told = path.join(stand, 'told');
  const systemctl = path.join(stand, 'bin', 'systemctl');
  writeFileSync(
    systemctl,
    `#!/bin/sh\necho "$@" >> ${told}\n[ -e ${stand}/broken ] && echo "no such bus" >&2 && exit 1\nexit 0\n`,
    { mode: 0o755 },
  );
  const joinThere = async (line: string): Promise<{ status: number; said: string }> => {
    const script = `cp -a /etc/. ${stand}/etc; mount --bind ${stand}/etc /etc; mount -t tmpfs none /run
      mkdir -p /run/systemd/system /etc/systemd/system /etc/hawser; touch /etc/systemd/system/hawser@.service
      PATH=${stand}/bin:$PATH exec ${process.execPath} ${cliProgram} join ${line.split(' ')[2] ?? ''} --interface hawser9`;
    const child = vanHost.spawn('unshare', ['--mount', 'sh', '-ec', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    const said: string[] = [];
    for (const one of [child.stdout, child.stderr]) one?.on('data', (chunk: Buffer) => said.push(String(chunk)));
    const [status] = (await once(child, 'close')) as [number];
    return { status, said: said.join('') };
  };
  const line = await invite(hub, 'van');
  const first = await joinThere(line);
  t.equal(first.status, 0, first.said);
  t.match(first.said, /started hawser@van, now and at each boot; hawser status --name van shows it/);
  t.equal(readFileSync(told, 'utf8'), 'enable --now hawser@van\n');
  writeFileSync(path.join(stand, 'broken'), '');
  const second = await joinThere(line);
  t.equal(second.status, 1);
  t.match(second.said, /systemctl enable --now hawser@van failed: no such bus/);
  t.match(second.said, /journalctl -u hawser@van/);
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
