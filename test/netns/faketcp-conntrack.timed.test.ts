/**
 * FakeTCP under load over a link that loses and reorders, through a router that follows connections strictly (`be_liberal=0`), translates the
 * caller's address and drops what it finds wrong: it finds nothing, and neither does tshark. Ten minutes in the long run.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Bond, startBond } from '../support/bond.ts';
import { sendUdp, UdpSink } from '../support/flows.ts';
import { isLong } from '../support/long-run.ts';
import { runCommand, skipReason } from '../support/netns.ts';
import { inside, port } from '../support/pair.ts';
import { linesOf, SegmentCheck } from '../support/segment-check.ts';

const missing = ['nft', 'tcpdump', 'tshark'].filter((name) => spawnSync(name, ['--version']).error !== undefined);
const skip = skipReason() || (missing.length === 0 ? false : `needs ${missing.join(', ')} (apt-get install)`);
const options = skip === false ? {} : { skip };
t.setTimeout(1_500_000);
const seconds = isLong ? 600 : 6;
const link = { name: 'one', rateMbit: 20, delayMs: 20, queueMs: 100, loss: 0.01, reorder: 0.02, reorderByMs: 5 };
const offeredMbit = 12;
const [upPort, downPort] = [7001, 7002];

const rules = `table inet strict {
  counter invalid { }
  counter seen { }
  chain forward {
    type filter hook forward priority 0;
    tcp dport ${port + 1} counter name seen
    ct state invalid counter name invalid drop
  }
  chain nat { type nat hook postrouting priority 100; oifname "core" masquerade; }
}`;

function counted({ net }: Bond, name: string): number {
  return Number(/packets (\d+)/.exec(net.isp.run('nft', ['list', 'counter', 'inet', 'strict', name]))?.[1]);
}

/** Both ways at more than half the link's rate. */
async function load({ net }: Bond): Promise<void> {
  const sinks = [await UdpSink.start(net.server, upPort), await UdpSink.start(net.client, downPort)];
  const flow = { rateMbit: offeredMbit, seconds };
  const flows = [sendUdp(net.client, inside.b4, upPort, flow), sendUdp(net.server, inside.a4, downPort, flow)];
  await Promise.all(flows.map(({ done }) => done));
  for (const sink of sinks) sink.close();
}

async function check(t: Test, file: string): Promise<void> {
  const seen = new SegmentCheck();
  for await (const line of linesOf(file)) seen.take(line);
  t.ok(seen.segments > 100 * seconds, `${seen.segments} segments`);
  t.same(seen.faults.slice(0, 5), [], 'each is within the window, and acknowledges what was sent');
  const experts = runCommand('tshark', ['-r', file, '-q', '-z', 'expert,error']);
  t.notMatch(experts, /[Mm]alformed|Errors \(\d/, 'tshark finds no error');
}

t.test('a strict router and tshark find nothing wrong', options, async (t) => {
  const bond = await startBond({ emulated: [link], transport: 'faketcp' });
  t.teardown(() => bond.lab.close());
  const { net, rope, lab } = bond;
  await rope.awaitLive(2);
  for (const daemon of [rope.client, rope.server]) await daemon.ask('transport.force', { transport: 'faketcp' });
  net.isp.setSysctl('net/netfilter/nf_conntrack_tcp_be_liberal', '0');
  t.equal(net.isp.run('cat', ['/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal']).trim(), '0');
  net.isp.run('nft', [rules]);
  // What was translated by nobody begins anew, so that the router knows it from its first segment.
  await rope.client.stop();
  const file = path.join(lab.folder, 'core.pcap');
  const filter = ['-i', 'core', '-s', '96', '-w', file, `tcp port ${port + 1}`];
  const tcpdump = net.isp.spawn('tcpdump', filter, { stdio: 'ignore' });
  await sleep(500);
  // Of the connection before the rules the router may have seen no beginning.
  const before = counted(bond, 'invalid');
  await rope.client.start();
  await rope.awaitLive(2);
  await rope.client.ask('transport.force', { transport: 'faketcp' });
  await sleep(500);
  await load(bond);
  tcpdump.kill('SIGINT');
  await once(tcpdump, 'exit');
  t.ok(counted(bond, 'seen') > 50 * seconds, `${counted(bond, 'seen')} packets passed`);
  t.equal(counted(bond, 'invalid') - before, 0, 'none of them is invalid');
  await check(t, file);
});
