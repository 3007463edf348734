import t from 'tap';
import { icmpEchoEmit, icmpIsReplyTo, internetChecksum } from '../../src/wire/icmp.ts';

const nonce = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
const echo4 = { family: 4, identifier: 0x1234, sequence: 0xfffe, nonce } as const;
const echo6 = { ...echo4, family: 6 } as const;

/** The reply that a host makes of a request (RFC 792: same data, type 0). */
function replyOf(request: Uint8Array, type: number): Uint8Array {
  const reply = request.slice();
  reply[0] = type;
  reply[2] = 0;
  reply[3] = 0;
  const sum = internetChecksum(reply, 0, reply.length);
  reply[2] = sum >> 8;
  reply[3] = sum & 0xff;
  return reply;
}

t.test('internetChecksum() gives the sum of RFC 1071 section 3', async (t) => {
  const example = Uint8Array.from([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
  t.equal(internetChecksum(example, 0, 8), ~0xddf2 & 0xffff);
  t.equal(internetChecksum(Uint8Array.from([0x01]), 0, 1), 0xfeff, 'an odd byte is padded with zero behind it');
});

t.test('icmpEchoEmit() writes a request of each family', async (t) => {
  const bytes = new Uint8Array(40);
  t.equal(icmpEchoEmit(bytes, 4, echo4), 4 + 24);
  t.equal(Buffer.from(bytes.subarray(4, 6)).toString('hex'), '0800');
  t.equal(Buffer.from(bytes.subarray(8, 12)).toString('hex'), '1234fffe');
  t.equal(internetChecksum(bytes, 4, 28), 0, 'the checksum makes the message sum to nothing');
  icmpEchoEmit(bytes, 0, echo6);
  t.equal(Buffer.from(bytes.subarray(0, 4)).toString('hex'), '80000000', 'the kernel adds the checksum of ICMPv6');
});

t.test('icmpIsReplyTo() takes the reply to this request and to no other', async (t) => {
  const request = new Uint8Array(24);
  icmpEchoEmit(request, 0, echo4);
  const reply = replyOf(request, 0);
  t.ok(icmpIsReplyTo(reply, 24, echo4));
  const renamed = reply.slice();
  renamed[4] = 0x99;
  t.ok(icmpIsReplyTo(renamed, 24, echo4), 'a ping socket has an identifier of its own');
  const raw = Buffer.concat([Buffer.from('4600', 'hex'), Buffer.alloc(22), reply]);
  t.ok(icmpIsReplyTo(raw, raw.length, echo4), 'behind an IP header of six words');
  t.notOk(icmpIsReplyTo(request, 24, echo4), 'the request itself, as loopback shows it');
  t.notOk(icmpIsReplyTo(reply, 23, echo4), 'cut');
  const coded = reply.slice();
  coded[1] = 1;
  t.notOk(icmpIsReplyTo(coded, 24, echo4), 'of another code');
  t.notOk(icmpIsReplyTo(reply, 24, { ...echo4, sequence: 1 }));
  t.notOk(icmpIsReplyTo(reply, 24, { ...echo4, nonce: nonce.map((byte) => byte ^ 1) }));
  t.notOk(icmpIsReplyTo(reply, 24, echo6));
  t.ok(icmpIsReplyTo(replyOf(request, 129), 24, echo6));
  for (let length = 0; length < 24; length++) t.notOk(icmpIsReplyTo(raw.subarray(0, length), length, echo4));
});
