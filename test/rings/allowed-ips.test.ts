import fc from 'fast-check';
import t from 'tap';
import { AllowedIps, type AllowedPrefix, createAllowedIpsMemory } from '../../src/rings/allowed-ips.ts';

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

function prefix4(address: string, length: number, peerRow: number): AllowedPrefix {
  const addressHex = Buffer.from(address.split('.').map(Number)).toString('hex');
  return { family: 4, addressHex, prefix: length, peerRow };
}

function find4(trie: AllowedIps, address: string): number {
  return trie.find(Uint8Array.from(address.split('.').map(Number)), 0, 4);
}

/** The plain meaning of longest-prefix match, of equal prefixes the later. */
function findPlainly(prefixes: readonly AllowedPrefix[], family: 4 | 6, address: bigint): number {
  const bits = family === 4 ? 32n : 128n;
  let best = { length: -1, row: -1 };
  for (const one of prefixes) {
    if (one.family !== family || one.prefix < best.length) continue;
    const shift = bits - BigInt(one.prefix);
    if (address >> shift === BigInt(`0x${one.addressHex}`) >> shift) best = { length: one.prefix, row: one.peerRow };
  }
  return best.row;
}

t.test('find() answers with the longest prefix', async (t) => {
  const prefixes = [prefix4('10.0.0.0', 8, 0), prefix4('10.9.0.0', 16, 1), prefix4('10.9.0.7', 32, 2)];
  const trie = new AllowedIps(createAllowedIpsMemory(prefixes));
  t.equal(find4(trie, '10.1.2.3'), 0);
  t.equal(find4(trie, '10.9.255.1'), 1);
  t.equal(find4(trie, '10.9.0.7'), 2);
  t.equal(find4(trie, '10.9.0.6'), 1);
  t.equal(find4(trie, '11.0.0.1'), -1);
});

t.test('find() keeps the families apart, also for the default routes', async (t) => {
  const everything: AllowedPrefix = { family: 6, addressHex: '0'.repeat(32), prefix: 0, peerRow: 5 };
  const trie = new AllowedIps(createAllowedIpsMemory([everything]));
  t.equal(trie.find(bytesOf('20010db8000000000000000000000001'), 0, 16), 5);
  t.equal(find4(trie, '10.0.0.1'), -1);
});

t.test('find() agrees with a plain search on any set of prefixes', async () => {
  // Few distinct bits, so that prefixes nest and collide.
  const address = (family: 4 | 6) =>
    fc
      .array(fc.constantFrom(0x00, 0x80, 0xff, 0x01, 0x0a), {
        minLength: family === 4 ? 4 : 16,
        maxLength: family === 4 ? 4 : 16,
      })
      .map((bytes) => Buffer.from(bytes).toString('hex'));
  const entry = fc.constantFrom<4 | 6>(4, 6).chain((family) =>
    fc.record({
      family: fc.constant(family),
      addressHex: address(family),
      prefix: fc.nat(family === 4 ? 32 : 128),
      peerRow: fc.nat(7),
    }),
  );
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 40 }),
      fc.array(address(4), { minLength: 5 }),
      fc.array(address(6), { minLength: 5 }),
      (prefixes, v4, v6) => {
        const trie = new AllowedIps(createAllowedIpsMemory(prefixes));
        return (
          v4.every((hex) => trie.find(bytesOf(hex), 0, 4) === findPlainly(prefixes, 4, BigInt(`0x${hex}`))) &&
          v6.every((hex) => trie.find(bytesOf(hex), 0, 16) === findPlainly(prefixes, 6, BigInt(`0x${hex}`)))
        );
      },
    ),
    { numRuns: 300 },
  );
});

t.test('replace() swaps the whole set for readers of the same memory', async (t) => {
  const memory = createAllowedIpsMemory([prefix4('10.0.0.0', 8, 0)]);
  const reader = new AllowedIps(memory);
  const writer = new AllowedIps(memory);
  for (let round = 1; round < 5; round += 1) {
    writer.replace([prefix4(`${round}.0.0.0`, 8, round)]);
    t.equal(find4(reader, `${round}.1.1.1`), round);
    t.equal(find4(reader, round === 1 ? '10.0.0.1' : `${round - 1}.1.1.1`), -1);
  }
});

t.test('replace() refuses what does not fit, and leaves the old set', async (t) => {
  const memory = createAllowedIpsMemory([prefix4('10.0.0.0', 8, 3)]);
  const trie = new AllowedIps(memory);
  const many = Array.from({ length: 400 }, (_, index): AllowedPrefix => {
    const addressHex = (BigInt(index) << 112n).toString(16).padStart(32, '0');
    return { family: 6, addressHex, prefix: 128, peerRow: 1 };
  });
  t.throws(() => trie.replace(many), { code: 'ALLOWED_IPS' });
  t.equal(find4(trie, '10.0.0.1'), 3);
});
