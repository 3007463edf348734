/** The netlink client and the link watch against a kernel made of a list: batches, refusals, disturbed dumps, lost events. */
import { openSync } from 'node:fs';
import t from 'tap';
import { type LinkEvent, LinkWatch } from '../../src/io/link-watch.ts';
import { type NetlinkRequest, type NetlinkSockets, openNetlink } from '../../src/io/netlink.ts';
import { listLinks } from '../../src/io/netlink-tables.ts';
import {
  attributeEmitText,
  netlinkCheckLength,
  netlinkEmitHeader,
  netlinkFinish,
  netlinkFlag,
  netlinkFlags,
  netlinkNext,
  netlinkSequence,
  netlinkType,
  netlinkTypeOf,
  writeU32,
} from '../../src/wire/netlink.ts';
import { rtm } from '../../src/wire/rtnetlink.ts';

const enoent = 2;
const eexist = 17;
const noBuffers = -105;
const eagain = -11;

/** Answers as the kernel does, out of what the test sets; sockets are descriptors of /dev/null. */
class FakeKernel implements NetlinkSockets {
  readonly links: { index: number; name: string }[] = [];
  /** errno and words by message type. */
  readonly refusals = new Map<number, readonly [number, string]>();
  /** Dumps that are to be disturbed. */
  disturbed = 0;
  isSilent = false;
  eventsLost = false;
  /** Set with `eventsLost`; ends when the queue has run empty. */
  isCongested = false;
  readonly batches: number[] = [];
  readonly #queues = new Map<number, Uint8Array[]>();

  openNetlink(): number {
    const fd = openSync('/dev/null', 'r');
    this.#queues.set(fd, []);
    return fd;
  }

  watchReadable(): () => void {
    return () => undefined;
  }

  filterRouteEvents(): number {
    return 0;
  }

  /** An event for the socket that was opened first; dropped while the queue is congested, as the kernel does. */
  tell(link: { index: number; name: string }): void {
    const queue = this.#queues.values().next().value ?? [];
    if (this.isCongested) return;
    queue.push(linkMessage(link, 0, 0));
  }

  sendBytes(fd: number, bytes: Uint8Array): number {
    let count = 0;
    for (let at = 0; netlinkCheckLength(bytes, at, bytes.length); at = netlinkNext(bytes, at)) {
      count++;
      if (!this.isSilent) this.#queues.get(fd)?.push(...this.#answersTo(bytes, at));
    }
    this.batches.push(count);
    return bytes.length;
  }

  receiveBytes(fd: number, target: Uint8Array): number {
    if (this.eventsLost) {
      this.eventsLost = false;
      return noBuffers;
    }
    const next = this.#queues.get(fd)?.shift();
    if (next === undefined) {
      this.isCongested = false;
      return eagain;
    }
    target.set(next);
    return next.length;
  }

  #answersTo(bytes: Uint8Array, at: number): Uint8Array[] {
    const type = netlinkTypeOf(bytes, at);
    const sequence = netlinkSequence(bytes, at);
    const isDump = (netlinkFlags(bytes, at) & netlinkFlag.dump) === netlinkFlag.dump;
    if (!isDump) return [verdict(netlinkType.error, sequence, ...(this.refusals.get(type) ?? [0, '']))];
    const flags = netlinkFlag.multi | (this.disturbed-- > 0 ? netlinkFlag.dumpInterrupted : 0);
    const links = type === rtm.getLink ? this.links : [];
    const answers = links.map((link) => linkMessage(link, flags, sequence));
    // What one dump saw is gone in the next.
    if ((flags & netlinkFlag.dumpInterrupted) !== 0) links.splice(2);
    return [...answers, verdict(netlinkType.done, sequence, 0, '')];
  }
}

function linkMessage(link: { index: number; name: string }, flags: number, sequence: number): Uint8Array {
  const bytes = new Uint8Array(128);
  const bodyAt = netlinkEmitHeader(bytes, 0, rtm.newLink, flags, sequence);
  writeU32(bytes, bodyAt + 4, link.index);
  const end = netlinkFinish(bytes, 0, attributeEmitText(bytes, bodyAt + 16, 3, link.name));
  return bytes.subarray(0, end);
}

function verdict(type: number, sequence: number, errno: number, text: string): Uint8Array {
  const bytes = new Uint8Array(128);
  const flags = netlinkFlag.capped | (text === '' ? 0 : netlinkFlag.ackAttributes);
  netlinkEmitHeader(bytes, 0, type, flags, sequence);
  writeU32(bytes, 16, -errno >>> 0);
  const end = netlinkFinish(bytes, 0, text === '' ? 36 : attributeEmitText(bytes, 36, 1, text));
  return bytes.subarray(0, end);
}

function request(type: number, what: string, tolerates: readonly number[] = []): NetlinkRequest {
  return { type, flags: 0, what, tolerates, emit: (target, at) => attributeEmitText(target, at, 3, 'x'.repeat(200)) };
}

t.test('apply() sends many requests in few batches and reports the refused ones alone', async (t) => {
  const kernel = new FakeKernel();
  const netlink = openNetlink(kernel);
  kernel.refusals.set(rtm.newRule, [eexist, '']);
  kernel.refusals.set(rtm.newRoute, [enoent, 'Nexthop has invalid gateway']);
  const many = Array.from({ length: 500 }, (_, index) => request(rtm.newAddress, `add ${index}`));
  const tolerated = request(rtm.newRule, 'add a rule', [eexist]);
  const failures = netlink.apply([...many, tolerated, request(rtm.newRule, 'add rule 7'), request(rtm.newRoute, 'go')]);
  t.same(
    failures.map(({ error }) => [error.code, error.message]),
    [
      [
        'EEXIST',
        'Cannot add rule 7: EEXIST, file already exists (see `ip route` and `ip address` for what stands in the way)',
      ],
      ['ENOENT', 'Cannot go: ENOENT, no such file or directory: Nexthop has invalid gateway'],
    ],
  );
  t.equal(
    kernel.batches.reduce((sum, count) => sum + count),
    503,
  );
  t.ok(kernel.batches.length <= 5, `${kernel.batches.length} batches`);
  netlink.close();
  netlink.close();
});

t.test('query() asks again when a dump was disturbed, five times at most', async (t) => {
  const kernel = new FakeKernel();
  kernel.links.push({ index: 1, name: 'lo' }, { index: 2, name: 'eth0' }, { index: 3, name: 'gone' });
  const netlink = openNetlink(kernel);
  t.teardown(() => netlink.close());
  kernel.disturbed = 4;
  t.same(
    listLinks(netlink).map(({ index, name }) => [index, name]),
    [
      [1, 'lo'],
      [2, 'eth0'],
    ],
  );
  t.equal(kernel.batches.length, 5);
  kernel.disturbed = 5;
  t.throws(() => listLinks(netlink), { code: 'EINTR' });
  kernel.isSilent = true;
  t.throws(() => listLinks(netlink), { code: 'ETIMEDOUT', message: /Cannot list interfaces: no answer/ });
});

t.test('LinkWatch reads the whole state when events were lost, and tells the difference', async (t) => {
  const kernel = new FakeKernel();
  kernel.links.push({ index: 1, name: 'lo' }, { index: 2, name: 'eth0' });
  const events: LinkEvent[] = [];
  const watch = new LinkWatch(kernel, (event) => events.push(event));
  t.teardown(() => watch.close());
  watch.poll();
  t.same(events, []);
  kernel.links.splice(1, 1, { index: 3, name: 'wwan0' });
  kernel.eventsLost = true;
  watch.poll();
  t.match(events, [
    { kind: 'link-gone', link: { name: 'eth0' } },
    { kind: 'link', link: { name: 'wwan0' }, before: undefined },
    { kind: 'default-route', family: 4 },
    { kind: 'default-route', family: 6 },
    { kind: 'own-gone' },
  ]);
  t.equal(watch.findLink('wwan0')?.index, 3);
});

t.test('LinkWatch reads the state when the queue has run empty: until then the kernel goes on dropping', async (t) => {
  const kernel = new FakeKernel();
  kernel.links.push({ index: 1, name: 'lo' }, { index: 2, name: 'wwan0' });
  const events: LinkEvent[] = [];
  const watch = new LinkWatch(kernel, (event) => events.push(event));
  t.teardown(() => watch.close());
  for (let index = 0; index < 150; index++) kernel.tell({ index: 1000 + index, name: `ppp${index}` });
  kernel.eventsLost = true;
  kernel.isCongested = true;
  watch.poll();
  // The queue still holds some of them; the modem is plugged, and nobody is told.
  kernel.links.splice(1, 1, { index: 9, name: 'wwan0' });
  kernel.tell({ index: 9, name: 'wwan0' });
  for (let round = 0; round < 5; round++) watch.poll();
  t.equal(watch.findLink('wwan0')?.index, 9, 'the new one, which no event told of');
  t.equal(watch.findLink('ppp7'), undefined);
  t.match(events.at(-4), { kind: 'link', link: { index: 9 } });
});

t.test('an interface that came back under its name takes the place of the one whose end nobody told', async (t) => {
  const kernel = new FakeKernel();
  kernel.links.push({ index: 1, name: 'lo' }, { index: 2, name: 'wwan0' });
  const events: LinkEvent[] = [];
  const watch = new LinkWatch(kernel, (event) => events.push(event));
  t.teardown(() => watch.close());
  kernel.tell({ index: 5, name: 'wwan0' });
  watch.poll();
  t.match(events, [
    { kind: 'link-gone', link: { index: 2 } },
    { kind: 'link', link: { index: 5 } },
  ]);
  t.equal(watch.findLink('wwan0')?.index, 5);
});
