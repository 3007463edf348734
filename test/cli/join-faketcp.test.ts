/** What a kernel's TCP makes of a hub's segments, taken apart again. */
import t from 'tap';
import { messagesIn } from '../../src/cli/join-faketcp.ts';

const message = (type: number, receiver: number, length: number, fill: number): Buffer => {
  const bytes = Buffer.alloc(length, fill);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(receiver, 4);
  return bytes;
};

t.test('messagesIn() gives back what was joined, each message whole', async (t) => {
  const all = [
    message(3, 7, 64, 1),
    message(2, 9, 92, 2),
    message(4, 7, 32, 3),
    message(4, 7, 200, 4),
    message(4, 7, 48, 5),
  ];
  for (let from = 0; from < all.length; from += 1)
    for (let to = from + 1; to <= all.length; to += 1)
      t.same(
        messagesIn(Buffer.concat(all.slice(from, to))).map((one) => Buffer.from(one)),
        all.slice(from, to),
      );
});

t.test('messagesIn() ends with whatever comes', async (t) => {
  t.same(messagesIn(new Uint8Array(0)), []);
  for (const bytes of [Buffer.of(2), Buffer.of(3, 0, 0), Buffer.of(4), Buffer.alloc(5000, 4), Buffer.alloc(300, 1)])
    t.same(Buffer.concat(messagesIn(bytes)), bytes);
});
