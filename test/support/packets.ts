/** Inner packets for tests: whole TCP super-packets with their virtio_net_hdr, UDP packets, and checksums computed another way. */

export function foldedSum(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] as number) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** Sum over pseudo-header and transport part of an IPv4 packet with a 20-byte header: 0xffff when the checksum is right. */
export function transportSum(packet: Uint8Array): number {
  const length = packet.length - 20;
  return foldedSum(packet.subarray(20), foldedSum(packet.subarray(12, 20)) + (packet[9] as number) + length);
}

export interface Train {
  readonly packet: Uint8Array;
  readonly vnet: Uint8Array;
  readonly headerBytes: number;
  readonly sequence: number;
}

export function tcpTrain(shape: {
  version: 4 | 6;
  payloadBytes: number;
  segmentBytes: number;
  push: boolean;
  sequence?: number;
}): Train {
  const ipBytes = shape.version === 4 ? 20 : 40;
  const headerBytes = ipBytes + 32;
  const sequence = shape.sequence ?? 0x01020304;
  const packet = new Uint8Array(headerBytes + shape.payloadBytes);
  const view = new DataView(packet.buffer);
  if (shape.version === 4) {
    packet.set([
      0x45,
      0,
      packet.length >> 8,
      packet.length & 255,
      0x12,
      0x34,
      0x40,
      0,
      64,
      6,
      0,
      0,
      10,
      9,
      0,
      1,
      10,
      9,
      0,
      2,
    ]);
    view.setUint16(10, 0xffff ^ foldedSum(packet.subarray(0, 20)));
  } else {
    packet.set([0x60, 0, 0, 0, (packet.length - 40) >> 8, (packet.length - 40) & 255, 6, 64]);
    packet.set([0xfd, 0, 0, 9], 8);
    packet.set([0xfd, 0, 0, 9], 24);
    packet[23] = 1;
    packet[39] = 2;
  }
  view.setUint16(ipBytes, 5001);
  view.setUint16(ipBytes + 2, 443);
  view.setUint32(ipBytes + 4, sequence);
  view.setUint32(ipBytes + 8, 0x0a0b0c0d);
  packet.set([0x80, 0x10 | (shape.push ? 8 : 0), 0x01, 0xf6], ipBytes + 12);
  // NOP NOP timestamp
  packet.set([1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8], ipBytes + 20);
  for (let at = headerBytes; at < packet.length; at += 1) packet[at] = (at * 31 + (at >> 8)) & 255;
  const vnet = new Uint8Array(10);
  const head = new DataView(vnet.buffer);
  vnet[0] = 1;
  vnet[1] = shape.version === 4 ? 1 : 4;
  head.setUint16(2, headerBytes, true);
  head.setUint16(4, shape.segmentBytes, true);
  head.setUint16(6, ipBytes, true);
  head.setUint16(8, 16, true);
  return { packet, vnet, headerBytes, sequence };
}

export function udpPacket(shape: {
  source: readonly number[];
  /** 10.9.0.2 unless said. */
  target?: readonly number[];
  payloadBytes: number;
}): Uint8Array {
  const packet = new Uint8Array(28 + shape.payloadBytes);
  packet.set([
    0x45,
    0,
    packet.length >> 8,
    packet.length & 255,
    0,
    0,
    0x40,
    0,
    64,
    17,
    0,
    0,
    ...shape.source,
    ...(shape.target ?? [10, 9, 0, 2]),
  ]);
  const view = new DataView(packet.buffer);
  view.setUint16(10, 0xffff ^ foldedSum(packet.subarray(0, 20)));
  view.setUint16(20, 4000);
  view.setUint16(22, 4001);
  view.setUint16(24, 8 + shape.payloadBytes);
  for (let at = 28; at < packet.length; at += 1) packet[at] = at & 255;
  view.setUint16(26, 0xffff ^ transportSum(packet));
  return packet;
}
