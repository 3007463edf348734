/** Forged and replayed packets on the port: not one byte is answered, nobody's endpoint moves, and traffic goes on. */
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import t from 'tap';
import { Daemon, sameMomentMs } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { inside, port } from '../support/pair.ts';
import { ping, pull, serveTcp } from '../support/traffic.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(900_000);
const program = path.join(import.meta.dirname, '../support/attacker-program.js');
const floodCount = 20_000;

interface Outcome {
  readonly event: string;
  readonly answers: number;
  readonly answeredBytes: number;
  readonly kept: number;
}

/** a — m — b: the attacker sits on m, and a believes that b is there. */
async function build(lab: Lab) {
  const [a, m, b] = [lab.host('a'), lab.host('m'), lab.host('b')];
  lab.join(a, m, { addresses: [['10.1.0.1/24'], ['10.1.0.2/24']] });
  lab.join(m, b, { addresses: [['10.2.0.2/24'], ['10.2.0.1/24']] });
  const attacker = m.spawn(process.execPath, [program, String(port), '10.2.0.1', String(port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { stdin, stdout } = attacker;
  if (stdin === null || stdout === null) throw new Error('attacker without pipes');
  const lines = readline.createInterface({ input: stdout })[Symbol.asyncIterator]();
  await lines.next();
  const attack = async (kind: 'forge' | 'replay', count: number) => {
    stdin.write(`${kind} ${count}\n`);
    const { value } = await lines.next();
    return JSON.parse(String(value)) as Outcome;
  };
  const [keysA, keysB] = [generateKeys(), generateKeys()];
  const daemonB = new Daemon(lab, b, {
    keys: keysB,
    addresses: [`${inside.b4}/24`],
    port,
    peers: [{ name: 'a', publicKey: keysA.publicKey, allowedIPs: [`${inside.a4}/32`] }],
  });
  const endpoints = [`10.1.0.2:${port}`];
  const daemonA = new Daemon(lab, a, {
    keys: keysA,
    addresses: [`${inside.a4}/24`],
    peers: [{ name: 'b', publicKey: keysB.publicKey, allowedIPs: [`${inside.b4}/32`], endpoints }],
  });
  await daemonB.start();
  await daemonA.start();
  return { a, b, attack, daemonA, daemonB };
}

t.test('a flood of forged and replayed packets is met with silence', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const { a, b, attack, daemonA, daemonB } = await build(lab);
  const first = await ping(a, inside.b4, { count: 10, intervalMs: 100 });
  t.ok(first.received > 0, `${first.received} pings through the relay`);
  const before = (await daemonB.peers())[0];
  const handshakeAtMs = await daemonB.handshakeAtMs();

  const forged = await attack('forge', floodCount);
  t.match(forged, { answers: 0, answeredBytes: 0 }, 'forged packets');
  const replayed = await attack('replay', floodCount);
  t.ok(replayed.kept > 5, `${replayed.kept} genuine packets to replay`);
  // A true initiation that comes again under load may be answered by a cookie of 64 bytes, less than it brought (section 5.3).
  t.equal(replayed.answeredBytes % 64, 0);
  // Of what was kept one is an initiation, or two where keys were renewed meanwhile.
  t.ok(replayed.answers <= (2 * floodCount) / replayed.kept, `${replayed.answers} cookies`);

  const after = (await daemonB.peers())[0];
  t.equal(after?.endpoint, before?.endpoint, 'the endpoint did not move');
  t.ok(Math.abs((await daemonB.handshakeAtMs()) - handshakeAtMs) < sameMomentMs, 'no handshake');
  t.ok((after?.replayedPackets ?? 0) > (before?.replayedPackets ?? 0), 'replays are counted');
  await serveTcp(b, 7000);
  const flood = attack('forge', floodCount);
  t.match(await pull(a, inside.b4, 7000, 20e6), { isIntact: true }, 'a stream beside the flood');
  t.match(await flood, { answeredBytes: 0 });
  for (const daemon of [daemonA, daemonB]) {
    t.ok(
      (await daemon.actors()).every((actor) => actor.restarts === 0),
      'nothing crashed',
    );
  }
});
