/** What an onlooker sees: the payloads of UDP or TCP that pass an interface, by tcpdump. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab, Port } from './netns.ts';

export interface Onlooker {
  /** Ends it; payloads over IPv4 in their order, cut at 200 bytes. Trains that the kernel has not cut yet are one. */
  stop(): Promise<Buffer[]>;
}

const ethernetBytes = 14;
const udpHeaderBytes = 8;
const tcpProtocol = 6;
const [fileHeaderBytes, packetHeaderBytes] = [24, 16];
let number = 0;

export async function capture(lab: Lab, port: Port, protocol: 'udp' | 'tcp' = 'udp'): Promise<Onlooker> {
  number += 1;
  const file = path.join(lab.folder, `capture-${number}.pcap`);
  const seen = (): number => (existsSync(file) ? statSync(file).size : 0);
  const args = ['-i', port.interface, '-U', '-s', '242', '-w', file, `ip and ${protocol}`];
  const child = port.host.spawn('tcpdump', args, { stdio: 'ignore' });
  for (let waitedMs = 0; seen() < fileHeaderBytes; waitedMs += 20) {
    if (waitedMs > 10_000 || child.exitCode !== null) throw new Error('tcpdump did not start');
    await sleep(20);
  }
  return {
    async stop() {
      // It writes what it has when it is asked to end.
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGINT');
      await ended;
      return payloads(readFileSync(file));
    },
  };
}

function payloads(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = fileHeaderBytes; at + packetHeaderBytes <= bytes.length; ) {
    const kept = bytes.readUInt32LE(at + 8);
    const packet = bytes.subarray(at + packetHeaderBytes, at + packetHeaderBytes + kept);
    const ipAt = ethernetBytes;
    const transportAt = ipAt + ((packet[ipAt] ?? 0) & 15) * 4;
    const isTcp = packet[ipAt + 9] === tcpProtocol;
    const headerBytes = isTcp ? ((packet[transportAt + 12] ?? 0) >> 4) * 4 : udpHeaderBytes;
    // A short frame is filled up to 60 bytes.
    const end = Math.min(kept, ipAt + packet.readUInt16BE(ipAt + 2));
    found.push(packet.subarray(transportAt + headerBytes, Math.max(transportAt + headerBytes, end)));
    at += packetHeaderBytes + kept;
  }
  return found;
}
