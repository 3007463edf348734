import t from 'tap';
import { tcpFlag } from '../../src/contract/flows.ts';
import {
  sequenceAfter,
  sequenceDistance,
  type TcpFields,
  tcpAcknowledgement,
  tcpCheckLength,
  tcpEcho,
  tcpEmit,
  tcpFlags,
  tcpHasStamps,
  tcpLength,
  tcpMss,
  tcpSaysSackPermitted,
  tcpSequence,
  tcpStamp,
  tcpWindow,
  tcpWindowShift,
} from '../../src/wire/tcp.ts';
import { hex, unhex } from '../support/vectors.ts';

/** A SYN, its answer and what acknowledges that, as Linux 6.18 sent them over a veth (tcpdump -x), without their checksums. */
const linuxSyn = '95b4138822bfd6b900000000a002faf000000000020405b40402080a3f2fc705000000000103030a';
const linuxSynAck = '138895b4b6b99c6822bfd6baa012fe8800000000020405b40402080ab00f8efa3f2fc7050103030a';
const linuxAck = '95b4138822bfd6bab6b99c698010003f000000000101080a3f2fc705b00f8efa';
const plain: TcpFields = {
  sourcePort: 38_324,
  destinationPort: 5_000,
  sequence: 0x22bfd6b9,
  acknowledgement: 0,
  flags: tcpFlag.syn,
  window: 64_240,
  mss: 0,
  isSackPermitted: false,
  windowShift: -1,
  stamp: undefined,
  echo: 0,
};

function emit(fields: Partial<TcpFields>): string {
  const target = new Uint8Array(80).fill(0xaa);
  return hex(target.subarray(7, 7 + tcpEmit(target, 7, { ...plain, ...fields })));
}

t.test("tcpEmit() writes Linux's SYN, its answer, and the segments that follow", (t) => {
  const options = { mss: 1460, isSackPermitted: true, windowShift: 10 };
  t.equal(emit({ ...options, stamp: 0x3f2fc705 }), linuxSyn);
  const answer = {
    sourcePort: 5_000,
    destinationPort: 38_324,
    sequence: 0xb6b99c68,
    acknowledgement: 0x22bfd6ba,
    flags: tcpFlag.syn | tcpFlag.ack,
    window: 65_160,
    stamp: 0xb00f8efa,
    echo: 0x3f2fc705,
  };
  t.equal(emit({ ...options, ...answer }), linuxSynAck);
  const numbers = { sequence: 0x22bfd6ba, acknowledgement: 0xb6b99c69, window: 63 };
  t.equal(emit({ ...numbers, flags: tcpFlag.ack, stamp: 0x3f2fc705, echo: 0xb00f8efa }), linuxAck);
  t.equal(emit({ windowShift: 14 }).slice(40), '0103030e', "phantun's SYN");
  t.equal(emit({ isSackPermitted: true }).slice(40), '01010402', 'padded to words without timestamps');
  t.equal(emit({}).length, 40);
  t.end();
});

t.test('the getters read what Linux says', (t) => {
  const bytes = unhex(`ffff${linuxSynAck}`);
  t.ok(tcpCheckLength(bytes, 2, bytes.length));
  t.equal(tcpLength(bytes, 2), 40);
  t.same([tcpSequence(bytes, 2), tcpAcknowledgement(bytes, 2)], [0xb6b99c68, 0x22bfd6ba]);
  t.same([tcpFlags(bytes, 2), tcpWindow(bytes, 2)], [tcpFlag.syn | tcpFlag.ack, 65_160]);
  t.same([tcpMss(bytes, 2), tcpWindowShift(bytes, 2), tcpSaysSackPermitted(bytes, 2)], [1460, 10, true]);
  t.same([tcpHasStamps(bytes, 2), tcpStamp(bytes, 2), tcpEcho(bytes, 2)], [true, 0xb00f8efa, 0x3f2fc705]);
  t.end();
});

t.test('options that make no sense are passed over', (t) => {
  const withOptions = (options: string): Uint8Array => {
    const bytes = new Uint8Array(60);
    bytes.set(unhex(options), 20);
    bytes[12] = Math.ceil((20 + options.length / 2) / 4) << 4;
    return bytes;
  };
  const shiftOf = (options: string): number => tcpWindowShift(withOptions(options), 0);
  t.equal(shiftOf('fe0401020303070000'), 7, 'unknown ones by their length');
  t.equal(shiftOf('0000030307'), -1, 'nothing behind the end');
  t.equal(shiftOf('fe0003030700'), -1, 'a length of nothing');
  t.equal(shiftOf('fe3003030700'), -1, 'a length beyond the header');
  t.equal(shiftOf('030403070000'), -1, 'a length that is not its own');
  t.equal(shiftOf('01010103'), -1, 'the header ends within one');
  t.equal(shiftOf('0303ff00'), 14, 'RFC 7323 section 2.3');
  const cut = unhex(linuxSyn);
  t.notOk(tcpCheckLength(cut, 0, 39), 'longer than what there is');
  cut[12] = 0x40;
  t.notOk(tcpCheckLength(cut, 0, 40), 'shorter than a header');
  for (let seed = 0; seed < 2000; seed += 1) {
    const bytes = Uint8Array.from({ length: 60 }, (_, index) => (seed * 2654435761 * (index + 1)) >>> 13);
    for (const read of [tcpMss, tcpWindowShift, tcpStamp]) read(bytes, 0);
  }
  t.end();
});

t.test('sequence numbers wrap', (t) => {
  t.equal(sequenceAfter(0xffff_fff0, 0x20), 0x10);
  t.equal(sequenceAfter(0, -1), 0xffff_ffff);
  t.equal(sequenceDistance(0x10, 0xffff_fff0), 0x20);
  t.equal(sequenceDistance(0xffff_fff0, 0x10), -0x20);
  t.end();
});
