/** Who is let in by a plugin: asked before a handshake is answered, closed on everything but a clear yes, and nobody else waits. */
import t, { type Test } from 'tap';
import type { PluginOutcome, PluginQuestion } from '../../src/actors/plugins/questions.ts';
import { patienceMs } from '../../src/actors/session/access-desk.ts';
import { peer as layout, peerRefusal } from '../../src/contract/peer-tables.ts';
import { Host, type Lab, labWithHub } from '../support/session-lab.ts';

t.setTimeout(120_000);

interface Crowd {
  readonly lab: Lab;
  readonly hub: Host;
  readonly anna: Host;
  /** A peer of the file. */
  readonly bert: Host;
}

async function build(t: Test): Promise<Crowd> {
  const { lab, hub } = labWithHub(t, { peerRows: 8, slots: 40 });
  hub.authorise = 'gate';
  const host = (name: string, row: number, address: string): Host =>
    new Host(lab, { name, address, privateKey: Buffer.alloc(32, row + 2) });
  const crowd = { lab, hub, anna: host('anna', 0, '10.7.0.1:1001'), bert: host('bert', 1, '10.7.0.2:1001') };
  await start(crowd);
  for (const client of [crowd.anna, crowd.bert])
    await client.start([client.peer(hub, { endpoints: [{ host: '10.0.0.1', port: 51820 }] })]);
  return crowd;
}

async function start({ hub, anna, bert }: Crowd): Promise<void> {
  await hub.start([
    hub.peer(anna, { row: 0, name: 'anna/phone', isClient: true }),
    hub.peer(bert, { row: 1, name: 'bert' }),
  ]);
}

const asked = ({ hub }: Crowd): PluginQuestion[] =>
  hub
    .events('command')
    .map((one) => (one as { command: PluginQuestion }).command)
    .filter(({ kind }) => kind === 'plugin-question');

const hasSession = ({ hub }: Crowd, row: number): boolean => hub.sendSlot(row) >= 0;
const refusalOf = ({ hub }: Crowd): number => hub.peers.int(0, layout.refusalAt);

function answer({ hub }: Crowd, { id }: PluginQuestion, outcome: PluginOutcome): void {
  hub.command({ kind: 'plugin-answer', id, outcome });
}

const says = (allow: boolean, reason = '', forSeconds = 0): PluginOutcome => ({
  ok: true,
  answer: { allow, reason, forSeconds },
});

function last(crowd: Crowd): PluginQuestion {
  return asked(crowd).at(-1) as PluginQuestion;
}

t.test('a client is asked for, and gets its session with the yes; a peer of the file is not', async (t) => {
  const crowd = await build(t);
  const { lab, anna, bert } = crowd;
  anna.sendData('hello');
  bert.sendData('hello');
  lab.run(0.1);
  bert.sendData('hello');
  lab.run(0.1);
  t.ok(hasSession(crowd, 1), 'nobody waits for a plugin but who is asked for');
  t.notOk(hasSession(crowd, 0));
  t.match(asked(crowd), [
    {
      from: 'session-manager',
      plugin: 'gate',
      hook: 'authorise',
      question: {
        client: 'anna',
        device: 'anna/phone',
        publicKey: anna.publicKey,
        endpoint: '10.7.0.1:1001',
        link: 'wan',
        hasSession: false,
        isCalled: false,
      },
    },
  ]);
  answer(crowd, last(crowd), says(true));
  lab.run(0.1);
  anna.sendData('hello');
  lab.run(0.1);
  t.ok(hasSession(crowd, 0));
  t.equal(refusalOf(crowd), peerRefusal.none);
});

t.test('a no, silence, and a plugin that fails keep it out, each with its reason', async (t) => {
  const crowd = await build(t);
  const { lab, hub, anna } = crowd;
  anna.sendData('hello');
  lab.run(0.05);
  answer(crowd, last(crowd), says(false, 'closed on Sundays'));
  lab.run(0.05);
  t.equal(refusalOf(crowd), peerRefusal.unauthorised);
  t.match(hub.events('handshake-refused'), [{ peer: 'anna/phone', reason: /does not let it in: closed on Sundays/ }]);
  lab.run(6);
  t.equal(asked(crowd).length, 2, 'it calls again, and is asked for again');
  lab.run(patienceMs / 1000);
  t.equal(refusalOf(crowd), peerRefusal.authoriserSilent);
  t.match(hub.events('handshake-refused').at(-1), { reason: /plugin gate did not answer within 500 ms/ });
  answer(crowd, last(crowd), says(true));
  lab.run(0.1);
  t.notOk(hasSession(crowd, 0), 'a yes that comes too late is none');
  lab.run(5.5);
  answer(crowd, last(crowd), { ok: false, isSilent: false, reason: 'plugin gate failed' });
  lab.run(0.1);
  t.notOk(hasSession(crowd, 0));
  answer(crowd, { ...last(crowd), id: 4711 }, says(true));
  lab.run(0.1);
  t.notOk(hasSession(crowd, 0), 'nor is one to a question that was not put');
});

t.test('it is asked for at each handshake, unless a yes was for longer', async (t) => {
  const crowd = await build(t);
  const { lab, hub, anna } = crowd;
  const call = (): void => {
    anna.command({ kind: 'rekey', peer: hub.publicKey });
    lab.run(0.1);
  };
  call();
  answer(crowd, last(crowd), says(true));
  lab.run(10);
  call();
  t.equal(asked(crowd).length, 2);
  t.match(last(crowd).question, { hasSession: true });
  answer(crowd, last(crowd), says(true, '', 600));
  lab.run(10);
  call();
  lab.run(300);
  call();
  t.equal(asked(crowd).length, 2, 'ten minutes');
  lab.run(300);
  call();
  t.equal(asked(crowd).length, 3);
});

t.test('the hub calls no client that was not let in', async (t) => {
  const crowd = await build(t);
  const { lab, hub, anna } = crowd;
  anna.sendData('hello');
  lab.run(0.1);
  answer(crowd, last(crowd), says(true));
  lab.run(0.1);
  anna.sendData('hello');
  lab.run(200);
  const before = asked(crowd).length;
  lab.sent.length = 0;
  hub.command({ kind: 'rekey', peer: anna.publicKey });
  lab.run(0.2);
  t.match(asked(crowd).slice(before), [{ question: { isCalled: true } }]);
  const calls = (): number =>
    lab.sent.filter(({ from, bytes }) => from === '10.0.0.1:51820' && bytes.length === 148).length;
  t.equal(calls(), 0);
  answer(crowd, last(crowd), says(true));
  lab.run(0.2);
  t.equal(calls(), 1);
});

t.test('one that is removed, or whose hub begins anew, while it waits gets no session', async (t) => {
  const crowd = await build(t);
  const { lab, hub, anna, bert } = crowd;
  anna.sendData('hello');
  lab.run(0.05);
  const question = last(crowd);
  hub.command({ kind: 'peers', put: [hub.peer(bert, { row: 1, name: 'bert' })], remove: [0], isAll: false });
  lab.run(0.05);
  answer(crowd, question, says(true));
  lab.run(0.1);
  t.notOk(hasSession(crowd, 0));
  hub.crash();
  await start(crowd);
  answer(crowd, question, says(true));
  lab.run(0.1);
  t.notOk(hasSession(crowd, 0));
});
