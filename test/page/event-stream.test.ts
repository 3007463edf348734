/** The parser of server-sent events: whole events come out, wherever the network cut the text. */
import fc from 'fast-check';
import t from 'tap';
import { type StreamEvent, StreamParser } from '../../src/page/event-stream.ts';

const text =
  ': hello\n\nid: 7\nevent: event\ndata: {"a":1}\n\nevent: top\r\ndata: one\r\ndata: two\r\n\r\ndata:bare\n\nevent: empty\n\nid: 8\n';
const whole: readonly StreamEvent[] = [
  { event: 'event', data: '{"a":1}', id: '7' },
  { event: 'top', data: 'one\ntwo', id: '7' },
  { event: 'message', data: 'bare', id: '7' },
];

t.test('take() gives what is whole, and keeps the rest', async (t) => {
  const parser = new StreamParser();
  t.same(parser.take(text), whole);
  t.same(parser.take('data: x\n'), []);
  t.same(parser.take('\n'), [{ event: 'message', data: 'x', id: '8' }]);
});

t.test('take() gives the same, wherever the text is cut', async () => {
  fc.assert(
    fc.property(fc.array(fc.nat(text.length), { maxLength: 8 }), (cuts) => {
      const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
      const parser = new StreamParser();
      const events = places.slice(1).flatMap((end, index) => parser.take(text.slice(places[index], end)));
      return JSON.stringify(events) === JSON.stringify(whole);
    }),
  );
});
