/**
 * What a dead actor's inputs tell: a record on which it died for the second time is skipped by its successor, and its beginning
 * goes to the error log before that, since nobody can look for a bug in a packet that is only counted.
 */
import type { ActorSpec } from '../actors/kit/contract.ts';
import type { ErrorReport } from '../actors/kit/messages.ts';
import { recordType } from '../contract/records.ts';
import { findPoison, type PoisonRecord } from '../rings/spsc-ring.ts';

const bytesPerLine = 16;

/** After the thread's exit and before the next start: `findPoison` relies on it. */
export function poisonReports(actor: ActorSpec): ErrorReport[] {
  return Object.values(actor.ports).flatMap((port) => {
    const found = port.side === 'consumer' ? findPoison(port.ring) : undefined;
    return found === undefined ? [] : [reportOf(port.name, found)];
  });
}

function reportOf(ring: string, { type, lengthBytes, head }: PoisonRecord): ErrorReport {
  const kind = Object.entries(recordType).find(([, value]) => value === type)?.[0] ?? `type ${type}`;
  const message = `Skipped a ${kind} record of ${lengthBytes} bytes in ${ring}: two threads in a row died on it`;
  const name = 'PoisonRecord';
  return { name, message, code: undefined, stack: [`${name}: ${message}`, ...hexLines(head)].join('\n') };
}

/** `    0010  45 00 …`: what `hawser errors --stack` shows. */
function hexLines(bytes: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += bytesPerLine) {
    const text = Buffer.from(bytes.subarray(at, at + bytesPerLine))
      .toString('hex')
      .replace(/..(?=.)/g, '$& ');
    lines.push(`    ${at.toString(16).padStart(4, '0')}  ${text}`);
  }
  return lines;
}
