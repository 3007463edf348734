/** The netlink codecs: bytes as iproute2 and the kernel exchange them, round trips, and malformed input. */
import fc from 'fast-check';
import t from 'tap';
import { ruleEmit, ruleParse, ruleSelectors } from '../../src/wire/fib-rule.ts';
import {
  attributeEmitText,
  attributeEmitU32,
  attributesParse,
  netlinkCheckLength,
  netlinkEmitHeader,
  netlinkFinish,
  netlinkFlag,
  netlinkHeaderBytes,
  netlinkLength,
  netlinkNext,
  netlinkSequence,
  netlinkType,
  netlinkTypeOf,
  netlinkVerdict,
  textOf,
  writeU16,
  writeU32,
} from '../../src/wire/netlink.ts';
import { addressEmit, addressParse } from '../../src/wire/rtnetlink-address.ts';
import { linkParse, linkSetEmit } from '../../src/wire/rtnetlink-link.ts';
import { type RouteState, routeEmit, routeInterfaces, routeParse } from '../../src/wire/rtnetlink-route.ts';

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));

function emitted(emit: (target: Uint8Array, at: number) => number): Uint8Array {
  // Not zeroed and not at the beginning: an emitter has to write every byte it claims.
  const target = new Uint8Array(512).fill(0xee);
  return target.slice(8, emit(target, 8));
}

/** An NLMSG_ERROR as the kernel sends it: capped, with the text attribute when there is one. */
function acknowledgement(errno: number, text: string): Uint8Array {
  const target = new Uint8Array(256);
  const flags = netlinkFlag.capped | (text === '' ? 0 : netlinkFlag.ackAttributes);
  netlinkEmitHeader(target, 0, netlinkType.error, flags, 7);
  writeU32(target, 16, -errno >>> 0);
  writeU32(target, 20, 999);
  const end = text === '' ? 36 : attributeEmitText(target, 36, 1, text);
  netlinkFinish(target, 0, end);
  return target.slice(0, end);
}

const defaultRoute: RouteState = {
  family: 4,
  destinationHex: '00000000',
  prefix: 0,
  table: 254,
  kind: 'unicast',
  interfaceIndex: 3,
  metric: 0,
  protocol: 77,
};

t.test('routeEmit() writes a route with a table, a metric and our protocol', async (t) => {
  const route: RouteState = { ...defaultRoute, destinationHex: '0a090000', prefix: 16, table: 1000, metric: 5 };
  const bytes = emitted((target, at) => routeEmit(target, at, route, false));
  t.equal(
    hexOf(bytes),
    '02100000004dfd0100000000' + '08000f00e8030000' + '080001000a090000' + '0800060005000000' + '0800040003000000',
  );
  t.same(routeParse(bytes, 0, bytes.length), route);
  const block: RouteState = { ...route, kind: 'unreachable', interfaceIndex: 0, family: 6, prefix: 0 };
  const wide = emitted((target, at) => routeEmit(target, at, { ...block, destinationHex: '0'.repeat(32) }, false));
  t.same(routeParse(wide, 0, wide.length), { ...block, destinationHex: '0'.repeat(32) });
});

t.test('routeEmit() leaves the scope open when it deletes', async (t) => {
  const bytes = emitted((target, at) => routeEmit(target, at, defaultRoute, true));
  t.equal(hexOf(bytes), '02000000fe4dff0100000000' + '08000f00fe000000' + '0800040003000000');
});

t.test('ruleEmit() writes the two rules that keep marked packets outside', async (t) => {
  const ours = { family: 4, protocol: 77, fwmask: 0xffffffff } as const;
  const marked = { ...ours, priority: 31, table: 0x6877, fwmark: 0x6877, invert: true, suppressPrefix: undefined };
  const bytes = emitted((target, at) => ruleEmit(target, at, marked));
  t.equal(
    hexOf(bytes),
    '020000000000000102000000' + '08000f0077680000' + '080006001f000000' + '08000a0077680000' + '050015004d000000',
  );
  t.same(ruleParse(bytes, 0, bytes.length), marked);
  const main = { ...ours, priority: 30, table: 254, fwmark: undefined, invert: false, suppressPrefix: 0 };
  const suppressing = emitted((target, at) => ruleEmit(target, at, main));
  t.same(ruleParse(suppressing, 0, suppressing.length), main);
  const masked = emitted((target, at) => ruleEmit(target, at, { ...marked, fwmask: 0xff00007f }));
  t.same(ruleParse(masked, 0, masked.length), { ...marked, fwmask: 0xff00007f });
});

t.test('ruleSelectors() reads what rules of others choose by', async (t) => {
  // `ip rule add not from 192.0.2.0/24 to 198.51.100.9 iif lo oif wan0 fwmark 1/0xff prohibit pref 7`, as RTM_NEWRULE says it.
  const bytes = Buffer.from(
    '0220180000000008' +
      '02000000' +
      '08000f0000000000080006000700000008000a000100000008001000ff000000' +
      '08000100c633640908000200c0000200' +
      '070003006c6f000009001100' +
      '77616e3000000000',
    'hex',
  );
  t.match(ruleParse(bytes, 0, bytes.length), { priority: 7, fwmark: 1, fwmask: 0xff, invert: true });
  t.same(ruleSelectors(bytes, 0, bytes.length), {
    action: 'prohibit',
    destination: { hex: 'c6336409', bits: 32 },
    source: { hex: 'c0000200', bits: 24 },
    input: 'lo',
    output: 'wan0',
    tos: 0,
    isSpecial: false,
  });
});

t.test('addressEmit() and addressParse() agree, and the local address of a point-to-point link counts', async (t) => {
  const addressHex = 'fd000009000000000000000000000002';
  const address = { family: 6, index: 4, addressHex, prefix: 64, scope: 0, hasPrefixRoute: true } as const;
  const bytes = emitted((target, at) => addressEmit(target, at, address));
  t.same(addressParse(bytes, 0, bytes.length), address);
  const quiet = emitted((target, at) => addressEmit(target, at, { ...address, hasPrefixRoute: false }));
  t.match(addressParse(quiet, 0, quiet.length), { hasPrefixRoute: false });
  const alone = fromHex(`0a400000 04000000 14000100 ${addressHex}`);
  t.same(addressParse(alone, 0, alone.length), address);
  // local 10.0.0.1, peer 10.0.0.2
  const peer = fromHex('02200000 07000000 08000100 0a000002 08000200 0a000001');
  t.equal(addressParse(peer, 0, peer.length)?.addressHex, '0a000001');
});

t.test('linkSetEmit() names only what it changes', async (t) => {
  const change = (link: Parameters<typeof linkSetEmit>[2]) =>
    hexOf(emitted((target, at) => linkSetEmit(target, at, link)));
  t.equal(change({ index: 5, mtu: 1420 }), '00000000050000000000000000000000' + '080004008c050000');
  t.equal(change({ index: 5, up: true }), '00000000050000000100000001000000');
  t.equal(change({ index: 5, up: false }), '00000000050000000000000001000000');
  t.equal(
    change({ index: 5, quiet: true }),
    '00000000050000000000000000000000' + '10001a00' + '0c000a00' + '0500080001000000',
  );
});

t.test('linkParse() reads name, kind and state of a dump message', async (t) => {
  const body = new Uint8Array(128);
  body.set(fromHex('0000feff 05000000 51000000 00000000'));
  let end = attributeEmitText(body, 16, 3, 'hawser0');
  end = attributeEmitU32(body, end, 4, 1420);
  const infoAt = end;
  end = attributeEmitText(body, infoAt + 4, 1, 'tun');
  writeU16(body, infoAt, end - infoAt);
  writeU16(body, infoAt + 2, 18 | 0x8000);
  t.same(linkParse(body, 0, end), {
    index: 5,
    name: 'hawser0',
    mtu: 1420,
    up: true,
    running: true,
    kind: 'tun',
    isLoopback: false,
    isPort: false,
  });
});

t.test('netlinkVerdict() gives the errno and the words of the kernel', async (t) => {
  const said = acknowledgement(22, 'Invalid prefix for given prefix length');
  t.same(netlinkVerdict(said, 0), { errno: 22, text: 'Invalid prefix for given prefix length' });
  t.same(netlinkVerdict(acknowledgement(0, ''), 0), { errno: 0, text: '' });
  const cut = acknowledgement(22, 'Invalid').slice(0, 18);
  writeU32(cut, 0, 18);
  t.equal(netlinkVerdict(cut, 0), undefined);
});

t.test('netlinkNext() walks a batch that netlinkFinish() closed', async (t) => {
  const target = new Uint8Array(128);
  let at = 0;
  for (const sequence of [1, 2, 3]) {
    const body = netlinkEmitHeader(target, at, 16 + sequence, netlinkFlag.request, sequence);
    at = netlinkFinish(target, at, attributeEmitText(target, body, 3, 'x'.repeat(sequence)));
  }
  const seen: [number, number, string][] = [];
  for (let from = 0; netlinkCheckLength(target, from, at); from = netlinkNext(target, from)) {
    const name = attributesParse(target, from + netlinkHeaderBytes, from + netlinkLength(target, from))?.get(3);
    seen.push([netlinkTypeOf(target, from), netlinkSequence(target, from), textOf(name ?? new Uint8Array())]);
  }
  t.same(seen, [
    [17, 1, 'x'],
    [18, 2, 'xx'],
    [19, 3, 'xxx'],
  ]);
});

t.test('attributesParse() refuses an attribute that claims more than there is', async (t) => {
  t.equal(attributesParse(fromHex('09000100 0a000001'), 0, 8), undefined);
  t.equal(attributesParse(fromHex('03000100 0a000001'), 0, 8), undefined);
  t.equal(attributesParse(fromHex('08000100 0a000001'), 0, 8)?.size, 1);
});

t.test('no parser reads outside its message, throws, or runs for ever on random bytes', async () => {
  const parsers = [linkParse, addressParse, routeInterfaces, routeParse, ruleParse, ruleSelectors];
  const messages = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    // Plausible headers reach deeper.
    fc
      .tuple(
        fc.constantFrom(2, 3, 16, 20, 24, 32),
        fc.integer({ min: 16, max: 80 }),
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
      )
      .map(([type, length, rest]) => {
        const bytes = new Uint8Array(80);
        bytes.set(rest, 16);
        netlinkEmitHeader(bytes, 0, type, (rest[0] ?? 0) << 8, 1);
        netlinkFinish(bytes, 0, length);
        return bytes;
      }),
  );
  fc.assert(
    fc.property(messages, (bytes) => {
      for (const parse of parsers) parse(bytes, 0, bytes.length);
      for (let at = 0; netlinkCheckLength(bytes, at, bytes.length); at = netlinkNext(bytes, at)) {
        netlinkVerdict(bytes, at);
        const end = at + netlinkLength(bytes, at);
        for (const parse of parsers) parse(bytes, at + netlinkHeaderBytes, end);
      }
    }),
    { numRuns: 3000 },
  );
});

t.test('routeInterfaces() names the interface of a route, or those of all its next hops', async (t) => {
  const only = emitted((target, at) => routeEmit(target, at, defaultRoute, false));
  t.strictSame(routeInterfaces(only, 0, only.length), [3]);
  // What `ip route add default nexthop via 192.0.2.1 dev #3 nexthop via 198.51.100.1 dev #4` becomes; then one cut short.
  const hops = '24000900' + '10000000 03000000 08000500 c0000201' + '10000000 04000000 08000500 c6336401';
  const several = fromHex(`02000000 fe030001 00000000 ${hops}`);
  t.strictSame(routeInterfaces(several, 0, several.length), [3, 4]);
  const cut = fromHex('02000000 fe030001 00000000 0c000900 00000000 03000000');
  t.strictSame(routeInterfaces(cut, 0, cut.length), []);
});
