import t from 'tap';
import { flow, flowState, tcpFlag, tuple } from '../../../src/contract/flows.ts';
import { styles } from '../../../src/protocols/faketcp/styles.ts';
import { anyAddress, callPorts, endpointOf, FlowEndpoint, listenPort, type Sent } from '../../support/flow-ends.ts';
import { randomOf } from '../../support/random.ts';

const secondUs = 1e6;
const { ack, fin, psh, rst, syn } = tcpFlag;

function ends(): { a: FlowEndpoint; b: FlowEndpoint } {
  return { a: new FlowEndpoint([10, 0, 0, 1], {}, 5), b: new FlowEndpoint([10, 0, 0, 2], {}, 9) };
}

/** The only segment that was sent since the last look. */
function one(end: FlowEndpoint): Sent {
  const [first, ...more] = end.take();
  if (first === undefined || more.length > 0)
    throw new Error(`${more.length + (first === undefined ? 0 : 1)} segments`);
  return first;
}

/** An open connection from `a` to `b`; its row at both ends. */
function connect({ a, b }: { a: FlowEndpoint; b: FlowEndpoint }, nowUs: number): { atA: number; atB: number } {
  const atA = a.machine.dial(endpointOf(b), anyAddress, nowUs);
  b.hear(one(a), nowUs);
  a.hear(one(b), nowUs);
  const third = one(a);
  b.hear(third, nowUs);
  b.take();
  return { atA, atB: rowAt(b, third) };
}

/** Row at the other end of the connection that a segment is of. */
function rowAt(end: FlowEndpoint, { connection }: Sent): number {
  for (let row = 0; row < end.table.used(); row += 1) {
    const bytes = end.table.slice(row, 0, tuple.bytes);
    const isOpen = end.table.int(row, flow.stateAt) === flowState.open;
    const port = new DataView(connection.buffer, connection.byteOffset).getUint16(tuple.localPortAt, true);
    if (isOpen && (((bytes[2] as number) << 8) | (bytes[3] as number)) === port) return row;
  }
  return -1;
}

function state(end: FlowEndpoint, row: number): number {
  return end.table.int(row, flow.stateAt);
}

/** A segment that somebody made up, as if `sender` had sent it by that connection. */
function forged({ connection, fields }: Sent, change: Partial<Sent['fields']>): Pick<Sent, 'connection' | 'fields'> {
  return { connection, fields: { ...fields, mss: 0, isSackPermitted: false, windowShift: -1, ...change } };
}

t.test('dial() opens a connection as Linux does', (t) => {
  const { a, b } = ends();
  const row = a.machine.dial(endpointOf(b), anyAddress, 5 * secondUs);
  const called = one(a);
  t.match(called.fields, {
    flags: syn,
    window: 64_240,
    mss: 1460,
    isSackPermitted: true,
    windowShift: 10,
    acknowledgement: 0,
  });
  t.equal(called.fields.destinationPort, listenPort);
  t.ok(called.fields.sourcePort >= callPorts.first && called.fields.sourcePort < callPorts.first + callPorts.count);
  t.ok(called.isRouted, 'nobody was heard from there yet');
  t.notOk(b.hear(called, 5.1 * secondUs));
  const answer = one(b);
  t.match(answer.fields, { flags: syn | ack, window: 65_160, mss: 1460, isSackPermitted: true, windowShift: 10 });
  t.equal(answer.fields.echo, called.fields.stamp);
  t.equal(b.table.used(), 0, 'nothing is kept of who only called');
  a.hear(answer, 5.2 * secondUs);
  t.same(a.openedRows, [row]);
  const third = one(a);
  t.match(third.fields, {
    flags: ack,
    sequence: (called.fields.sequence + 1) >>> 0,
    echo: answer.fields.stamp,
    mss: 0,
  });
  t.notOk(third.isRouted);
  b.hear(third, 5.3 * secondUs);
  const atB = rowAt(b, third);
  t.equal(state(b, atB), flowState.open);
  t.equal(b.u32(atB, flow.receiveNextAt), a.u32(row, flow.sendNextAt));
  t.equal(a.u32(row, flow.receiveNextAt), b.u32(atB, flow.sendNextAt));
  t.equal(b.u32(atB, flow.sendWindowAt), 32_767 << 10, 'the window of the third segment, shifted');
  t.equal(a.u32(row, flow.sendWindowAt), 65_160, 'a window of the handshake is not');
  t.match(one(b).fields, { flags: ack, window: 32_767 }, 'so the caller is told another one');
  const areSettled = () => [a, b].map((end, index) => end.table.int([row, atB][index] as number, flow.settledAt));
  t.same(areSettled(), [0, 1], 'it has yet to hear that');
  a.machine.handleTimers(6.3 * secondUs);
  t.same(areSettled(), [1, 1], 'or is told nothing');
  t.same(
    [a, b].map((end, index) => end.table.int([row, atB][index] as number, flow.timestampsAt)),
    [1, 1],
  );
  t.end();
});

t.test('dial() calls four times, and then says that nobody answered', (t) => {
  const { a, b } = ends();
  const row = a.machine.dial(endpointOf(b), anyAddress, 0);
  const sent = [one(a)];
  const times = [0];
  for (let nowUs = 0; nowUs < 20 * secondUs && a.ends.length === 0; nowUs += 100_000) {
    a.machine.handleTimers(nowUs);
    for (const each of a.take()) {
      sent.push(each);
      times.push(nowUs / secondUs);
    }
  }
  t.same(times, [0, 1, 3, 7]);
  t.equal(new Set(sent.map(({ fields }) => fields.sequence)).size, 1);
  t.same(a.ends, [[row, 'no answer']]);
  const next = a.machine.dial(endpointOf(b), anyAddress, 20 * secondUs);
  t.not(one(a).fields.sourcePort, sent[0]?.fields.sourcePort, 'by another port');
  t.not(next, row);
  a.machine.handleTimers(60 * secondUs);
  t.equal(state(a, row), flowState.free);
  t.end();
});

t.test('dial() refuses where it cannot call from, and when all ports are in use', (t) => {
  const { a, b } = ends();
  const nobody = new FlowEndpoint([10, 0, 0, 3], { callPorts: {} });
  t.equal(nobody.machine.dial(endpointOf(b), anyAddress, 0), -1);
  const rows = Array.from({ length: 17 }, () => a.machine.dial(endpointOf(b), anyAddress, 0));
  t.ok(rows.slice(0, 16).every((row) => row >= 0));
  t.equal(rows[16], -1);
  t.ok(a.machine.dial(endpointOf(b, 444), anyAddress, 0) >= 0, 'to another endpoint they are free');
  t.end();
});

t.test('a connection opens by its first data when the third segment was lost', (t) => {
  const { a, b } = ends();
  a.machine.dial(endpointOf(b), anyAddress, 0);
  b.hear(one(a), 0);
  a.hear(one(b), 0);
  const third = one(a);
  const data = forged(third, { flags: ack | psh, sequence: (third.fields.sequence + 1400) >>> 0 });
  t.ok(b.hear(data, 0, 148), 'it is delivered');
  const row = rowAt(b, third);
  t.equal(state(b, row), flowState.open);
  t.equal(b.u32(row, flow.receiveNextAt), (third.fields.sequence + 1400 + 148) >>> 0);
  t.end();
});

t.test('nobody opens a connection who has not received our answer', (t) => {
  const { a, b } = ends();
  a.machine.dial(endpointOf(b), anyAddress, 0);
  const called = one(a);
  b.hear(called, 0);
  const answer = one(b);
  const random = randomOf(3);
  for (let index = 0; index < 5000; index += 1)
    b.hear(forged(called, { flags: ack, acknowledgement: Math.floor(random() * 2 ** 32) }), 0, 100);
  t.equal(b.table.used(), 0);
  const acknowledgement = (answer.fields.sequence + 1) >>> 0;
  b.hear(forged(called, { flags: ack, acknowledgement }), 200 * secondUs);
  t.equal(b.table.used(), 0, 'nor long after it');
  const resets = b.take();
  t.ok(resets.length > 0 && resets.length <= 60, `${resets.length} answers, all of them resets`);
  t.ok(resets.every(({ fields }) => fields.flags === rst));
  const elsewhere = forged(called, { flags: ack, acknowledgement, sourcePort: 4 });
  new DataView(elsewhere.connection.buffer).setUint16(tuple.localPortAt, 4, true);
  b.hear(elsewhere, 0);
  t.equal(b.table.used(), 0, 'nor from another port');
  t.end();
});

t.test('what is only routed through this host is left alone', (t) => {
  const { a, b } = ends();
  a.machine.dial(endpointOf(new FlowEndpoint([10, 0, 0, 9])), anyAddress, 0);
  const called = one(a);
  b.hear(called, 0);
  b.hear(forged(called, { flags: ack }), 0, 10);
  t.same(b.take(), []);
  t.equal(b.asked, 1, 'the kernel is asked once for a burst');
  a.machine.dial(endpointOf(b), anyAddress, 0);
  b.hear(one(a), 1000);
  t.equal(one(b).fields.flags, syn | ack, 'another address is another question');
  t.end();
});

t.test('a reset with a guessed number does nothing, one with the right number must be proven', (t) => {
  const pair = ends();
  const { a, b } = pair;
  const { atA } = connect(pair, 0);
  const sample = { connection: endpointSide(b, a, atA), fields: aRst(a, atA) };
  const random = randomOf(7);
  for (let index = 0; index < 3000; index += 1)
    a.hear({ ...sample, fields: { ...sample.fields, sequence: Math.floor(random() * 2 ** 32) } }, secondUs);
  a.machine.handleTimers(3 * secondUs);
  t.equal(state(a, atA), flowState.open);
  t.ok(a.take().length <= 2, 'few of them are answered');
  // Somebody on the way knows the number; the other end lives, and says something.
  a.hear(sample, 4 * secondUs);
  t.match(one(a).fields, { flags: ack }, 'the other end is asked');
  a.receiveData(atA, 100, 4.1 * secondUs);
  for (let nowUs = 4.1 * secondUs; nowUs < 6 * secondUs; nowUs += 50_000) a.machine.handleTimers(nowUs);
  t.equal(state(a, atA), flowState.open);
  // It does not live.
  a.hear({ ...sample, fields: aRst(a, atA) }, 10 * secondUs);
  a.machine.handleTimers(10.2 * secondUs);
  t.equal(state(a, atA), flowState.open);
  a.machine.handleTimers(10.4 * secondUs);
  t.equal(state(a, atA), flowState.closed);
  t.same(a.ends, [[atA, 'reset']]);
  t.end();
});

function endpointSide(from: FlowEndpoint, to: FlowEndpoint, row: number): Uint8Array {
  const connection = new Uint8Array(tuple.bytes);
  const ours = to.table.slice(row, 0, tuple.bytes);
  connection.set(endpointOf(to, new DataView(ours.slice().buffer).getUint16(tuple.localPortAt, true)).subarray(0, 32));
  connection.set(from.address, tuple.localAt);
  new DataView(connection.buffer).setUint16(tuple.localPortAt, listenPort, true);
  return connection;
}

function aRst(to: FlowEndpoint, row: number): Sent['fields'] {
  const ours = new DataView(to.table.slice(row, 0, tuple.bytes).slice().buffer).getUint16(tuple.localPortAt, true);
  const ports = { sourcePort: listenPort, destinationPort: ours };
  const nothing = { mss: 0, isSackPermitted: false, windowShift: -1, stamp: undefined, echo: 0, window: 0 };
  return { ...ports, ...nothing, flags: rst, sequence: to.u32(row, flow.receiveNextAt), acknowledgement: 0 };
}

t.test('data with guessed numbers is handed on unbelieved, and moves nothing', (t) => {
  const pair = ends();
  const { a, b } = pair;
  const { atA } = connect(pair, 0);
  const before = [flow.receiveNextAt, flow.sendUnacknowledgedAt].map((column) => a.u32(atA, column));
  const random = randomOf(11);
  for (let index = 0; index < 3000; index += 1) {
    const fields = { ...aRst(a, atA), flags: ack, sequence: random() * 2 ** 32, acknowledgement: random() * 2 ** 32 };
    a.hear({ connection: endpointSide(b, a, atA), fields }, secondUs, 500);
  }
  t.same(
    [flow.receiveNextAt, flow.sendUnacknowledgedAt].map((column) => a.u32(atA, column)),
    before,
  );
  t.ok(a.take().length <= 60);
  // The addon takes what lies in both windows: the numbers come back to what the other end sends.
  const next = a.u32(atA, flow.receiveNextAt);
  a.receiveData(atA, 30_000_000, 2 * secondUs);
  for (let nowUs = 2 * secondUs; nowUs < 8 * secondUs; nowUs += 100_000) {
    a.table.setNumber(atA, flow.receivedUsAt, nowUs);
    const recent = a.u32(atA, flow.recentNextAt);
    if (((next + 500) | 0) - (recent | 0) > 0) a.table.setInt(atA, flow.recentNextAt, (next + 500) | 0);
    a.machine.handleTimers(nowUs);
  }
  t.equal(a.u32(atA, flow.receiveNextAt), (next + 500) >>> 0);
  t.end();
});

t.test('a connection ends in order, and its row is free a minute later', (t) => {
  const pair = ends();
  const { a, b } = pair;
  const { atA, atB } = connect(pair, 0);
  for (let nowUs = 0; nowUs < 700 * secondUs && b.ends.length === 0; nowUs += secondUs) b.machine.handleTimers(nowUs);
  t.same(b.ends, [[atB, 'silent']], 'one that was never answered');
  const last = b.take().at(-1) as Sent;
  t.equal(last.fields.flags, fin | ack);
  const endUs = 30 * secondUs;
  a.hear(last, endUs);
  t.match(one(a).fields, { flags: fin | ack, acknowledgement: (last.fields.sequence + 1) >>> 0 });
  t.same(a.ends, [[atA, 'closed']]);
  a.hear(last, endUs);
  t.same(a.take(), [], 'said again, it has no second answer');
  const data = { ...last, fields: { ...last.fields, flags: ack } };
  a.hear(data, endUs, 100);
  t.match(one(a).fields, { flags: rst }, 'data that comes later is told that all is over');
  a.machine.handleTimers(endUs + 59 * secondUs);
  t.equal(state(a, atA), flowState.closed);
  a.machine.handleTimers(endUs + 61 * secondUs);
  t.equal(state(a, atA), flowState.free);
  t.end();
});

t.test('who calls again by the same ports is let in once he has heard us, and not before', (t) => {
  const pair = ends();
  const { b } = pair;
  const { atB } = connect(pair, 0);
  b.sendData(atB, 100, 0);
  // The same host, started anew: it happens to take the same port.
  const again = new FlowEndpoint([10, 0, 0, 1], {}, 5);
  again.machine.dial(endpointOf(b), anyAddress, secondUs);
  const called = one(again);
  b.hear(forged(called, { sequence: 77, flags: syn, windowShift: 10 }), secondUs);
  t.equal(state(b, atB), flowState.open, 'a SYN that anybody may have forged disturbs nothing');
  t.match(one(b).fields, { flags: syn | ack, acknowledgement: 78 });
  b.hear(called, secondUs);
  again.hear(one(b), secondUs);
  const third = one(again);
  const data = forged(third, { sequence: (third.fields.sequence + 2 ** 31) >>> 0 });
  t.ok(b.hear(data, secondUs, 100));
  const now = rowAt(b, third);
  t.equal(b.u32(now, flow.receiveNextAt), (data.fields.sequence + 100) >>> 0);
  t.end();
});

t.test('those that nobody knows have 1024 rows among them', (t) => {
  const b = new FlowEndpoint([10, 0, 0, 2]);
  const a = new FlowEndpoint([10, 0, 0, 1], { callPorts: { 2: { first: 20_000, count: 3000 } } });
  let known = -1;
  for (let index = 0; index < 1500; index += 1) {
    const { atB } = connect({ a, b }, secondUs);
    if (index !== 5) continue;
    known = atB;
    b.sendData(atB, 148, secondUs);
  }
  const open = Array.from({ length: b.table.used() }, (_, row) => state(b, row)).filter(
    (one) => one === flowState.open,
  );
  t.ok(open.length <= 1025, `${open.length} open`);
  t.equal(state(b, known), flowState.open, 'who was answered stays');
  t.end();
});

t.test('however many of them come, the next caller finds a row', (t) => {
  const b = new FlowEndpoint([10, 0, 0, 2]);
  for (let host = 0; host < 5; host += 1) {
    const a = new FlowEndpoint([10, 0, 1, host], { callPorts: { 2: { first: 20_000 + 1000 * host, count: 1000 } } });
    for (let index = 0; index < 1000; index += 1) connect({ a, b }, secondUs);
  }
  t.ok(connect({ a: new FlowEndpoint([10, 0, 0, 1]), b }, secondUs).atB >= 0);
  t.end();
});

t.test('who only talks and is never answered goes after 20 s', (t) => {
  const pair = ends();
  const { b } = pair;
  const { atB } = connect(pair, 0);
  for (let now = 1; now < 25; now += 1) {
    if (state(b, atB) === flowState.open) b.receiveData(atB, 1, now * secondUs);
    b.machine.handleTimers(now * secondUs);
  }
  t.equal(state(b, atB), flowState.free);
  t.end();
});

t.test('a machine that goes on with a table forgets the ports that are no longer ours', (t) => {
  const pair = ends();
  const { a } = pair;
  const { atA } = connect(pair, 0);
  a.table.setInt(atA, flow.touchedAt, 1);
  a.restart();
  t.equal(state(a, atA), flowState.open);
  t.equal(a.table.int(atA, flow.touchedAt), 0, 'what was half done is done again');
  a.restart({ callPorts: { 2: { first: 50_000, count: 16 } } });
  t.equal(state(a, atA), flowState.free);
  t.end();
});

t.test('what comes to a port that we call from and is of no connection is left alone', (t) => {
  const { a, b } = ends();
  a.machine.dial(endpointOf(b), anyAddress, 0);
  b.hear(one(a), 0);
  const stranger = new FlowEndpoint([10, 0, 0, 1], {}, 6);
  stranger.hear(forged(one(b), { flags: ack }), secondUs, 10);
  t.same(stranger.take(), [], 'somebody behind this router may be meant');
  t.end();
});

t.test('what came is acknowledged as Linux does it, or as phantun does', (t) => {
  const pair = ends();
  const { a } = pair;
  const { atA } = connect(pair, 0);
  a.receiveData(atA, 1400, secondUs);
  t.same(a.take(), []);
  a.machine.handleTimers(1.03 * secondUs);
  t.same(a.take(), []);
  a.machine.handleTimers(1.041 * secondUs);
  t.match(one(a).fields, { flags: ack, acknowledgement: a.u32(atA, flow.receiveNextAt) });
  a.receiveData(atA, 1400, 1.05 * secondUs);
  a.receiveData(atA, 64_000, 1.051 * secondUs, 45);
  t.same(a.take(), [], 'what goes the other way may say it');
  a.machine.handleTimers(1.0521 * secondUs);
  t.match(one(a).fields, { flags: ack, acknowledgement: a.u32(atA, flow.receiveNextAt), window: 32_767 });
  a.receiveData(atA, 64_000, 1.06 * secondUs, 45);
  a.sendData(atA, 100, 1.0605 * secondUs);
  a.machine.handleTimers(1.0611 * secondUs);
  t.same(a.take(), [], 'it has said it');
  a.receiveData(atA, 2 << 20, 1.07 * secondUs, 1500);
  t.match(one(a).fields, { flags: ack, acknowledgement: a.u32(atA, flow.receiveNextAt) });
  const quiet = {
    a: new FlowEndpoint([10, 0, 0, 1], { style: styles.phantun }),
    b: new FlowEndpoint([10, 0, 0, 2], { style: styles.phantun }),
  };
  const rows = connect(quiet, 0);
  t.equal(quiet.a.u32(rows.atA, flow.sendNextAt), 1, "phantun's server takes no other number");
  quiet.a.receiveData(rows.atA, 127 << 20, secondUs, 90_000);
  quiet.a.machine.handleTimers(1.9 * secondUs);
  t.same(quiet.a.take(), []);
  quiet.a.receiveData(rows.atA, 1 << 20, 1.9 * secondUs, 700);
  t.match(one(quiet.a).fields, { flags: ack, stamp: undefined, window: 65_535 });
  t.end();
});

t.test(
  'what has no answer is called for anew by another port, and the old connection goes when the new one is there',
  (t) => {
    const pair = ends();
    const { a, b } = pair;
    const { atA } = connect(pair, 0);
    const calls: Sent[] = [];
    let nowUs = secondUs;
    for (; nowUs < 20 * secondUs && calls.length === 0; nowUs += 100_000) {
      a.sendData(atA, 100, nowUs);
      a.machine.handleTimers(nowUs);
      calls.push(...a.take().filter(({ fields }) => fields.flags === syn));
    }
    const [called] = calls;
    if (called === undefined) throw new Error('nobody was called');
    t.ok(nowUs <= 7 * secondUs, `after ${nowUs / secondUs} s`);
    t.equal(state(a, atA), flowState.open, 'data goes on by the old one meanwhile');
    b.hear(called, nowUs);
    a.hear(one(b), nowUs);
    t.match(one(a).fields, { flags: ack, sourcePort: called.fields.sourcePort });
    t.equal(a.table.int(atA, flow.settledAt), 0, 'and nothing leaves by the old one any more');
    a.machine.handleTimers(nowUs + 2 * secondUs);
    t.ok(a.machine.isOpen(atA), 'what is on its way by the old one comes');
    t.equal(a.table.int(atA, flow.settledAt), 0);
    a.take();
    a.machine.handleTimers(nowUs + 5 * secondUs);
    t.ok(a.take().some(({ fields, row }) => row === atA && fields.flags === (fin | ack)));
    t.same(a.ends, [[atA, 'replaced']]);
    t.end();
  },
);

t.test('a connection by which more is sent than answered is not replaced while answers come', (t) => {
  const pair = ends();
  const { a } = pair;
  const { atA } = connect(pair, 0);
  for (let nowUs = secondUs; nowUs < 60 * secondUs; nowUs += 10_000) {
    if (nowUs % 500_000 === 0) {
      a.receiveData(atA, 100, nowUs - 5_000);
      a.table.setInt(atA, flow.sendUnacknowledgedAt, a.u32(atA, flow.sendNextAt) - 1_000);
    }
    a.sendData(atA, 1_000, nowUs);
    a.machine.handleTimers(nowUs);
    if (a.take().some(({ fields }) => fields.flags === syn)) {
      t.fail(`another one is called for after ${nowUs / secondUs} s`);
      break;
    }
  }
  t.same(a.ends, []);
  t.end();
});

t.test('a connection by which nothing of ours arrives is replaced, though the other end goes on talking', (t) => {
  for (const everyUs of [200_000, secondUs]) {
    const pair = ends();
    const { a } = pair;
    const { atA } = connect(pair, 0);
    let calledUs = 0;
    for (let nowUs = secondUs; nowUs < 60 * secondUs && calledUs === 0; nowUs += 10_000) {
      if (nowUs % everyUs === 130_000) a.receiveData(atA, 100, nowUs);
      if (nowUs % 200_000 === 50_000 || nowUs % everyUs === 140_000) a.sendData(atA, 100, nowUs);
      a.machine.handleTimers(nowUs);
      if (a.take().some(({ fields }) => fields.flags === syn)) calledUs = nowUs;
    }
    t.ok(calledUs > 0 && calledUs < 10 * secondUs, `asked each ${everyUs} us: after ${calledUs / secondUs} s`);
  }
  t.end();
});

t.test('a connection of age is replaced by one from another port, and no sooner', (t) => {
  const pair = {
    a: new FlowEndpoint([10, 0, 0, 1], { rotateUs: 60 * secondUs }, 5),
    b: new FlowEndpoint([10, 0, 0, 2], { rotateUs: 60 * secondUs }, 9),
  };
  const { a, b } = pair;
  const { atA, atB } = connect(pair, 0);
  const calls: Sent[] = [];
  let nowUs = 0;
  for (; nowUs < 70 * secondUs && calls.length === 0; nowUs += 100_000) {
    // Both talk and are answered.
    for (const [end, row] of [[a, atA] as const, [b, atB] as const]) {
      end.sendData(row, 100, nowUs);
      end.receiveData(row, 100, nowUs);
      end.machine.handleTimers(nowUs);
    }
    calls.push(...a.take().filter(({ fields }) => fields.flags === syn));
    t.notOk(
      b.take().some(({ fields }) => fields.flags === syn),
      'who was called calls nobody',
    );
  }
  t.ok(nowUs >= 60 * secondUs && nowUs < 63 * secondUs, `after ${nowUs / secondUs} s`);
  const [called] = calls;
  if (called === undefined) throw new Error('nobody was called');
  b.hear(called, nowUs);
  a.hear(one(b), nowUs);
  b.hear(one(a), nowUs);
  t.ok(a.machine.isOpen(atA));
  t.equal(a.table.int(atA, flow.settledAt), 1, 'it sends until the new one has said its window');
  t.equal(a.openedRows.length, 2);
  for (const endUs = nowUs + 5 * secondUs; nowUs < endUs; nowUs += 100_000) a.machine.handleTimers(nowUs);
  t.same(a.ends, [[atA, 'replaced']]);
  t.equal(a.take().filter(({ fields }) => fields.flags === syn).length, 0, 'once');
  t.end();
});

t.test('an idle connection is asked after a minute', (t) => {
  const pair = ends();
  const { a } = pair;
  const { atA } = connect(pair, 0);
  const asked: Sent[] = [];
  let nowUs = 0;
  for (; asked.length === 0 && nowUs < 100 * secondUs; nowUs += secondUs) {
    a.machine.handleTimers(nowUs);
    asked.push(...a.take());
  }
  t.match(asked[0]?.fields, { flags: ack, sequence: (a.u32(atA, flow.sendNextAt) - 1) >>> 0 });
  t.ok(nowUs >= 60 * secondUs && nowUs <= 63 * secondUs);
  t.end();
});

t.test('who has the table goes on with its connections', (t) => {
  const pair = ends();
  const { a } = pair;
  const { atA } = connect(pair, 0);
  const calling = a.machine.dial(endpointOf(new FlowEndpoint([10, 0, 0, 8])), anyAddress, 0);
  a.take();
  a.restart();
  a.machine.handleTimers(1.1 * secondUs);
  t.match(one(a).fields, { flags: syn });
  a.receiveData(atA, 3000, 2 * secondUs, 2);
  a.machine.handleTimers(2.0011 * secondUs);
  t.match(one(a).fields, { flags: ack });
  t.ok(a.machine.isOpen(atA) && !a.machine.isOpen(calling));
  t.end();
});

t.test('handshakes over a wire that loses, repeats and reorders end open at both ends, with the same numbers', (t) => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = randomOf(seed);
    const [a, b] = [new FlowEndpoint([10, 0, 0, 1], {}, seed), new FlowEndpoint([10, 0, 0, 2], {}, seed + 7)];
    let row = a.machine.dial(endpointOf(b), anyAddress, 0);
    const wire: { at: number; to: FlowEndpoint; sent: Sent }[] = [];
    for (let nowUs = 0; nowUs < 120 * secondUs && a.openedRows.length === 0; nowUs += 20_000) {
      for (const [from, to] of [[a, b] as const, [b, a] as const]) {
        for (const sent of from.take()) {
          for (let copy = 0; copy < 2; copy += 1)
            if (random() < 0.6) wire.push({ at: nowUs + random() * 400_000, to, sent });
        }
      }
      for (const { to, sent } of wire.filter(({ at }) => at <= nowUs)) to.hear(sent, nowUs);
      wire.splice(0, wire.length, ...wire.filter(({ at }) => at > nowUs));
      for (const end of [a, b]) end.machine.handleTimers(nowUs);
      if (state(a, row) === flowState.closed) row = a.machine.dial(endpointOf(b), anyAddress, nowUs);
    }
    const [opened] = a.openedRows;
    if (opened === undefined) throw new Error(`seed ${seed} never opened`);
    const last = a.take().find(({ fields }) => fields.flags === ack) as Sent;
    b.hear({ ...last, fields: { ...last.fields, flags: ack | psh } }, 0, 10);
    const atB = rowAt(b, last);
    if (atB < 0 || a.u32(opened, flow.receiveNextAt) !== b.u32(atB, flow.sendNextAt)) t.fail(`seed ${seed}`);
  }
  t.pass('all of them');
  t.end();
});

t.test('a window that nobody acknowledges any more does not stay full for ever', (t) => {
  const pair = ends();
  const { a, b } = pair;
  const { atA } = connect(pair, 0);
  a.table.setInt(atA, flow.sendWindowAt, 32 << 20);
  const first = a.u32(atA, flow.sendNextAt);
  a.sendData(atA, 30 << 20, 0);
  const most = a.u32(atA, flow.sendNextAt);
  // The other end speaks, and has none of it.
  for (let nowUs = 0; nowUs < 4 * secondUs; nowUs += 100_000) {
    a.table.setNumber(atA, flow.receivedUsAt, nowUs);
    a.machine.handleTimers(nowUs);
  }
  t.equal(a.u32(atA, flow.sendNextAt), first, 'its numbers are used again');
  t.equal(a.u32(atA, flow.sendMostAt), most);
  a.take();
  const late = { ...aRst(a, atA), flags: fin | ack, acknowledgement: most };
  a.hear({ connection: endpointSide(b, a, atA), fields: late }, 4 * secondUs);
  t.same(a.ends, [[atA, 'closed']], 'who acknowledges the old ones is believed');
  t.end();
});

t.test('each connection answers what is doubtful by itself, so that nobody counts what others are answered', (t) => {
  const pair = ends();
  const { a, b } = pair;
  const [one, other] = [connect(pair, 0).atA, connect(pair, 0).atA];
  const doubt = (row: number, nowUs: number): void => {
    const fields = { ...aRst(a, row), flags: syn };
    a.hear({ connection: endpointSide(b, a, row), fields }, nowUs);
  };
  for (let index = 0; index < 500; index += 1) doubt(one, secondUs + index);
  t.equal(a.take().length, 1, 'at most twice a second');
  doubt(other, secondUs + 1000);
  t.equal(a.take().length, 1);
  doubt(one, 1.6 * secondUs);
  t.equal(a.take().length, 1);
  t.end();
});

t.test('the third segment, once more, begins nothing anew', (t) => {
  const pair = ends();
  const { a, b } = pair;
  a.machine.dial(endpointOf(b), anyAddress, 0);
  b.hear(one(a), 0);
  a.hear(one(b), 0);
  const third = one(a);
  b.hear(third, 0);
  const row = rowAt(b, third);
  b.sendData(row, 5000, 0);
  b.receiveData(row, 9000, 0, 2);
  b.take();
  const numbers = (): number[] => [flow.sendNextAt, flow.receiveNextAt].map((column) => b.u32(row, column));
  const before = numbers();
  t.notOk(b.hear(third, secondUs));
  t.same(numbers(), before);
  t.end();
});

t.test('an acknowledgement that does not leave is still owed', (t) => {
  const pair = ends();
  const { a } = pair;
  const { atA } = connect(pair, 0);
  a.isShut = true;
  a.receiveData(atA, 2 << 20, secondUs, 1500);
  t.equal(a.table.int(atA, flow.owedSegmentsAt), 1500);
  a.isShut = false;
  a.receiveData(atA, 1500, secondUs);
  t.match(one(a).fields, { flags: ack });
  t.equal(a.table.int(atA, flow.owedSegmentsAt), 0);
  t.end();
});

t.test('segments of any kind, in any order, are survived, and an honest connection with them', (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = randomOf(seed);
    const pair = ends();
    const { a, b } = pair;
    const { atA, atB } = connect(pair, secondUs);
    const number = (): number => Math.floor(random() * 2 ** 32);
    for (let index = 0; index < 1000; index += 1) {
      const nowUs = secondUs + index * 5_000;
      const [to, row] = random() < 0.5 ? ([a, atA] as const) : ([b, atB] as const);
      const honest = aRst(to, row);
      const from = to === a ? b : a;
      const connection = Uint8Array.from(endpointSide(from, to, row));
      // Half of them by the honest connection, of which nobody knows the numbers.
      if (random() < 0.5) new DataView(connection.buffer).setUint16(tuple.localPortAt, number() & 0xffff, true);
      const port = new DataView(connection.buffer).getUint16(tuple.localPortAt, true);
      const fields = {
        ...honest,
        sourcePort: port,
        flags: number() & 63,
        sequence: number(),
        acknowledgement: number(),
        window: number() & 0xffff,
        mss: random() < 0.3 ? 1460 : 0,
        isSackPermitted: random() < 0.3,
        windowShift: random() < 0.3 ? 14 : -1,
        stamp: random() < 0.5 ? number() : undefined,
      };
      to.hear({ connection, fields }, nowUs, random() < 0.5 ? 500 : 0);
      a.receiveData(atA, 10, nowUs);
      b.receiveData(atB, 10, nowUs);
      b.sendData(atB, 10, nowUs);
      for (const end of [a, b]) end.machine.handleTimers(nowUs);
    }
    t.ok(a.machine.isOpen(atA) && b.machine.isOpen(atB), `seed ${seed}`);
    t.ok(a.table.used() < 50 && b.table.used() < 50, 'and nothing is kept of them');
  }
  t.end();
});
