/** The laboratory itself: hosts reach each other, rates hold, and nothing is left behind, whatever ends its owner. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { Lab, limitRate, runCommand, skipReason } from '../support/netns.ts';
import { echoUdp, ping, probe, pull, push, serveTcp } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };

t.test('join() connects two hosts through a router that limits the rate', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [a, router, b] = [lab.host('a'), lab.host('router'), lab.host('b')];
  lab.join(a, router, {
    addresses: [
      ['10.1.0.1/24', 'fd01::1/64'],
      ['10.1.0.2/24', 'fd01::2/64'],
    ],
  });
  const [egress] = lab.join(router, b, {
    addresses: [
      ['10.2.0.2/24', 'fd02::2/64'],
      ['10.2.0.1/24', 'fd02::1/64'],
    ],
  });
  router.forward();
  a.ip('route add default via 10.1.0.2');
  b.ip('route add default via 10.2.0.2');
  t.match(await ping(a, '10.2.0.1'), { sent: 5, received: 5 });
  await serveTcp(b, 7000);
  await echoUdp(b, 7001);
  t.match(await pull(a, '10.2.0.1', 7000, 50e6), { bytes: 50e6, isIntact: true });
  t.match(await push(a, 'fd01::2', 7000, 0).catch((error: Error) => error.message), /ECONNREFUSED/);
  limitRate(egress, { rateMbit: 50 });
  const limited = await push(a, '10.2.0.1', 7000, 10e6);
  t.ok(limited.isIntact);
  const rateMbit = (10e6 * 8) / 1e3 / limited.ms;
  t.ok(rateMbit > 25 && rateMbit < 55, `${rateMbit.toFixed(1)} Mbit/s through a bucket of 50`);
  const quiet = await probe(a, '10.2.0.1', 7001, { intervalMs: 5, seconds: 1 });
  t.equal(quiet.received, quiet.sent);
  t.ok(quiet.maxGapMs < 200, `longest gap ${quiet.maxGapMs.toFixed(1)} ms`);
});

t.test('a new Lab removes what a killed owner left, and an interrupted one cleans up itself', options, async (t) => {
  const support = path.join(import.meta.dirname, '../support/netns.js');
  const script = `import { Lab } from '${support}'; const lab = new Lab(); const host = lab.host('left');
    host.spawn('sleep', ['1000'], { stdio: 'ignore' }); console.log(host.namespace); setInterval(() => {}, 1000);`;
  const startOwner = async () => {
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    return { owner, namespace: line.toString().trim() };
  };
  const namespaces = () => runCommand('ip', ['netns', 'list']);

  const killed = await startOwner();
  killed.owner.kill('SIGKILL');
  await once(killed.owner, 'exit');
  t.match(namespaces(), killed.namespace);
  const interrupted = await startOwner();
  t.notMatch(namespaces(), killed.namespace);
  t.match(namespaces(), interrupted.namespace);
  const lab = new Lab();
  await lab.close();
  t.match(namespaces(), interrupted.namespace, 'what a living owner holds stays');
  interrupted.owner.kill('SIGINT');
  const [code] = await once(interrupted.owner, 'exit');
  t.equal(code, 130);
  t.notMatch(namespaces(), interrupted.namespace);
});
