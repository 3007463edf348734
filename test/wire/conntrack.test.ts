import t from 'tap';
import { connectionParse, conntrackQueryEmit, conntrackType } from '../../src/wire/conntrack.ts';
import { attributeEmit, attributeEmitNested, attributeEmitText } from '../../src/wire/netlink.ts';
import { nftCounterParse, nftCountersEmit } from '../../src/wire/nft-object.ts';

/** CTA_* of linux/netfilter/nfnetlink_conntrack.h, as the kernel nests them. */
function tupleEmit(
  target: Uint8Array,
  at: number,
  type: number,
  [from, to, sport, dport]: readonly number[][],
): number {
  return attributeEmitNested(target, at, type, (inner) => {
    const addresses = attributeEmitNested(target, inner, 1, (ip) => {
      const isSixth = from?.length === 16;
      const next = attributeEmit(target, ip, isSixth ? 3 : 1, Uint8Array.from(from ?? []));
      return attributeEmit(target, next, isSixth ? 4 : 2, Uint8Array.from(to ?? []));
    });
    return attributeEmitNested(target, addresses, 2, (proto) => {
      const number = attributeEmit(target, proto, 1, Uint8Array.of(6));
      const source = attributeEmit(target, number, 2, Uint8Array.from(sport ?? []));
      return attributeEmit(target, source, 3, Uint8Array.from(dport ?? []));
    });
  });
}

function entry(status: number): Uint8Array {
  const bytes = new Uint8Array(1024);
  let at = conntrackQueryEmit(bytes, 0, 2);
  at = tupleEmit(bytes, at, 1, [
    [10, 100, 0, 2],
    [203, 0, 113, 9],
    [0x75, 0x30],
    [0x1b, 0x9e],
  ]);
  at = tupleEmit(bytes, at, 2, [
    [203, 0, 113, 9],
    [203, 0, 113, 1],
    [0x1b, 0x9e],
    [0x4e, 0x20],
  ]);
  at = attributeEmit(bytes, at, 3, Uint8Array.of(0, 0, 1, status));
  at = attributeEmit(bytes, at, 7, Uint8Array.of(0, 0, 1, 0x2c));
  at = attributeEmitNested(bytes, at, 4, (info) =>
    attributeEmitNested(bytes, info, 1, (tcp) => attributeEmit(bytes, tcp, 1, Uint8Array.of(3))),
  );
  const counters = (type: number, packets: number, octets: number) => {
    at = attributeEmitNested(bytes, at, type, (inner) => {
      const next = attributeEmit(bytes, inner, 1, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, packets));
      return attributeEmit(bytes, next, 2, Uint8Array.of(0, 0, 0, 1, 0, 0, 0, octets));
    });
  };
  counters(9, 3, 5);
  counters(10, 4, 6);
  // 1,700,000,000 s in ns: 0x17979cfe362a0000
  at = attributeEmitNested(bytes, at, 20, (inner) =>
    attributeEmit(bytes, inner, 1, Uint8Array.of(0x17, 0x97, 0x9c, 0xfe, 0x36, 0x2a, 0, 0)),
  );
  return bytes.slice(0, at);
}

t.test('connectionParse() reads an entry with translation, traffic and age', async (t) => {
  t.equal(conntrackType.get, 0x101);
  const bytes = entry(0x1a);
  t.same(connectionParse(bytes, 0, bytes.length), {
    protocol: 6,
    original: { sourceHex: '0a640002', destinationHex: 'cb007109', sourcePort: 30_000, destinationPort: 7070 },
    reply: { sourceHex: 'cb007109', destinationHex: 'cb007101', sourcePort: 7070, destinationPort: 20_000 },
    hasReply: true,
    isSourceTranslated: true,
    isDestinationTranslated: false,
    state: 'established',
    timeoutSeconds: 300,
    sentBytes: 2 ** 32 + 5,
    receivedBytes: 2 ** 32 + 6,
    packets: 7,
    startedMs: 1_700_000_000_000,
  });
  t.match(connectionParse(entry(0x20), 0, bytes.length), {
    hasReply: false,
    isSourceTranslated: false,
    isDestinationTranslated: true,
  });
});

t.test('connectionParse() takes no half entry for a whole one', async (t) => {
  const bytes = entry(0x1a);
  for (let end = 0; end < bytes.length; end++) {
    const part = connectionParse(bytes, 0, end);
    if (part !== undefined) t.equal(part.original.sourceHex, '0a640002');
  }
  t.equal(connectionParse(bytes.slice(0, 4), 0, 4), undefined);
});

t.test('nftCounterParse() reads a counter, and nothing else', async (t) => {
  const bytes = new Uint8Array(256);
  let at = nftCountersEmit(bytes, 0, 'hawser_1');
  t.equal(nftCounterParse(bytes, 0, at), undefined, 'a question is no counter');
  at = attributeEmitText(bytes, at, 2, 'asked');
  at = attributeEmitNested(bytes, at, 4, (inner) =>
    attributeEmit(bytes, inner, 2, Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 2)),
  );
  t.same(nftCounterParse(bytes, 0, at), { table: 'hawser_1', name: 'asked', packets: 258 });
});
