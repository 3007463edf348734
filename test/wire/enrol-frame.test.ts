/** ENROL: what is written is read back, and nothing that anybody may send is read beyond its end, or taken for an answer that it is not. */
import fc from 'fast-check';
import t from 'tap';
import { controlKind } from '../../src/contract/frames.ts';
import {
  type EnrolWelcome,
  enrolAnswer,
  enrolAsk,
  enrolAskBytes,
  enrolCheckLength,
  enrolIsAnswer,
  enrolKey,
  enrolMostBytes,
  enrolRefusal,
  enrolStatus,
  enrolStatusOf,
  enrolWelcome,
} from '../../src/wire/enrol-frame.ts';

const key = Uint8Array.from({ length: 32 }, (_, index) => index + 1);
const welcome: EnrolWelcome = {
  presharedKey: Uint8Array.from({ length: 32 }, (_, index) => 255 - index),
  name: 'Bücherbus 📚',
  hubName: 'hub',
  addresses: [Uint8Array.of(10, 9, 0, 2), Uint8Array.from(Buffer.from('fd000009000000000000000000000002', 'hex'))],
  dns: [Uint8Array.of(10, 9, 0, 1)],
  networks: [
    { address: Uint8Array.of(10, 9, 0, 0), prefix: 24 },
    { address: new Uint8Array(16), prefix: 0 },
  ],
};

t.test('a question and its refusals', async (t) => {
  const asked = enrolAsk(key);
  t.equal(Buffer.from(asked).toString('hex'), `000c0000${Buffer.from(key).toString('hex')}`);
  t.ok(enrolCheckLength(asked, 0, asked.length));
  t.notOk(enrolCheckLength(asked, 0, asked.length - 1));
  t.notOk(enrolIsAnswer(asked, 0));
  t.strictSame(enrolKey(asked, 0), key);
  const refused = enrolRefusal(key, enrolStatus.busy);
  t.ok(enrolIsAnswer(refused, 0));
  t.equal(enrolStatusOf(refused, 0), enrolStatus.busy);
  t.equal(refused.length, enrolAskBytes, 'no longer than what it answers');
  asked[0] = 0x45;
  t.notOk(enrolCheckLength(asked, 0, asked.length), 'an IP packet is none');
});

t.test('an answer is read back, with padding behind it', async (t) => {
  const bytes = enrolAnswer(key, welcome) ?? new Uint8Array(0);
  t.equal(bytes[1], controlKind.enrol);
  t.equal(enrolStatusOf(bytes, 0), enrolStatus.welcome);
  t.strictSame(enrolWelcome(bytes, 0, bytes.length), welcome);
  const padded = Uint8Array.from([9, ...bytes, ...new Uint8Array(15)]);
  t.strictSame(enrolWelcome(padded, 1, padded.length), welcome);
  for (let end = 0; end < bytes.length; end += 1) t.equal(enrolWelcome(bytes, 0, end), undefined, `cut at ${end}`);
});

t.test('a name that a terminal would obey is none', async (t) => {
  for (const hubName of ['hub\u001b[2J', 'a\rb', 'a\u009bm', 'a\u202eb', 'a\u2028b', '\u0000']) {
    const bytes = enrolAnswer(key, { ...welcome, hubName }) ?? new Uint8Array(0);
    t.equal(enrolWelcome(bytes, 0, bytes.length), undefined, Buffer.from(hubName).toString('hex'));
  }
  const family = { ...welcome, name: 'a 👩\u200d💻' };
  const bytes = enrolAnswer(key, family) ?? new Uint8Array(0);
  t.match(enrolWelcome(bytes, 0, bytes.length), { name: family.name });
});

t.test('what does not fit is not written', async (t) => {
  const many = Array.from({ length: 33 }, () => Uint8Array.of(10, 0, 0, 1));
  t.equal(enrolAnswer(key, { ...welcome, dns: many }), undefined);
  t.equal(enrolAnswer(key, { ...welcome, name: 'n'.repeat(65) }), undefined);
  const wide = Array.from({ length: 32 }, () => ({ address: new Uint8Array(16), prefix: 0 }));
  const six = Array.from({ length: 32 }, () => new Uint8Array(16));
  t.equal(enrolAnswer(key, { ...welcome, networks: wide, dns: six, addresses: six }), undefined);
  t.ok((enrolAnswer(key, { ...welcome, networks: wide }) ?? []).length <= enrolMostBytes);
});

t.test('whatever comes, nothing is thrown, read beyond the end, or too much', (t) => {
  const good = enrolAnswer(key, welcome) ?? new Uint8Array(0);
  const edits = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 6 });
  fc.assert(
    fc.property(edits, fc.nat(good.length), fc.uint8Array({ maxLength: 1100 }), (changes, end, random) => {
      const bytes = Uint8Array.from(good);
      for (const [at, value] of changes) bytes[at] = value;
      for (const [one, to] of [
        [bytes, bytes.length],
        [bytes, end],
        [random, random.length],
      ] as const) {
        const isLong = enrolCheckLength(one, 0, to);
        const read = enrolWelcome(one, 0, to);
        if (read === undefined) continue;
        if (read.networks.some(({ address, prefix }) => prefix > address.length * 8)) throw new Error('no network');
        // What was read is what a hub could have written, and fits into what was there.
        const again = enrolAnswer(enrolKey(one, 0), read);
        if (again === undefined || again.length > to) throw new Error(`${again?.length} bytes of ${to}, ${isLong}`);
      }
    }),
    { numRuns: 3000, seed: 13 },
  );
  t.end();
});
