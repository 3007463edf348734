/** The DNS codec: queries byte for byte, replies with aliases and compression, and malformed or forged ones. */
import fc from 'fast-check';
import t from 'tap';
import {
  type DnsQuestion,
  dnsNameIsValid,
  dnsNameRead,
  dnsQueryEmit,
  dnsReplyParse,
  dnsType,
} from '../../src/wire/dns.ts';

const question: DnsQuestion = { id: 0x1234, name: 'hub.example.net', type: dnsType.a };
const hubName = '03687562 07657861 6d706c65 036e6574 00';

const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const parse = (text: string, asked = question) => dnsReplyParse(fromHex(text), fromHex(text).length, asked);

/** A reply with one question; `answers` as hexadecimal after it. */
function reply(
  answers: readonly string[],
  { id = '1234', flags = '8180', name = hubName, type = '0001' } = {},
): string {
  const count = answers.length.toString(16).padStart(4, '0');
  return `${id}${flags}0001${count}00000000 ${name} ${type}0001 ${answers.join('')}`;
}

/** Owner by pointer to the question's name. */
const address = (ttl: string, data: string) => `c00c 0001 0001 ${ttl} 0004 ${data}`;

t.test('dnsQueryEmit() writes a recursive query for the name', async (t) => {
  const target = new Uint8Array(80).fill(0xee);
  const end = dnsQueryEmit(target, 3, question);
  t.equal(
    Buffer.from(target.subarray(3, end)).toString('hex'),
    `1234 0100 0001 0000 0000 0000 ${hubName} 0001 0001`.replaceAll(' ', ''),
  );
});

t.test('dnsNameIsValid() knows the limits of names', async (t) => {
  t.ok(dnsNameIsValid('a'.repeat(63)));
  t.notOk(dnsNameIsValid('a'.repeat(64)));
  t.notOk(dnsNameIsValid('a..b'));
  t.notOk(dnsNameIsValid(''));
  t.notOk(dnsNameIsValid('hüb.net'));
  t.ok(dnsNameIsValid(`${'a'.repeat(61)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(63)}`));
  t.notOk(dnsNameIsValid(`${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(63)}`));
});

t.test('dnsReplyParse() gives the addresses and the smallest time to live', async (t) => {
  const text = reply([address('00000e10', 'c0000201'), address('0000003c', 'c0000202')]);
  t.same(parse(text), { code: 0, truncated: false, addresses: ['c0000201', 'c0000202'], ttlSeconds: 60 });
  t.same(parse(reply([address('80000001', 'c0000201')]))?.ttlSeconds, 0, 'RFC 2181 section 8');
  const upper = hubName.replace('687562', '485562');
  t.same(parse(reply([address('00000001', 'c0000201')], { name: upper }))?.addresses, ['c0000201'], 'HUb');
  const six = { ...question, type: dnsType.aaaa };
  const data = '20010db8000000000000000000000001';
  t.same(parse(reply([`c00c 001c 0001 00000005 0010 ${data}`], { type: '001c' }), six)?.addresses, [data]);
});

t.test('dnsReplyParse() follows aliases, in any order, and not in circles', async (t) => {
  // hub.example.net → real.example.net (the tail by pointer to offset 16) → 192.0.2.9
  const alias = 'c00c 0005 0001 0000000a 0007 047265616c c010';
  const target = '047265616c c010 0001 0001 000000ff 0004 c0000209';
  const expected = { code: 0, truncated: false, addresses: ['c0000209'], ttlSeconds: 10 };
  t.same(parse(reply([alias, target])), expected);
  t.same(parse(reply([target, alias])), expected);
  const circle = 'c00c 0005 0001 0000000a 0002 c00c';
  t.same(parse(reply([circle]))?.addresses, []);
  t.same(parse(reply([target]))?.addresses, [], "another name's address is not ours");
});

t.test('dnsReplyParse() passes the code on and keeps the records before a cut', async (t) => {
  t.match(parse(reply([], { flags: '8183' })), { code: 3, addresses: [], ttlSeconds: 0 });
  const cut = `${reply([address('0000003c', 'c0000201'), 'c00c 0001'], { flags: '8380' })}`;
  t.same(parse(cut), { code: 0, truncated: true, addresses: ['c0000201'], ttlSeconds: 60 });
});

t.test('dnsReplyParse() refuses what does not answer the question', async (t) => {
  const good = address('0000003c', 'c0000201');
  const refused: Record<string, string> = {
    'another id': reply([good], { id: '4321' }),
    'a query': reply([good], { flags: '0180' }),
    'another opcode': reply([good], { flags: '8980' }),
    'another name': reply([good], { name: hubName.replace('687562', '687561') }),
    'another type': reply([good], { type: '001c' }),
    'a cut record': reply([good.slice(0, -4)]),
    'an address of five bytes': reply(['c00c 0001 0001 0000003c 0005 c000020101']),
    'more records than there are': reply([good]).replace('00010001', '00010002'),
    'a header alone': '123481800001000000000000',
    'an alias that is longer than its data': reply(['c00c 0005 0001 0000000a 0001 c00c']),
  };
  for (const [why, text] of Object.entries(refused)) t.equal(parse(text), undefined, why);
});

t.test('dnsNameRead() follows no pointer forwards, to itself, into the header, or past 255 bytes', async (t) => {
  const at12 = (text: string) => fromHex(`000000000000000000000000 ${text}`);
  const read = (text: string, from = 12) => dnsNameRead(at12(text), from, at12(text).length);
  t.same(read('0161 00 c00c', 15), { name: 'a', next: 17 });
  t.equal(read('c00c'), undefined, 'to itself');
  t.equal(read('c00e c00c'), undefined, 'forwards');
  t.equal(read('c00e 0161 00'), undefined, 'forwards to a name');
  t.equal(read('0161 c00c', 12), undefined, 'a circle with a label');
  t.equal(read('c000'), undefined, 'into the header');
  t.equal(read('c0'), undefined, 'half a pointer');
  t.equal(read('4161 00'), undefined, 'a length of the reserved kind');
  t.equal(read(`${`3f${'61'.repeat(63)}`.repeat(4)}00`), undefined, '257 bytes');
  t.ok(read(`${`3f${'61'.repeat(63)}`.repeat(3)}3d${'61'.repeat(61)}00`));
});

t.test('dnsReplyParse() survives any bytes, and any change of a good reply', async () => {
  const good = fromHex(
    reply(['c00c 0005 0001 0000000a 0007 047265616c c010', '047265616c c010 0001 0001 000000ff 0004 c0000209']),
  );
  const changes = fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 4 });
  fc.assert(
    fc.property(changes, fc.nat(good.length), fc.uint8Array({ maxLength: 100 }), (edits, end, random) => {
      const bytes = good.slice();
      for (const [at, value] of edits) bytes[at] = value;
      for (const found of [dnsReplyParse(bytes, end, question), dnsReplyParse(bytes, bytes.length, question)]) {
        if (found !== undefined && !found.addresses.every((hex) => hex.length === 8)) throw new Error('not an address');
      }
      dnsReplyParse(random, random.length, { ...question, id: ((random[0] ?? 0) << 8) | (random[1] ?? 0) });
      for (let at = 0; at < random.length; at++) dnsNameRead(random, at, random.length);
    }),
    { numRuns: 3000 },
  );
});
