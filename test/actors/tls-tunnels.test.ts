/** Calls and connections of TLS: whoever is removed has none, and what waits for a call is sent or refused, and said to be that. */
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { PeerSettings } from '../../src/actors/session/settings.ts';
import { Calls, type Parcel } from '../../src/actors/tls/calls.ts';
import { type Hub, Hubs } from '../../src/actors/tls/hubs.ts';
import type { Tunnel } from '../../src/actors/tls/tunnel.ts';
import { Tunnels } from '../../src/actors/tls/tunnels.ts';
import { generateKeyPair } from '../../src/crypto/x25519.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { namedEndpointEmit } from '../../src/wire/named-endpoint.ts';

const [own, first, second] = [generateKeyPair(), keyText(), keyText()];

function keyText(): string {
  return Buffer.from(generateKeyPair().publicKey).toString('base64');
}

function peer(row: number, publicKey: string, host?: string): PeerSettings {
  const endpoints = host === undefined ? [] : [{ host, port: 443, transport: 'tls' as const }];
  const limits = { upBps: 0, downBps: 0, priority: 50 };
  const rest = { presharedKeyFile: undefined, keepaliveMs: 0, cipher: 'auto', limits } as const;
  return { row, name: `peer${row}`, publicKey, endpoints, ...rest };
}

function place(host: string): Uint8Array {
  const bytes = new Uint8Array(64);
  namedEndpointEmit(bytes, host, 443);
  return bytes;
}

function hubOf(hubs: Hubs, host: string): Hub {
  const hub = hubs.at(place(host));
  if (hub === undefined) throw new Error(`no hub ${host}`);
  return hub;
}

/** A socket whose kernel takes nothing until `drain`. */
class FakeWeb extends EventEmitter {
  readonly stream = { writableLength: 0, destroy: () => undefined };
  readonly #done: (() => void)[] = [];
  isTerminated = false;

  send(data: Uint8Array, _: unknown, done: () => void): void {
    this.stream.writableLength += data.length;
    this.#done.push(done);
  }

  drain(): void {
    this.stream.writableLength = 0;
    for (const done of this.#done.splice(0)) done();
  }

  terminate(): void {
    this.isTerminated = true;
  }
}

function bench() {
  const heard: Tunnel[] = [];
  const room: Tunnel[] = [];
  const ended: Tunnel[] = [];
  const tunnels = new Tunnels({
    onMessage: (tunnel) => heard.push(tunnel),
    onRoom: (tunnel) => room.push(tunnel),
    onEnd: (tunnel) => ended.push(tunnel),
  });
  const openFrom = (host: string, publicKey: string): FakeWeb => {
    const web = new FakeWeb();
    tunnels.openFrom(place(host), publicKey, { web, stream: web.stream });
    return web;
  };
  return { tunnels, openFrom, heard, room, ended };
}

t.test('who is removed, and who is another one, is cut off; the others stay', async (t) => {
  const { tunnels, openFrom, heard, ended } = bench();
  const hubs = new Hubs([peer(1, first, 'hub'), peer(2, second, 'other')]);
  const callers = [openFrom('a', first), openFrom('b', first), openFrom('c', second)];
  const called = ['hub', 'other'].map((host) => {
    const web = new FakeWeb();
    tunnels.openTo(place(host), hubOf(hubs, host), { web, stream: web.stream });
    return web;
  });
  const areOpen = () => [...callers, ...called].map((web) => !web.isTerminated);
  tunnels.keepOnly(hubs);
  t.same(areOpen(), [true, true, true, true, true]);
  hubs.change({ kind: 'peers', put: [], remove: [1], isAll: false });
  tunnels.keepOnly(hubs);
  t.same(areOpen(), [false, false, true, false, true]);
  t.equal(ended.length, 3);
  t.equal(tunnels.at(place('hub')), undefined);
  callers[0]?.emit('message', Buffer.from('late'), true);
  t.equal(heard.length, 0, 'nothing more is heard of him');
  hubs.change({ kind: 'peers', put: [peer(2, first, 'other')], remove: [], isAll: false });
  tunnels.keepOnly(hubs);
  t.same(areOpen(), [false, false, false, false, false], 'another key');
});

t.test('of 17 connections of a peer the oldest goes, and those that ended are not counted', async (t) => {
  const { openFrom } = bench();
  const some = Array.from({ length: 10 }, (_, index) => openFrom(`old${index}`, first));
  for (const web of some) web.emit('close');
  const webs = Array.from({ length: 17 }, (_, index) => openFrom(`new${index}`, first));
  t.same(
    webs.map((web) => web.isTerminated),
    webs.map((_, index) => index === 0),
  );
});

t.test('the backlog is the sum of what all hold, and room is that of one', async (t) => {
  const { tunnels, openFrom, room, ended } = bench();
  const webs = ['a', 'b'].map((host) => openFrom(host, first));
  tunnels.at(place('a'))?.send(Buffer.alloc(1000));
  tunnels.at(place('b'))?.send(Buffer.alloc(300));
  tunnels.at(place('b'))?.send(Buffer.alloc(30));
  t.equal(tunnels.backlogBytes, 1330);
  webs[1]?.drain();
  t.equal(tunnels.backlogBytes, 1000);
  t.ok(room.every((one) => one === tunnels.at(place('b'))));
  webs[0]?.emit('close');
  webs[0]?.drain();
  t.equal(tunnels.backlogBytes, 0);
  t.equal(ended.length, 1);
  t.equal(room.length, 2, 'there is no room in what has ended');
});

/** Calls that go on until `fail`. */
function callBench() {
  const troubles: (string | undefined)[] = [];
  const signals: AbortSignal[] = [];
  const waits: ((error: Error) => void)[] = [];
  const hubs = new Hubs([peer(1, first, 'hub')]);
  const calls = new Calls({
    dialler: {
      dial: (_, signal) => {
        signals.push(signal);
        return new Promise((_, reject) => waits.push(reject));
      },
      close: () => undefined,
    },
    primitives: loadAddon(),
    own,
    serverName: undefined,
    onOpen: () => t.fail('nobody answers'),
    onTrouble: (_, trouble) => troubles.push(trouble?.why),
  });
  const settled: [string, boolean][] = [];
  const want = (name: string, length: number, isHandshake = false): void => {
    const parcel: Parcel = {
      bytes: Buffer.alloc(length),
      isHandshake,
      settle: (isSent) => settled.push([name, isSent]),
    };
    calls.want(place('hub'), hubOf(hubs, 'hub'), parcel);
  };
  const fail = async (why: string): Promise<void> => {
    for (const reject of waits.splice(0)) reject(new Error(why));
    await sleep(1);
  };
  return { calls, hubs, want, settled, fail, troubles, signals };
}

t.test('data pushes no handshake out of a call, and nothing that never left counts as sent', async (t) => {
  const { want, settled, fail, signals } = callBench();
  want('handshake', 150, true);
  for (let index = 0; index < 6; index += 1) want(`bulk${index}`, 9000);
  t.same(
    settled.map(([name]) => name),
    ['bulk0', 'bulk1', 'bulk2', 'bulk3', 'bulk4', 'bulk5'],
    'what is too large is refused at once',
  );
  settled.length = 0;
  for (let index = 0; index < 4; index += 1) want(`small${index}`, 100);
  t.same(settled, [['small3', false]], 'no room is left');
  want('again', 150, true);
  t.same(settled.at(-1), ['handshake', false], 'a handshake takes the place of the oldest');
  t.equal(signals.length, 1, 'one call');
  await fail('no route');
  t.same(
    settled.slice(2),
    ['small0', 'small1', 'small2', 'again'].map((name) => [name, false]),
  );
  want('pause', 100, true);
  t.same(settled.at(-1), ['pause', false]);
  t.equal(signals.length, 1, 'there is a pause first');
});

t.test('a hub that goes is called no more, its trouble is over, and it may come back at once', async (t) => {
  const { calls, hubs, want, settled, fail, troubles, signals } = callBench();
  want('one', 150, true);
  await fail('no route');
  t.same(troubles, ['no route']);
  hubs.change({ kind: 'peers', put: [peer(1, second, 'hub')], remove: [], isAll: false });
  calls.keepOnly(hubs);
  t.same(troubles, ['no route', undefined]);
  want('two', 150, true);
  t.equal(signals.length, 2, 'no pause for the new one');
  hubs.change({ kind: 'peers', put: [], remove: [1], isAll: false });
  calls.keepOnly(hubs);
  t.ok(signals[1]?.aborted);
  await fail('aborted');
  t.same(settled, [
    ['one', false],
    ['two', false],
  ]);
  t.equal(troubles.length, 2, 'nobody wants to know');
});
