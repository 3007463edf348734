/** Segments of TCP as somebody in the middle sees them: whether each lies within the window that its receiver has offered, and acknowledges no more than was sent. */
import { spawn } from 'node:child_process';
import readline from 'node:readline';

const fields = [
  'ip.src',
  'tcp.srcport',
  'tcp.dstport',
  'tcp.seq_raw',
  'tcp.ack_raw',
  'tcp.len',
  'tcp.window_size_value',
  'tcp.flags',
  'tcp.options.wscale.shift',
];
const [finFlag, synFlag, rstFlag, ackFlag] = [1, 2, 4, 16];

/** Of each TCP segment in a capture, by tshark: `SegmentCheck.take` reads them. */
export async function* linesOf(file: string): AsyncGenerator<string> {
  const args = ['-r', file, '-o', 'tcp.analyze_sequence_numbers:FALSE', '-T', 'fields'];
  const child = spawn('tshark', [...args, ...fields.flatMap((field) => ['-e', field])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of readline.createInterface({ input: child.stdout })) yield line;
}

/** What one end of a connection has said. */
interface Side {
  shift: number;
  /** Behind the highest that it sent; -1 = nothing yet. */
  sentEnd: number;
  /** Behind the highest that it takes. */
  takesEnd: number;
}

export class SegmentCheck {
  segments = 0;
  /** In words, of each segment that is wrong. */
  readonly faults: string[] = [];
  readonly #sides = new Map<string, Side>();

  take(line: string): void {
    const [source = '', from = '', to = '', ...rest] = line.split('\t');
    const [sequence = 0, acknowledgement = 0, length = 0, window = 0, flags = 0, shift = 0] = rest.map(Number);
    this.segments += 1;
    const ports = [from, to].sort().join('-');
    const own = this.#side(`${ports} ${source}`, (flags & synFlag) !== 0);
    const other = [...this.#sides].find(([key, side]) => key.startsWith(`${ports} `) && side !== own)?.[1];
    if ((flags & synFlag) !== 0) own.shift = rest[5] === '' ? 0 : shift;
    if ((flags & rstFlag) !== 0) return;
    const end = after(sequence, length + ((flags & (synFlag | finFlag)) === 0 ? 0 : 1));
    if (other !== undefined && other.takesEnd >= 0 && ahead(end, other.takesEnd) > 0)
      this.#fault(line, `ends ${ahead(end, other.takesEnd)} bytes beyond the window`);
    if (own.sentEnd < 0 || ahead(end, own.sentEnd) > 0) own.sentEnd = end;
    if ((flags & ackFlag) === 0) return;
    if (other !== undefined && other.sentEnd >= 0 && ahead(acknowledgement, other.sentEnd) > 0)
      this.#fault(line, `acknowledges ${ahead(acknowledgement, other.sentEnd)} bytes that were never sent`);
    // A window in a SYN is not scaled (RFC 7323 section 2.2).
    const takesEnd = after(acknowledgement, (flags & synFlag) !== 0 ? window : window * 2 ** own.shift);
    if (own.takesEnd < 0 || ahead(takesEnd, own.takesEnd) > 0) own.takesEnd = takesEnd;
  }

  #side(key: string, isNew: boolean): Side {
    const known = isNew ? undefined : this.#sides.get(key);
    if (known !== undefined) return known;
    const side = { shift: 0, sentEnd: -1, takesEnd: -1 };
    this.#sides.set(key, side);
    return side;
  }

  #fault(line: string, what: string): void {
    this.faults.push(`${line.replaceAll('\t', ' ')}: ${what}`);
  }
}

function after(sequence: number, bytes: number): number {
  return (sequence + bytes) >>> 0;
}

/** How far one number is ahead of another, modulo 2^32. */
function ahead(one: number, other: number): number {
  return (one - other) | 0;
}
