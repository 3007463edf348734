/** The link emulator does what it says: each parameter measured by traffic that knows nothing of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { echoFlows, goodputMbit, pingUdp, runTcp, sendUdp, serveFlows, UdpSink } from '../support/flows.ts';
import { core, type EmulatedNet, emulate, type LinkOptions } from '../support/link-emulator.ts';
import { isLong } from '../support/long-run.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { ping } from '../support/traffic.ts';

const skip = skipReason();
/** A copy for each: tap writes the test itself into it. */
const options = skip === false ? { buffered: true } : { skip };
const inLong = isLong ? options : { skip: 'of the tool alone: npm run test:long' };
/** The last needs the machine for itself. */
const alone = isLong && skip === false ? { buffered: false } : inLong;
t.setTimeout(300_000);
/** 80 Mbit/s at most: a machine that does nothing else carries two. */
t.jobs = 2;
const ports = { tcp: 7000, sink: 7001, echo: 7002 } as const;
/** IPv4, UDP and Ethernet headers before a datagram's payload. */
const headerBytes = 20 + 8 + 14;
const payloadBytes = 1200;
const share = payloadBytes / (payloadBytes + headerBytes);

function build(lab: Lab, links: readonly LinkOptions[]): Promise<EmulatedNet> {
  return emulate(lab, { client: lab.host('client'), server: lab.host('server'), links });
}

/** Sends up for a while and returns what arrived. */
async function blast(net: EmulatedNet, rateMbit: number, seconds: number) {
  const sink = await UdpSink.start(net.server, ports.sink);
  const { sent } = await sendUdp(net.client, core.server4, ports.sink, { rateMbit, seconds }).done;
  await sleep(500);
  await sink.cut();
  const report = await sink.report();
  sink.close();
  return { sent, ...report };
}

t.test('emulate() carries both families with the delay asked for', { ...options }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const net = await build(lab, [{ name: 'wan', rateMbit: 100, delayMs: { up: 15, down: 5 } }]);
  for (const address of [core.server4, core.server6]) {
    const { sent, received, minMs } = await ping(net.client, address, { count: 10, intervalMs: 50 });
    t.equal(received, sent, address);
    t.ok(minMs > 19.5 && minMs < 23, `${minMs} ms`);
  }
  await echoFlows(net.server, ports.echo);
  const { p50Ms } = await pingUdp(net.client, core.server4, ports.echo, { intervalMs: 5, count: 400 });
  t.ok(p50Ms > 19.5 && p50Ms < 23, `median of UDP round trips ${p50Ms} ms`);
  t.match((await net.stats()).links[0], { up: { oversized: 0 }, down: { oversized: 0 } });
});

t.test(
  'a link has its rate each way, drops what its queue cannot hold, and follows changes',
  { ...options },
  async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const net = await build(lab, [{ name: 'wan', rateMbit: { up: 20, down: 80 }, delayMs: 5, queueMs: 50 }]);
    const over = await blast(net, 40, 3);
    const mbit = (over.received * payloadBytes * 8) / 1e3 / (3000 + 50);
    t.ok(Math.abs(mbit / (20 * share) - 1) < 0.05, `${mbit.toFixed(2)} Mbit/s of payload through 20 up`);
    t.ok(over.delayMaxMs > 50 && over.delayMaxMs < 70, `longest delay ${over.delayMaxMs} ms: 5 + 50 of queue`);
    const { up } = await net.link('wan').stats();
    t.equal(up.dropped, over.sent - over.received);
    await serveFlows(net.server, ports.tcp);
    const down = goodputMbit(await runTcp(net.client, core.server4, ports.tcp, { seconds: 5 }), 2, 5);
    t.ok(down > 0.88 * 80 && down < 80, `TCP ${down.toFixed(1)} Mbit/s through 80 down`);
    await net.link('wan').set({ rateMbit: { up: 20, down: 30 } });
    const slower = goodputMbit(await runTcp(net.client, core.server4, ports.tcp, { seconds: 5 }), 2, 5);
    t.ok(slower > 0.85 * 30 && slower < 30, `TCP ${slower.toFixed(1)} Mbit/s through 30 down`);
  },
);

t.test('losses, bursts, copies and held-back frames come at their rates', { ...inLong }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const net = await build(lab, [{ name: 'wan', delayMs: 2, loss: { up: 0.1, down: 0 } }]);
  const near = (value: number, target: number, what: string) =>
    t.ok(Math.abs(value / target - 1) < 0.25, `${what}: ${(100 * value).toFixed(2)} %`);
  const lossy = await blast(net, 20, 3);
  near(1 - lossy.received / lossy.sent, 0.1, '10 % loss');
  await net.link('wan').set({ loss: 0, burst: { start: 0.02, end: 0.2 } });
  const bursty = await blast(net, 20, 4);
  near(1 - bursty.received / bursty.sent, 0.02 / 0.22, 'bursts of 5 at 2 %');
  await net.link('wan').set({ burst: { start: 0, end: 1 }, duplicate: 0.05, reorder: 0.05 });
  const odd = await blast(net, 20, 3);
  t.equal(odd.missing, 0);
  near(odd.copies / odd.sent, 0.05, 'copies');
  // A copy arrives behind its original and may be held back itself; it counts as out of order only behind a later number.
  near(odd.reordered / odd.sent, 0.05 * 1.05 + 0.05 * 0.05, 'out of order');
  t.match((await net.link('wan').stats()).up, { dropped: 0, oversized: 0, refused: 0 });
});

t.test('jitter is normal with its sigma, and keeps the order unless told otherwise', { ...inLong }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const net = await build(lab, [{ name: 'wan', delayMs: { up: 60, down: 5 }, jitterMs: { up: 10, down: 0 } }]);
  await echoFlows(net.server, ports.echo);
  const { p25Ms, p50Ms, p75Ms } = await pingUdp(net.client, core.server4, ports.echo, { intervalMs: 15, count: 400 });
  // By quartiles, which a machine that stands for half a second hardly moves.
  const sigmaMs = (p75Ms - p25Ms) / 1.349;
  t.ok(sigmaMs > 7 && sigmaMs < 13, `sigma ${sigmaMs} ms`);
  t.ok(p50Ms > 60 && p50Ms < 72, `median ${p50Ms} ms`);
  t.equal((await blast(net, 20, 2)).reordered, 0);
  await net.link('wan').set({ keepsOrder: false });
  t.ok((await blast(net, 20, 2)).reordered > 500);
});

t.test('a blackhole swallows one direction silently, a carrier is taken and given back', { ...options }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const net = await build(lab, [
    { name: 'one', rateMbit: 50, delayMs: 10 },
    { name: 'two', rateMbit: 50, delayMs: 20 },
  ]);
  const sink = await UdpSink.start(net.server, ports.sink);
  const sending = sendUdp(net.client, core.server4, ports.sink, { rateMbit: 5, seconds: 4 });
  await sleep(1000);
  await net.link('one').blackhole('down', true);
  await sleep(500);
  await net.link('one').blackhole('down', false);
  await sink.cut();
  await sleep(100);
  const silent = await sink.report();
  t.equal(silent.missing, 0, 'the other direction is whole');
  t.ok(silent.maxGapMs < 100, `longest silence ${silent.maxGapMs} ms`);
  await net.link('one').blackhole('up', true);
  await sleep(500);
  await net.link('one').blackhole('up', false);
  await sending.done;
  await sleep(200);
  await sink.cut();
  const holed = await sink.report();
  t.ok(holed.maxGapMs > 490 && holed.maxGapMs < 600, `silence of ${holed.maxGapMs} ms`);
  t.equal((await net.link('one').stats()).up.swallowed, holed.missing, 'each missing one is counted');
  sink.close();

  const carrier = () => net.client.run('cat', ['/sys/class/net/one/carrier']).trim();
  t.equal(carrier(), '1');
  net.link('one').carrier(false);
  t.equal(carrier(), '0');
  t.equal(
    (await ping(net.client, core.server4, { count: 2, intervalMs: 100 })).received,
    0,
    'bound to the first route',
  );
  net.link('one').carrier(true);
  // The kernel tells its routes and queues of a new carrier up to a second later (net/core/link_watch.c).
  t.ok((await ping(net.client, core.server4, { count: 15, intervalMs: 200 })).received > 0, 'and returns with it');
  const second = net.client.run('ping', ['-q', '-c', '3', '-i', '0.1', '-I', 'two', core.server4]);
  t.match(second, '3 received');
  t.match(second, /= 4\d\./);
});

t.test('one process carries two links of 150 Mbit/s both ways in time', alone, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const net = await build(lab, [
    { name: 'one', rateMbit: 150, delayMs: 10 },
    { name: 'two', rateMbit: 150, delayMs: 10 },
  ]);
  await serveFlows(net.server, ports.tcp);
  const before = await net.stats();
  const startMs = performance.now();
  const [down] = await Promise.all([
    runTcp(net.client, core.server4, ports.tcp, { seconds: 4 }),
    runTcp(net.client, core.server4, ports.tcp, { seconds: 4, direction: 'up' }),
  ]);
  const cpuShare = ((await net.stats()).cpuMs - before.cpuMs) / (performance.now() - startMs);
  t.ok(cpuShare < 0.6, `${(100 * cpuShare).toFixed(0)} % of a core`);
  t.ok(goodputMbit(down, 1, 4) > 40, `${goodputMbit(down, 1, 4).toFixed(0)} Mbit/s down beside up`);
});
