/** Inner packets that are longer than the only path takes, between two real daemons: carried all the same, their senders told, TCP opened to fit. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { PathStatus } from '../../src/control/network-rows.ts';
import { startBond } from '../support/bond.ts';
import { type Host, skipReason } from '../support/netns.ts';
import { inside } from '../support/pair.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(120_000);
/** What the path takes, and what of it is left for an inner packet. */
const outerBytes = 1280;
const innerBytes = outerBytes - 60;
const patienceMs = 20_000;

/** Answers UDP by the length of what came, and TCP by the segment size of its own end. */
const answering = `
import socket, threading
def udp(family):
    s = socket.socket(family, socket.SOCK_DGRAM); s.bind(('', 7100))
    while True:
        data, whom = s.recvfrom(9000); s.sendto(str(len(data)).encode(), whom)
def tcp(family):
    s = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(('', 7100)); s.listen(8)
    while True:
        c, _ = s.accept(); c.sendall(str(c.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)).encode()); c.close()
for family in (socket.AF_INET, socket.AF_INET6):
    for run in (tcp, udp) if family == socket.AF_INET else (tcp,): threading.Thread(target=run, args=(family,)).start()
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1); s.bind(('', 7100)); print('ready', flush=True)
while True:
    data, whom = s.recvfrom(9000); s.sendto(str(len(data)).encode(), whom)
`;

/** Sends datagrams of 1380 bytes that must not be fragmented; prints how long the first arrived, and the path MTU the kernel was told. */
const asking = `
import socket, sys, time
v6 = ':' in sys.argv[1]
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
level, discover, mtu = (41, 23, 24) if v6 else (0, 10, 14)
s.setsockopt(level, discover, 2); s.settimeout(2); s.connect((sys.argv[1], 7100))
size, arrived, end = 1420 - (48 if v6 else 28), '', time.time() + 15
while time.time() < end:
    try: s.send(bytes(size))
    except OSError: pass
    try: arrived = arrived or s.recv(100).decode()
    except OSError: pass
    if arrived and s.getsockopt(level, mtu) < 1420: break
print(size, arrived, s.getsockopt(level, mtu))
`;

/** Opens a connection; prints the segment sizes of both ends. */
const opening = `
import socket, sys
s = socket.create_connection((sys.argv[1], 7100), 15)
print(s.recv(100).decode(), s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))
`;

async function answer(host: Host): Promise<void> {
  const child = host.spawn('python3', ['-c', answering], { stdio: ['ignore', 'pipe', 'inherit'] });
  const { stdout } = child;
  if (stdout === null) throw new Error('the answering program has no pipe');
  const [first] = (await once(stdout, 'data')) as [Buffer];
  if (!String(first).startsWith('ready')) throw new Error(`the answering program says ${String(first)}`);
  // Read on: with PYTHONUNBUFFERED the end of the line comes by itself, and nobody there to read it would end the program.
  stdout.resume();
}

const run = (host: Host, program: string, address: string): number[] =>
  host.run('python3', ['-c', program, address]).trim().split(' ').map(Number);

t.test('what is longer than the path is carried in frames, told of, and opened to fit', options, async (t) => {
  const { lab, net, rope } = await startBond({
    emulated: [{ name: 'wire', rateMbit: 20, delayMs: 5, mtu: outerBytes }],
  });
  t.teardown(() => lab.close());
  const ends = [
    { host: net.client, near: rope.client, to4: inside.b4, to6: inside.b6 },
    { host: net.server, near: rope.server, to4: inside.a4, to6: inside.a6 },
  ];
  await Promise.all(ends.map(({ host }) => answer(host)));
  for (const { near } of ends) {
    const endMs = performance.now() + patienceMs;
    const size = async () => (await near.ask<readonly PathStatus[]>('paths'))[0]?.mtu ?? 0;
    while ((await size()) !== outerBytes && performance.now() < endMs) await sleep(100);
    t.equal(await size(), outerBytes);
  }
  for (const { host, to4, to6 } of ends) {
    t.match(host.run('ping', ['-c', '3', '-i', '0.2', '-W', '5', '-M', 'do', '-s', '1392', to4]), / 0% packet loss/);
    // The least that IPv6 promises: 1340 bytes of outer IP.
    t.match(
      host.run('ping', ['-6', '-c', '3', '-i', '0.2', '-W', '5', '-M', 'do', '-s', '1232', to6]),
      / 0% packet loss/,
    );
    t.same(
      run(host, asking, to4),
      [1392, 1392, innerBytes],
      'UDP that must not be fragmented arrives, and its sender is told',
    );
    t.same(run(host, asking, to6), [1372, 1372, 1280], 'of IPv6 no less than it promises');
    for (const [to, headers] of [
      [to4, 40],
      [to6, 60],
    ] as const) {
      const most = (headers === 60 ? 1280 : innerBytes) - headers;
      const segments = run(host, opening, to);
      t.ok(
        segments.length === 2 && segments.every((one) => one <= most && one > most - 20),
        `segments of ${segments.join(' and ')} of ${most} to ${to}`,
      );
    }
  }
  const { stdout } = await rope.client.cli('explain');
  t.match(stdout, /\d+ packets were longer than the paths take and were sent in several frames/);
  t.match(stdout, /The path wire → .* takes packets of 1280 bytes at most towards server/);
});
