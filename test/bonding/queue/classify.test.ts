/** classify(): what people wait for is the latency class, what they leave running is bulk. */
import t from 'tap';
import { classify } from '../../../src/bonding/queue/classify.ts';
import { facts } from '../../../src/contract/columns.ts';
import { trafficClass } from '../../../src/contract/records.ts';

const names = new Map<number, string>(Object.entries(trafficClass).map(([name, value]) => [value, name]));

function classOf(part: Partial<Record<keyof typeof facts, number>>): string | undefined {
  const row = new Int32Array(3 * facts.columns).fill(99);
  const at = facts.columns;
  row.fill(0, at, at + facts.columns);
  for (const [name, value] of Object.entries(part)) row[at + facts[name as keyof typeof facts]] = value;
  return names.get(classify(row, at));
}

t.test('classify() tells urgent from bulk', async (t) => {
  const [tcp, udp] = [6, 17];
  t.equal(classOf({ protocol: tcp, bytes: 64_000, payloadBytes: 63_948 }), 'bulk', 'a super-packet');
  t.equal(classOf({ protocol: tcp, bytes: 52 }), 'latency', 'an acknowledgement');
  t.equal(classOf({ protocol: tcp, bytes: 100, payloadBytes: 48 }), 'latency', 'a keystroke');
  t.equal(classOf({ protocol: tcp, bytes: 181, payloadBytes: 129 }), 'bulk');
  t.equal(classOf({ protocol: 1, bytes: 1_420 }), 'latency', 'a ping, also a large one');
  t.equal(classOf({ protocol: 58, bytes: 104 }), 'latency', 'ICMPv6');
  t.equal(classOf({ protocol: udp, bytes: 1_228, destinationPort: 53 }), 'latency', 'DNS');
  t.equal(classOf({ protocol: udp, bytes: 1_228, sourcePort: 53 }), 'latency', 'its answer');
  t.equal(classOf({ protocol: udp, bytes: 200, destinationPort: 5_004 }), 'latency', 'a call');
  t.equal(classOf({ protocol: udp, bytes: 1_400, destinationPort: 5_201 }), 'bulk');
  t.equal(classOf({ protocol: udp, bytes: 1_400, trafficClass: 46 << 2 }), 'latency', 'EF');
  t.equal(classOf({ protocol: tcp, bytes: 1_400, payloadBytes: 1_348, trafficClass: (46 << 2) | 3 }), 'latency');
  t.equal(classOf({ protocol: tcp, bytes: 1_400, payloadBytes: 1_348, trafficClass: 8 << 2 }), 'bulk', 'CS1');
  t.equal(classOf({ protocol: 47, bytes: 80 }), 'bulk', 'what it does not know');
  t.equal(classOf({ protocol: 0, bytes: 80 }), 'bulk', 'fragments');
});
