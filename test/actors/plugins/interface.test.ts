/** What comes from a plugin's process: lines of bounded length, of which only those that mean something are taken. */
import t from 'tap';
import { answerSchemas, printable, readLine } from '../../../src/actors/plugins/interface.ts';
import { LineSplitter } from '../../../src/actors/plugins/line-splitter.ts';
import { Usage } from '../../../src/actors/plugins/usage.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

t.test('LineSplitter gives whole lines, however they were cut', async (t) => {
  const text = 'one\ntwo\n\nthree and a half\nfour';
  for (let size = 1; size <= text.length; size += 1) {
    const splitter = new LineSplitter(64);
    const lines: (string | undefined)[] = [];
    for (let at = 0; at < text.length; at += size)
      lines.push(...(splitter.take(bytes(text.slice(at, at + size))) ?? ['?']));
    t.strictSame(lines, ['one', 'two', '', 'three and a half'], `in pieces of ${size}`);
    t.strictSame(splitter.take(bytes('\n')), ['four']);
  }
});

t.test('LineSplitter holds no more than a line may have', async (t) => {
  const splitter = new LineSplitter(100);
  for (let count = 0; count < 100; count += 1) t.strictSame(splitter.take(bytes('x')), []);
  t.equal(splitter.take(bytes('x')), undefined, 'half a line that never ends');
  t.equal(new LineSplitter(100).take(bytes(`${'x'.repeat(101)}\n`)), undefined);
  t.strictSame(new LineSplitter(100).take(bytes(`${'x'.repeat(100)}\n`)), ['x'.repeat(100)]);
});

t.test('readLine takes what the interface knows, and nothing else', async (t) => {
  const hello = { kind: 'hello', interface: 1, hooks: { events: ['link-*'], authorise: true, bonding: 10 } };
  t.strictSame(readLine(JSON.stringify(hello)), hello);
  t.strictSame(readLine('{"kind":"answer","id":3,"answer":null}'), { kind: 'answer', id: 3, answer: null });
  for (const line of [
    '',
    'null',
    '[1]',
    'hello',
    '{"kind":"hello"}',
    '{"kind":"answer","id":0}',
    '{"kind":"answer","id":"1"}',
    '{"kind":"answer","id":1.5}',
    '{"kind":"command","to":"sealer"}',
    '{"kind":"hello","interface":1,"hooks":{"events":["a b"]}}',
    '{"kind":"hello","interface":1,"hooks":{"bonding":0.01}}',
    `${'['.repeat(30_000)}`,
  ])
    t.throws(() => readLine(line), /^it wrote a line/, line.slice(0, 60));
});

t.test('answers: only a clear yes lets a client in; words hold no control characters', async (t) => {
  const { authorise, webhook, health } = answerSchemas;
  t.match(authorise.parse(true), { allow: true });
  t.match(authorise.parse({ allow: false, reason: 'no\n\u001b[2Jgo' }), { allow: false, reason: 'no [2Jgo' });
  for (const answer of [null, 'yes', 1, {}, { allow: 'yes' }, { allow: 1 }, [true]])
    t.notOk(authorise.safeParse(answer).success, JSON.stringify(answer));
  t.notOk(webhook.safeParse({ body: 'x', contentType: 'text/plain\r\nx-evil: 1' }).success);
  t.ok(webhook.safeParse({ body: 'x', contentType: 'text/plain; charset=utf-8' }).success);
  t.notOk(health.safeParse({ ok: true, rttMs: Number.POSITIVE_INFINITY }).success);
  t.equal(printable('a\u202eb\u0000c'), 'a b c');
});

t.test('Usage ends who uses more than it may over half a minute, and forgives a start', async (t) => {
  const look = (percent: number, most: number): string | undefined => {
    const usage = new Usage(most);
    let excess: string | undefined;
    for (let second = 0; second <= 40 && excess === undefined; second += 1)
      excess = usage.take({ ranMs: 900 + second * 10 * percent, residentBytes: 1 }, second * 1000);
    return excess;
  };
  t.match(look(100, 50), /uses too much: 100 % .* may use 50/);
  t.equal(look(49, 50), undefined);
  const burst = new Usage(50);
  for (let second = 0; second <= 60; second += 1) {
    const ranMs = second < 10 ? second * 1000 : 10_000;
    t.equal(burst.take({ ranMs, residentBytes: 1 }, second * 1000), undefined, `${second} s`);
  }
});
