/** A machine that was invited and a hub's session-manager: the question arrives once and from nobody else, and the answer finds the way back. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { EnrolDesk } from '../../src/actors/session/enrol-desk.ts';
import type { Peer } from '../../src/actors/session/peer-book.ts';
import type { EnrolCommand, PeerSettings } from '../../src/actors/session/settings.ts';
import { formatKey, publicKeyOf } from '../../src/config/keys.ts';
import { controlKind } from '../../src/contract/frames.ts';
import { session, slotState } from '../../src/contract/peer-tables.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { Enrolment } from '../../src/protocols/session/enrolment.ts';
import { createSessionMemory, SessionTable } from '../../src/rings/session-table.ts';
import { enrolAsk, enrolRefusal, enrolStatus, enrolStatusOf } from '../../src/wire/enrol-frame.ts';
import { Host, Lab } from '../support/session-lab.ts';

const addon = loadAddon();
const secret = Buffer.alloc(32, 9);
const presharedKey = Buffer.alloc(32, 8);
const hubPrivate = Buffer.alloc(32, 1);

interface Invited {
  readonly lab: Lab;
  readonly hub: Host;
  /** Another machine with the same invitation. */
  machine(address: string, own?: number): Machine;
}

function invited(): PeerSettings {
  const psk = new Uint8Array(32);
  psk.set(presharedKey);
  return {
    row: 0,
    name: 'invite:van',
    publicKey: formatKey(publicKeyOf(secret)),
    presharedKeyFile: undefined,
    presharedKey: psk.buffer,
    mayEnrol: true,
    endpoints: [],
    keepaliveMs: 0,
    cipher: 'chacha20-poly1305',
    limits: { upBps: 0, downBps: 0, priority: 50 },
  };
}

async function invite(t: Test, hasClientStore = true): Promise<Invited> {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const hub = new Host(lab, { name: 'hub', address: '10.0.0.1:51820', privateKey: hubPrivate });
  hub.hasClientStore = hasClientStore;
  await hub.start([invited()]);
  const machines: Machine[] = [];
  lab.lose = ({ to, bytes }) => {
    const found = machines.find(({ address }) => address === to);
    found?.inbox.push(bytes);
    return found !== undefined;
  };
  const machine = (address: string, own = machines.length): Machine => {
    const made = new Machine(lab, hub, address, own);
    machines.push(made);
    return made;
  };
  return { lab, hub, machine };
}

class Machine {
  readonly inbox: Uint8Array[] = [];
  readonly address: string;
  readonly enrolment: Enrolment;
  readonly ownKey: Uint8Array;
  /** How far its clock is behind. */
  behindUs = 0;
  readonly #lab: Lab;
  readonly #hub: Host;

  constructor(lab: Lab, hub: Host, address: string, own: number) {
    this.#lab = lab;
    this.#hub = hub;
    this.address = address;
    this.ownKey = publicKeyOf(Buffer.alloc(32, 40 + own));
    let index = 1000 * own;
    this.enrolment = new Enrolment({
      primitives: addon,
      privateKey: secret,
      presharedKey,
      hubKey: publicKeyOf(hubPrivate),
      ownKey: this.ownKey,
      nextIndex: () => {
        index += 1;
        return index;
      },
    });
  }

  /** Says what it has to say and hears what came, for `seconds`. */
  run(seconds: number): void {
    const untilUs = this.#lab.nowUs + seconds * 1e6;
    while (this.#lab.nowUs < untilUs) {
      const stampUs = 1.8e15 + this.#lab.nowUs - this.behindUs;
      const bytes = this.enrolment.nextMessage(this.#lab.nowUs, stampUs);
      if (bytes !== undefined)
        this.#lab.send({ from: this.address, to: this.#hub.address, bytes: Uint8Array.from(bytes) });
      this.hear();
      this.#lab.clock.advance(20_000);
    }
  }

  hear(): void {
    this.#lab.settle();
    for (const datagram of this.inbox.splice(0)) this.enrolment.handleMessage(datagram, this.#lab.nowUs);
  }
}

const asked = (hub: Host): EnrolCommand[] =>
  hub
    .events('command')
    .map((one) => (one as { command: EnrolCommand }).command)
    .filter(({ kind }) => kind === 'enrol');

function answer(hub: Host, to: EnrolCommand, own: Uint8Array, status: number): void {
  const frame = new Uint8Array(36);
  frame.set(enrolRefusal(own, status));
  hub.command({ kind: 'enrolled', invitation: to.invitation, slot: to.slot, frame: frame.buffer });
}

t.test('the question reaches the store, and its answer the machine', async (t) => {
  const { hub, machine } = await invite(t);
  const van = machine('10.0.0.9:4000');
  van.run(0.3);
  t.equal(van.enrolment.state, 'asking');
  t.match(asked(hub), [{ key: formatKey(van.ownKey), invitation: formatKey(publicKeyOf(secret)) }]);
  van.run(2.2);
  t.equal(asked(hub).length, 3, 'said again each second without an answer');
  answer(hub, asked(hub)[0] as EnrolCommand, van.ownKey, enrolStatus.full);
  van.run(0.1);
  t.equal(van.enrolment.state, 'done');
  t.equal(enrolStatusOf(van.enrolment.answer ?? new Uint8Array(36), 0), enrolStatus.full);
});

t.test('an answer for another key, or under keys that are gone, is none', async (t) => {
  const { hub, machine, lab } = await invite(t);
  const van = machine('10.0.0.9:4000');
  van.run(0.3);
  const [command] = asked(hub);
  if (command === undefined) throw new Error('nothing was asked');
  answer(hub, command, publicKeyOf(Buffer.alloc(32, 99)), enrolStatus.full);
  van.run(0.1);
  t.equal(van.enrolment.state, 'asking');
  const before = lab.sent.length;
  for (const slot of [-1, 11, 1e6]) answer(hub, { ...command, slot }, van.ownKey, enrolStatus.full);
  answer(hub, { ...command, invitation: formatKey(publicKeyOf(Buffer.alloc(32, 50))) }, van.ownKey, enrolStatus.full);
  lab.settle();
  t.equal(lab.sent.length, before, 'nothing leaves');
});

t.test('two machines with one invitation and clocks of their own are both heard; replays are not', async (t) => {
  const { hub, machine, lab } = await invite(t);
  const [van, bus] = [machine('10.0.0.8:4000'), machine('10.0.0.9:4000')];
  bus.behindUs = 50 * 365 * 86_400e6;
  van.run(0.3);
  bus.run(0.3);
  t.same([van.enrolment.state, bus.enrolment.state], ['asking', 'asking']);
  t.same(
    asked(hub).map(({ key }) => key),
    [formatKey(van.ownKey), formatKey(bus.ownKey)],
  );
  const slots = new Set(asked(hub).map(({ slot }) => slot));
  t.equal(slots.size, 2);
  const call = lab.sent.find(({ bytes }) => bytes.length === 148);
  if (call === undefined) throw new Error('nobody called');
  lab.run(1);
  const before = lab.sent.length;
  lab.send({ ...call });
  lab.settle();
  t.equal(lab.sent.length, before + 1, 'a replay is met with silence');
});

t.test('a hub under load wants to see a cookie, and the next call shows it', async (t) => {
  const { machine, lab } = await invite(t);
  const [early, van] = [machine('10.0.0.8:4000'), machine('10.0.0.9:4000')];
  early.run(0.1);
  const call = lab.sent.find(({ bytes }) => bytes.length === 148);
  if (call === undefined) throw new Error('nobody called');
  // Replays: they have a good mac1, and lead to nothing.
  for (let copy = 0; copy < 200; copy += 1) lab.send({ ...call, from: '10.6.6.6:1' });
  lab.settle();
  van.run(0.02);
  t.equal(lab.sent.filter(({ to, bytes }) => to === van.address && bytes.length === 64).length, 1, 'a cookie');
  van.run(0.02);
  t.equal(lab.sent.filter(({ from, bytes }) => from === van.address && bytes.length === 148).length, 2, 'at once');
  // Under load X25519 is done by other threads: virtual time waits for them.
  for (let wait = 0; wait < 600 && van.enrolment.state === 'calling'; wait += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    van.hear();
  }
  t.equal(van.enrolment.state, 'greeting');
});

t.test('an answer is sealed under keys of that invitation alone', async (t) => {
  const sessions = new SessionTable(createSessionMemory(4, 256));
  let sent = 0;
  const peer = { row: 1 } as unknown as Peer;
  const desk = new EnrolDesk({
    context: { emit: () => undefined },
    sessions,
    peers: { ofKey: () => peer },
    outbox: {
      sendFrame: () => {
        sent += 1;
        return true;
      },
    },
  });
  const command = { kind: 'enrolled', invitation: 'x', slot: 0, frame: new ArrayBuffer(36) } as const;
  sessions.setInt(0, session.peerAt, 0);
  sessions.setInt(0, session.stateAt, slotState.ready);
  desk.handleAnswer(command);
  t.equal(sent, 0, 'the keys are those of another peer');
  sessions.setInt(0, session.peerAt, 1);
  desk.handleAnswer(command);
  t.equal(sent, 1);
});

t.test('floods of questions are not passed on', async (t) => {
  const passed: unknown[] = [];
  const desk = new EnrolDesk({
    context: { emit: (event) => passed.push(event) },
    sessions: new SessionTable(createSessionMemory(4, 256)),
    peers: { ofKey: () => undefined },
    outbox: { sendFrame: () => true },
  });
  const peer = { row: 0, settings: { publicKey: 'x', mayEnrol: true } } as unknown as Peer;
  for (let count = 0; count < 1000; count += 1) desk.handleFrame(peer, 0, enrolAsk(Buffer.alloc(32, 5)), count * 1000);
  t.ok(passed.length >= 5 && passed.length <= 8, `${passed.length} in a second`);
});

t.test('a peer that was not invited asks in vain', async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const hub = new Host(lab, { name: 'hub', address: '10.0.0.1:51820', privateKey: hubPrivate });
  const client = new Host(lab, { name: 'client', address: '10.0.0.2:51820', privateKey: Buffer.alloc(32, 2) });
  hub.hasClientStore = true;
  await hub.start([hub.peer(client)]);
  await client.start([client.peer(hub, { endpoints: [{ host: '10.0.0.1', port: 51820 }] })]);
  client.sendData('hello');
  lab.run(1);
  client.sendFrame(enrolAsk(Buffer.alloc(32, 5)));
  lab.run(1);
  t.same(asked(hub), []);
  t.notOk(hub.framesSent.some((frame) => frame[1] === controlKind.enrol));
});

t.test('a hub without a store of clients says that it takes no invitations', async (t) => {
  const { machine } = await invite(t, false);
  const van = machine('10.0.0.9:4000');
  van.run(0.3);
  t.ok(van.enrolment.isTooOld);
});

t.test('a hub that is elsewhere calls nobody who was invited', async (t) => {
  const { hub, machine, lab } = await invite(t);
  machine('10.0.0.9:4000').run(0.3);
  lab.run(600);
  lab.sent.length = 0;
  for (const address of ['10.0.0.1', '10.0.0.7']) {
    const state = { isUp: true, reason: 'x', addresses: [address], routes: undefined };
    hub.command({ kind: 'link-state', link: 'wan', ...state });
    lab.run(2);
  }
  t.same(
    lab.sent.map(({ bytes }) => bytes.length),
    [],
  );
});

t.test('a restarted hub does not call whoever was invited', async (t) => {
  const { hub, machine, lab } = await invite(t);
  const van = machine('10.0.0.9:4000');
  van.run(0.3);
  hub.stop();
  t.notMatch(readFileSync(path.join(lab.folder, 'hub.peers.json'), { encoding: 'utf8', flag: 'a+' }), 'wan');
  lab.sent.length = 0;
  await hub.start([invited()]);
  lab.run(20);
  t.same(
    lab.sent.filter(({ bytes }) => bytes.length === 148),
    [],
  );
});
