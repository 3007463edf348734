/** What an invited machine's first messages by UDP wear (docs/operating/obfuscation.md): junk and paddings on, and off again. */
import { randomBytes, randomInt } from 'node:crypto';
import { handshakeBytes, type ObfuscationConfig } from '../config/obfuscation.ts';
import type { Enrolment } from '../protocols/session/enrolment.ts';
import { dataHeaderBytes, initiationBytes } from '../wire/wireguard.ts';

/** Index into paddings and headers. */
const kind = { initiation: 0, data: 3 } as const;

/** The datagrams that bear `message`; the message itself is the last. */
export function dress(enrolment: Enrolment, message: Uint8Array, worn: ObfuscationConfig, nowUs: number): Uint8Array[] {
  const isCall = message.length === initiationBytes;
  const index = isCall ? kind.initiation : kind.data;
  const { first, last } = worn.headers[index] ?? { first: index + 1, last: index + 1 };
  const type = first + (last > first ? randomInt(last - first + 1) : 0);
  const dressed = enrolment.retyped(message, type, nowUs);
  const junk = Array.from({ length: isCall ? worn.jc : 0 }, () =>
    random(worn.jmin + randomInt(Math.max(1, worn.jmax - worn.jmin + 1))),
  );
  return [...junk, Buffer.concat([random(worn.paddings[index] ?? 0), dressed])];
}

/** All messages that a datagram may be; what is none of the hub's opens nowhere. */
export function undress(datagram: Uint8Array, worn: ObfuscationConfig): Uint8Array[] {
  const handshakes = handshakeBytes.flatMap((bytes, index) => {
    const padding = worn.paddings[index] ?? 0;
    return datagram.length === bytes + padding ? [datagram.slice(padding)] : [];
  });
  const padding = worn.paddings[kind.data] ?? 0;
  return datagram.length >= padding + dataHeaderBytes ? [...handshakes, datagram.slice(padding)] : handshakes;
}

function random(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length));
}
