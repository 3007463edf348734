/** The commands that ask a running instance, against the real control-server over a supervisor that only remembers. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { ConfigError } from '../../src/config/problems.ts';
import { carrier, link, linkHealth, linkHealthReason, probeMethod } from '../../src/contract/link-tables.ts';
import { path as pathLayout, pathState, peer, session, slotState } from '../../src/contract/peer-tables.ts';
import { counters, ring, runState } from '../../src/contract/rings.ts';
import { maxRequestBytes } from '../../src/control/protocol.ts';
import { sealerCounters } from '../../src/rings/counter-names.ts';
import { judgedPaths } from '../../src/rings/journal.ts';
import { SessionTable } from '../../src/rings/session-table.ts';
import { carrierTable, linkTable, pathTable, peerTable } from '../../src/rings/table.ts';
import { type FakeSupervisor, startFakeInstance } from '../support/fake-instance.ts';
import { givePath } from '../support/given-paths.ts';

/** Fifty processes one after another, on a machine that does other things too. */
t.setTimeout(180_000);

const program = path.resolve(import.meta.dirname, '../../src/cli/main.js');

/** A socket's path holds 107 bytes, and those of t.testdir() are longer. */
function shortFolder(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'hw-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function hawser(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { encoding: 'utf8' }, (error, stdout, stderr) => {
      resolve({ status: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

const nowUs = 100_000_000;

/** hub: connected over path 3 on fibre; phone: waits for a handshake. */
function fill(supervisor: FakeSupervisor): void {
  const { shared } = supervisor;
  const sessions = new SessionTable(shared.sessions);
  sessions.setInt(2, session.stateAt, slotState.ready);
  sessions.setInt(2, session.generationAt, 7);
  sessions.setInt(2, session.sendCipherAt, 1);
  sessions.setInt(2, session.capabilitiesAt, 1);
  sessions.setNumber(2, session.birthAt, nowUs - 30_000_000);
  sessions.setNumber(2, session.expiryAt, nowUs + 150_000_000);
  const peers = peerTable(shared.peers);
  peers.setUsed(peers.rows);
  peers.setInt(1, peer.sendSlotAt, 2);
  peers.setInt(1, peer.pathAt, 3);
  peers.setNumber(1, peer.lastHandshakeAt, nowUs - 30_000_000);
  peers.setNumber(1, peer.receivedBytesAt, 3 * 1024 * 1024);
  peers.setNumber(1, peer.sentBytesAt, 1536);
  peers.setInt(2, peer.sendSlotAt, -1);
  peers.setInt(2, peer.pathAt, -1);
  peers.setInt(2, peer.queuedPacketsAt, 5);
  const paths = pathTable(shared.paths);
  paths.setInt(3, pathLayout.stateAt, pathState.up);
  givePath(peers, paths, 3, 1);
  const sockaddr = Buffer.alloc(28);
  sockaddr.writeUInt16LE(10, 0);
  sockaddr.writeUInt16BE(51_820, 2);
  Buffer.from('20010db8000000000000000000000001', 'hex').copy(sockaddr, 8);
  paths.slice(3, pathLayout.endpointAt, 28).set(sockaddr);
  paths.setInt(3, pathLayout.mtuAt, 1480);
  paths.setInt(3, pathLayout.lifeAt, 1);
  paths.setInt(3, pathLayout.reasonAt, 3);
  const measured: [number, number][] = [
    [pathLayout.smoothedRttUsAt, 38_400],
    [pathLayout.minRttUsAt, 20_000],
    [pathLayout.jitterUsAt, 1_500],
    [pathLayout.lossAt, 0.005],
    [pathLayout.rateBpsAt, 50e6],
    [pathLayout.paceBpsAt, 48e6],
    [pathLayout.queueDelayUsAt, 3_000],
    [pathLayout.inFlightBytesAt, 65_536],
    [pathLayout.changedUsAt, nowUs - 2_000_000],
  ];
  for (const [column, value] of measured) paths.setNumber(3, column, value);
  carrierTable(shared.carriers).setInt(0, carrier.gsoAt, 1);
  const block = new Float64Array(shared.counters.sealer ?? new SharedArrayBuffer(0));
  new Int32Array(block.buffer)[counters.stateAt >> 2] = runState.parked;
  block[counters.beatAt >> 3] = nowUs - 20_000;
  block[counters.longestTurnUsAt >> 3] = 1500;
  block[(counters.cellsAt >> 3) + sealerCounters.codel] = 42;
  const plain = new Int32Array(shared.rings['tun-reader.outbound -> sealer.plain'] ?? new SharedArrayBuffer(0));
  plain[ring.tailAt >> 2] = -2_147_483_520;
  plain[ring.headAt >> 2] = 2_147_483_520;
  plain[ring.publishedAt >> 2] = 12_345;
}

t.test('the commands show what shared memory and the supervisor hold', async (t) => {
  const folder = shortFolder(t);
  const { supervisor, actor, clock } = await startFakeInstance(folder, 'home');
  t.teardown(() => actor.close());
  fill(supervisor);
  const ask = (...args: string[]) => hawser(...args, '--run-directory', folder);
  const askJson = async (...args: string[]) => JSON.parse((await ask(...args, '--json')).stdout);

  const status = await ask('status');
  t.equal(status.status, 0, status.stderr);
  t.match(status.stdout, /^home {2}hawser 9\.8\.7, pid 4242, up 1 h 2 min$/m);
  t.match(status.stdout, /peers {7}1 of 2 connected/);
  t.match(status.stdout, /all peers {3}up no limit, down 800 Mbit\/s \(server\.total\)/);
  t.match(status.stdout, /links {7}fibre \(lo\)/);
  t.match(status.stdout, /warning {5}Peer phone does not answer handshakes: 5 packets wait for one/);
  t.match(await askJson('status', '--name', 'home'), { name: 'home', peersConnected: 1, links: [{ gso: true }] });

  const peers = (await ask('peers')).stdout.split('\n');
  t.match(peers[0], /^PEER +STATE +ENDPOINT/);
  t.match(
    peers[1],
    /^hub +connected +\[2001:db8::1\]:51820 +fibre\/udp +aes-256-gcm +hawser +30 s ago +3 MiB +1\.5 KiB/,
  );
  t.match(peers[2], /^phone +waiting +- +- +- +- +never/);
  t.match(await askJson('peers'), [{ name: 'hub', generation: 7, handshakeAgeMs: 30_000, keyAgeMs: 30_000 }, {}]);
  clock.nowUs = nowUs + 150_000_001;
  t.match(await askJson('peers'), [{ state: 'idle' }, {}], 'keys that have expired connect nobody');
  clock.nowUs = nowUs;

  const paths = await askJson('paths');
  t.equal(paths.length, 1, 'free rows are not shown');
  t.match(paths, [{ id: 3, peer: 'hub', link: 'fibre', transport: 'udp', state: 'up', isCurrent: true }]);
  t.match(paths, [{ condition: 'live', rttMs: 38.4, lossPercent: 0.5, deliveryBps: 50_000_000, changedAgeMs: 2000 }]);
  t.match(
    (await ask('paths', '--wide')).stdout,
    /^hub +fibre +live\* +38 ms +0\.5 % +- +0 bit\/s +0 bit\/s +1480 +\[2001:db8::1\]:51820 +50 Mbit\/s +20 ms +1\.5 ms +3 ms .*2 s ago +64 KiB/m,
  );
  const narrow = (await ask('paths')).stdout.split('\n');
  t.ok(Math.max(...narrow.map((line) => line.length)) <= 80, narrow.join('\n'));
  t.match(narrow[0], /^PEER +LINK +STATE +RTT +LOSS +SHARE +OUT +IN/);
  pathTable(supervisor.shared.paths).setInt(3, pathLayout.lifeAt, 3);
  t.match((await ask('paths', '--peer', 'hub')).stdout, /\n\nhub by fibre: dead: probes were not answered\n$/);
  t.match((await ask('paths', '--peer', 'nobody')).stdout, /^No path/);

  t.match(await askJson('actors'), [
    {
      id: 'sealer',
      activity: 'parked',
      heartbeatAgeMs: 20,
      threadId: 1,
      restarts: 0,
      inputBytes: 256,
      inputPercent: 25,
    },
    { id: 'wan-link.fibre', activity: 'starting', inputBytes: 0 },
  ]);
  t.match(
    (await ask('actors')).stdout,
    /^sealer +running +parked +1 +0 +20 ms +0\.0 % +0 us +1\.5 ms +0 +256 B +25 %$/m,
  );
  t.match((await ask('actors', '--counters')).stdout, /^sealer:\n[\s\S]*^ {2}sealer_codel_packets +42$/m);
  t.match(await askJson('rings'), [{ usedBytes: 256, capacityBytes: 1024, publishedRecords: 12_345 }, {}]);
  t.match((await ask('top')).stdout, /^home[\s\S]*^PEER[\s\S]*^ACTOR/m, 'without a terminal top prints one frame');

  supervisor.rows = supervisor.rows.map((row) => ({
    ...row,
    state: 'restarting',
    lastExit: `${row.id} hung`,
    restarts: 2,
  }));
  t.match((await ask('actors')).stdout, /Last exits:\n {2}sealer: sealer hung/);
  t.match(await askJson('status'), {
    actorsRunning: 0,
    restarts: 4,
    warnings: [
      /^Link fibre has no address/,
      /^Actor sealer is restarting: sealer hung$/,
      /^Actor wan-link/,
      /^Peer hub has been cut off/,
      /^Peer phone/,
    ],
  });
  t.equal(supervisor.calls.filter((call) => call === 'memory').length, 1, 'memory is handed over once');
});

t.test('links and health show the rows of links, with what the kernel says of them', async (t) => {
  const folder = shortFolder(t);
  const { supervisor, actor } = await startFakeInstance(folder, 'home');
  t.teardown(() => actor.close());
  const links = linkTable(supervisor.shared.links);
  const ask = (...args: string[]) => hawser(...args, '--run-directory', folder);
  const askJson = async (...args: string[]) => JSON.parse((await ask(...args, '--json')).stdout);
  t.match((await ask('health')).stdout, /^fibre {2}unknown/);
  const cells: [number, number][] = [
    [link.healthJudgedUsAt, nowUs],
    [link.healthChangedUsAt, nowUs - 3_000_000],
    [link.healthRttUsAt, 21_000],
    [link.healthLossAt, 0.25],
    [link.healthKnownUsAt, 10],
    [link.healthUptimeAt, 0.975],
    [link.healthProbesAt, 100],
    [link.healthAnswersAt, 75],
    [link.historyAt, nowUs - 60_000_000],
    [link.historyAt + link.historyRowBytes, nowUs - 3_000_000],
  ];
  for (const [column, value] of cells) links.setNumber(0, column, value);
  const words: [number, number][] = [
    [link.healthStateAt, linkHealth.down],
    [link.healthReasonAt, linkHealthReason.loss],
    [link.healthMethodAt, probeMethod.icmp],
    [link.healthInRowAt, -2],
    [link.historyCountAt, 2],
    [link.historyAt + 8, linkHealth.up],
    [link.historyAt + 12, linkHealthReason.answers],
    [link.historyAt + link.historyRowBytes + 8, linkHealth.down],
    [link.historyAt + link.historyRowBytes + 12, linkHealthReason.loss],
    ...[800, -1, -1, 500, -1].map((score, index): [number, number] => [link.healthScoresAt + index * 4, score]),
  ];
  for (const [column, value] of words) links.setInt(0, column, value);
  t.match(await askJson('health'), [
    {
      link: 'fibre',
      state: 'down',
      reason: 'too many probes were lost',
      methodInUse: 'icmp',
      scores: { icmp: 0.8, dns: 0.5 },
      rttMs: 21,
      lossPercent: 25,
      uptimePercent: 97.5,
      inRow: -2,
      history: [
        { ageMs: 3000, state: 'down' },
        { ageMs: 60_000, state: 'up' },
      ],
    },
  ]);
  const text = (await ask('health')).stdout;
  t.match(text, /^fibre {2}down: too many probes were lost, for 3 s$/m);
  t.match(text, /75 of 100 answered, 2 failures in a row, up 98 % of the time/);
  t.match(text, /auto|icmp, now icmp; reliability: icmp 80 %, dns 50 %/);
  t.match(await askJson('links'), [
    { name: 'fibre', interface: 'lo', state: 'no address', hasCarrier: true, role: 'always' },
  ]);
  links.setInt(0, link.disabledAt, 1);
  const carriers = carrierTable(supervisor.shared.carriers);
  carriers.setInt(0, carrier.lastErrorAt, 101);
  carriers.setNumber(0, carrier.errorsAt, 7);
  t.match(
    (await ask('links')).stdout,
    /^fibre +lo +disabled +always +0 +0 bit\/s +0 bit\/s +learnt .*7 \(ENETUNREACH\)/m,
  );
});

t.test('failover and link carry the operator’s word to the supervisor', async (t) => {
  const folder = shortFolder(t);
  const { supervisor, actor } = await startFakeInstance(folder, 'home');
  t.teardown(() => actor.close());
  const ask = (...args: string[]) => hawser(...args, '--run-directory', folder);
  supervisor.configPath = path.join(folder, 'home.yaml');
  writeFileSync(supervisor.configPath, 'links:\n  - name: fibre\n    interface: eth0\n');
  t.match(await ask('failover', 'lte'), { status: 0, stdout: 'All data goes by lte while it lives.\n' });
  t.match(await ask('failover', 'auto', '--json'), { status: 0, stdout: /"forced": null/ });
  t.match(await ask('transport', 'order', 'test', 'udp'), { status: 0, stdout: /the first of these.*: test, udp\./ });
  t.match(await ask('transport', 'force', 'test'), {
    status: 0,
    stdout: 'By each link test carries while it lives.\n',
  });
  t.match(await ask('transport', 'auto'), { status: 0, stdout: 'Transports are preferred as configured.\n' });
  t.match(await ask('transport', 'force'), { status: 64, stderr: /takes one transport, not 0/ });
  t.match(await ask('link', 'disable', 'fibre'), { status: 0, stdout: 'link fibre disabled\n' });
  t.match(await ask('link', 'enable', 'fibre'), { status: 0 });
  t.match(await ask('link', 'add', 'lte', '--interface', 'wwan0', '--rate', '20', '--role', 'backup'), {
    status: 0,
    stdout:
      /^link lte added\nUntil the daemon stops or reloads: .*home.yaml and drops "lte" again\.\nTo keep it, .*:\n {2}- name: lte\n/,
  });
  t.match(await ask('link', 'remove', 'fibre', '--json'), {
    status: 0,
    stdout:
      /"link fibre removed".*"advice": .*remove lines 2-3 of .*and name another.*" {2}- name: fibre",\n.*" {4}interface: eth0"/s,
  });
  t.match(await ask('link', 'disable', 'fibre', '--json'), { status: 0, stdout: /"advice": \[\]/ });
  t.strictSame(
    supervisor.calls.filter((call) => call !== 'memory'),
    [
      'force lte',
      'force undefined',
      'order test,udp',
      'transport test',
      'transport auto',
      'disable fibre',
      'enable fibre',
      'add {"name":"lte","interface":"wwan0","rate":20,"role":"backup"}',
      'remove fibre',
      'disable fibre',
    ],
  );
  t.match(await ask('link', 'remove', 'lte', '--rate', '5'), { status: 64, stderr: /takes no rate/ });
  t.match(await ask('link', 'tickle', 'lte'), { status: 64 });
});

t.test('the control-server tells of paths that die and return', async (t) => {
  const folder = shortFolder(t);
  const { supervisor, actor, clock, emitted } = await startFakeInstance(folder, 'home');
  t.teardown(() => actor.close());
  fill(supervisor);
  const paths = pathTable(supervisor.shared.paths);
  actor.work(clock.nowUs);
  await hawser('status', '--run-directory', folder);
  actor.work(clock.nowUs);
  paths.setInt(3, pathLayout.lifeAt, 3);
  judgedPaths(supervisor.shared.paths).tell(3);
  actor.work(clock.nowUs);
  const place = { peer: 'hub', link: 'fibre', endpoint: '[2001:db8::1]:51820' };
  const reason = 'probes were not answered';
  t.match(emitted, [
    { kind: 'path-dead', ...place, was: 'live', reason },
    { kind: 'cut-off', peer: 'hub', from: 'fibre', reason },
    { kind: 'link-down', link: 'fibre', reason },
  ]);
});

t.test('rates come from two samples of the counters', async (t) => {
  const folder = shortFolder(t);
  const { supervisor, actor, clock } = await startFakeInstance(folder, 'home');
  t.teardown(() => actor.close());
  fill(supervisor);
  const ask = async (what: string) => JSON.parse((await hawser(what, '--run-directory', folder, '--json')).stdout);
  t.match(await ask('peers'), [{ receivedBps: 0 }, {}]);
  actor.work(clock.nowUs);
  clock.nowUs += 2_000_000;
  peerTable(supervisor.shared.peers).addNumber(1, peer.receivedBytesAt, 1_000_000);
  const block = new Float64Array(supervisor.shared.counters.sealer ?? new SharedArrayBuffer(0));
  block[counters.packetsAt >> 3] = 5000;
  block[counters.busyUsAt >> 3] = 500_000;
  t.match(await ask('peers'), [{ receivedBps: 4_000_000 }, { receivedBps: 0 }]);
  t.match(await ask('actors'), [{ packetsPerSecond: 2500, busyPercent: 25 }, { packetsPerSecond: 0 }]);
  peerTable(supervisor.shared.peers).setNumber(1, peer.receivedBytesAt, 5);
  t.match(await ask('peers'), [{ receivedBps: 0 }, {}], 'a counter that began anew has no rate');
});

t.test('actor, reload, events and errors reach the supervisor, and its refusals reach the person', async (t) => {
  const folder = shortFolder(t);
  const { supervisor, actor } = await startFakeInstance(folder, 'home');
  t.teardown(() => actor.close());
  const ask = (...args: string[]) => hawser(...args, '--run-directory', folder);
  for (const verb of ['kill', 'restart', 'hang']) t.equal((await ask('actor', verb, 'sealer')).status, 0);
  t.strictSame(
    supervisor.calls.filter((call) => call !== 'memory'),
    ['kill sealer', 'restart sealer', 'hang sealer'],
  );
  supervisor.calls.length = 0;
  t.match(await ask('actor', 'kill', 'wan'), { status: 0, stdout: 'wan-link.fibre: kill done\n' });
  t.ok(supervisor.calls.includes('kill wan-link.fibre'), 'the beginning of a name will do');
  t.match(await ask('actor', 'kill', ''), { status: 1, stderr: /several actors \(sealer, wan-link\.fibre\)/ });
  const refused = await ask('actor', 'kill', 'nobody');
  t.match(refused, { status: 1, stderr: /There is no actor "nobody" \(there are: sealer, wan-link\.fibre\)/ });
  t.equal((await ask('actor', 'tickle', 'sealer')).status, 64);
  t.match(await ask('reload'), { status: 0, stdout: 'peer new added\n' });
  const problem = { line: 3, column: 7, path: 'tunnel.mtu', message: '1 is out of range', allowed: [] };
  supervisor.refusal = new ConfigError('home.yaml', [problem]);
  t.match(await ask('reload'), { status: 78, stderr: 'home.yaml:3:7: tunnel.mtu: 1 is out of range\n' });

  t.equal((await ask('events')).stdout, 'Nothing has happened.\n');
  t.equal((await ask('errors')).stdout, 'No errors.\n');
  supervisor.log = [1, 2, 3].map((id) => ({
    id,
    timeMs: 0,
    source: 'sealer',
    kind: 'started',
    thread: id,
  }));
  t.match(
    (await ask('events', '--since', '2')).stdout,
    /^ {4}3 {2}1970-01-01T00:00:00\.000Z {2}sealer +started {2}thread=3\n$/,
  );
  t.equal(JSON.parse((await ask('events', '--json')).stdout).length, 3);
  t.equal((await ask('events', '--since', 'x')).status, 64);
  t.match(await ask('events', '--kind', 'failver'), {
    status: 64,
    stderr: /There is no kind "failver" \(there are: .*failover, /,
  });
  t.match(await ask('events', '--kind', 'failover'), { status: 0, stdout: 'Nothing has happened.\n' });
  supervisor.failures = [
    {
      firstMs: 0,
      lastMs: 1000,
      count: 3,
      source: 'sealer',
      name: 'TypeError',
      code: 'E1',
      message: 'no',
      stack: 'TypeError: no\n    at a (b.js:1:2)',
    },
  ];
  t.match((await ask('errors')).stdout, /^sealer: TypeError \[E1\]: no\n {2}3 times, 1970/);
  t.match((await ask('errors', '--stack')).stdout, /at a \(b\.js:1:2\)/);
});

t.test('events --follow goes on with what happens next', async (t) => {
  const folder = shortFolder(t);
  const { supervisor, actor } = await startFakeInstance(folder, 'home');
  const record = { timeMs: 0, source: 'sealer', kind: 'started' } as const;
  supervisor.log = [{ ...record, id: 1 }];
  const child = spawn(process.execPath, [program, 'events', '-f', '--json', '--run-directory', folder]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  t.match(JSON.parse((await lines.next()).value), { id: 1 });
  supervisor.log = [...supervisor.log, { ...record, id: 2 }];
  t.match(JSON.parse((await lines.next()).value), { id: 2 });
  actor.close();
  const [status] = await once(child, 'exit');
  t.equal(status, 1, 'it ends with the daemon');
});

t.test('the control socket is private, replaces a stale one, and goes with its server', async (t) => {
  const folder = shortFolder(t);
  const first = await startFakeInstance(folder, 'home');
  t.equal(statSync(first.socketPath).mode & 0o777, 0o600);
  t.strictSame(readdirSync(folder), ['home.sock'], 'nothing else is left in the folder');
  const second = await startFakeInstance(folder, 'home');
  t.match(await hawser('status', '--run-directory', folder), { status: 0 });
  first.actor.close();
  second.actor.close();
  second.actor.close();
  t.notOk(existsSync(second.socketPath));
});

t.test('the control-server answers nonsense with an error and survives it', async (t) => {
  const folder = shortFolder(t);
  const { actor, socketPath } = await startFakeInstance(folder, 'home');
  t.teardown(() => actor.close());
  const socket = connect(socketPath);
  const answers = createInterface({ input: socket })[Symbol.asyncIterator]();
  const answerTo = async (line: string) => {
    socket.write(`${line}\n`);
    return JSON.parse((await answers.next()).value);
  };
  t.match(await answerTo('nonsense'), { id: 0, error: { code: 'REQUEST' } });
  t.match(await answerTo('[]'), { error: { code: 'REQUEST' } });
  t.match(await answerTo('{"id":5,"method":"constructor"}'), { id: 5, error: { code: 'METHOD' } });
  t.match(await answerTo('{"id":6,"method":"actor.stop","params":{"id":"sealer"}}'), { error: { code: 'METHOD' } });
  for (const params of ['{}', '{"id":7}', '{"id":"sealer","and":"more"}', '[]', '"sealer"', 'null']) {
    t.match(await answerTo(`{"id":6,"method":"actor.kill","params":${params}}`), {
      id: 6,
      error: { code: 'PARAMS', message: /^Operation "actor\.kill" does not take these parameters: \S/ },
    });
  }
  t.match(await answerTo('{"id":6,"method":"events","params":{"since":-1}}'), {
    error: { code: 'PARAMS', message: /since/ },
  });
  t.match(await answerTo('{"id":7,"method":"status"}'), { id: 7, result: { name: 'home' } });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => undefined).write('x'.repeat(maxRequestBytes + 1));
  await closed;
  t.match(await hawser('status', '--run-directory', folder), { status: 0 });
});

t.test('without a daemon the commands say so with the remedy, and exit 1', async (t) => {
  const folder = shortFolder(t);
  const ask = (...args: string[]) => hawser(...args, '--run-directory', folder);
  t.match(await ask('status'), { status: 1, stderr: /No hawser is running here.*hawser up CONFIG/ });
  t.match(await ask('peers', '--name', 'home'), {
    status: 1,
    stderr: /"home" is not running: .*systemctl start hawser@home/,
  });
  const instances = [await startFakeInstance(folder, 'a'), await startFakeInstance(folder, 'b')];
  t.teardown(() => {
    for (const { actor } of instances) actor.close();
  });
  t.match(await ask('status'), { status: 64, stderr: /Several instances are here: a, b \(choose one with --name\)/ });
  t.match(await ask('status', '--name', 'b'), { status: 0, stdout: /^b / });
});
