import fc from 'fast-check';
import t from 'tap';
import { allowedIps } from '../../src/contract/peer-tables.ts';
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

t.test('change() puts prefixes in and takes others out as replace() would', async () => {
  const entry = fc.record({
    family: fc.constant<4>(4),
    addressHex: fc
      .array(fc.constantFrom(0x00, 0x80, 0xff, 0x0a), { minLength: 4, maxLength: 4 })
      .map((bytes) => Buffer.from(bytes).toString('hex')),
    prefix: fc.nat(32),
    peerRow: fc.nat(7),
  });
  fc.assert(
    fc.property(fc.array(fc.array(entry, { maxLength: 4 }), { minLength: 1, maxLength: 12 }), (steps) => {
      const memory = createAllowedIpsMemory([]);
      const [trie, reader] = [new AllowedIps(memory), new AllowedIps(memory)];
      let all: AllowedPrefix[] = [];
      for (const fresh of steps) {
        const gone = all.filter((one) => one.peerRow === fresh.length);
        all = [...all.filter((one) => !gone.includes(one)), ...fresh];
        // One that is put in anew is not among those that go; equal prefixes of two peers the configuration refuses.
        const kept = new Set(fresh.map((one) => maskedText(one)));
        trie.change(
          gone.filter((one) => !kept.has(maskedText(one))),
          fresh,
          () => all,
        );
        all = [...new Map(all.map((one) => [maskedText(one), one])).values()];
        for (const { addressHex } of [...gone, ...all])
          if (reader.find(bytesOf(addressHex), 0, 4) !== findPlainly(all, 4, BigInt(`0x${addressHex}`))) return false;
      }
      return true;
    }),
    { numRuns: 300 },
  );
});

/** The same text for the same prefix, whatever bits stand behind it. */
function maskedText({ addressHex, prefix }: AllowedPrefix): string {
  const shift = 32n - BigInt(prefix);
  return `${BigInt(`0x${addressHex}`) >> shift}/${prefix}`;
}

t.test('change() gives another version, so that nobody goes on with an answer he remembers', async (t) => {
  const memory = createAllowedIpsMemory([prefix4('10.9.0.0', 16, 1)]);
  const trie = new AllowedIps(memory);
  const version = () => new Int32Array(memory)[allowedIps.versionAt >> 2] ?? 0;
  const before = version();
  trie.change([prefix4('10.9.0.0', 16, 1)], [prefix4('10.9.0.0', 24, 2)], () => [prefix4('10.9.0.0', 24, 2)]);
  t.not(version(), before);
  t.equal(version() & 1, before & 1, 'of the same area, which is the one that was changed');
});

t.test('change() makes room of nodes that nothing leads to any more, and refuses what does not fit', async (t) => {
  const trie = new AllowedIps(createAllowedIpsMemory([prefix4('10.0.0.0', 8, 3)]));
  const at = (index: number): AllowedPrefix => {
    const addressHex = (BigInt(index) << 96n).toString(16).padStart(32, '0');
    return { family: 6, addressHex, prefix: 128, peerRow: 1 };
  };
  for (let round = 1; round < 300; round += 1) {
    trie.change([at(round - 1)], [at(round)], () => [prefix4('10.0.0.0', 8, 3), at(round)]);
    t.equal(trie.find(bytesOf(at(round).addressHex), 0, 16), 1);
    t.equal(trie.find(bytesOf(at(round - 1).addressHex), 0, 16), -1);
  }
  const many = Array.from({ length: 300 }, (_, index) => at(1000 + index));
  t.throws(() => trie.change([], many, () => [prefix4('10.0.0.0', 8, 3), ...many]), { code: 'ALLOWED_IPS' });
  t.equal(find4(trie, '10.0.0.1'), 3);
  t.equal(trie.find(bytesOf(at(299).addressHex), 0, 16), 1, 'nothing has changed');
});
