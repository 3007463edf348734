/**
 * What an obfuscation of data costs while it is on: processor time of the sending and of the receiving daemon for each packet of one TCP stream,
 * wire-honest, with paddings of 16 bytes and a range of headers, against the same without, pair by pair. `npm run bench -- tunnel/obfuscation
 * [--mode compact,dedicated] [--pairs 5] [--seconds 5]`
 */
import { median, option, pairCount, report, runSeconds, spread } from '../support/bench.ts';
import { measureTcp, type Placement, spentSeconds, type Tunnel, Wire } from './tunnels.ts';

const seconds = Math.max(3, runSeconds);
const placements = option('mode', 'compact,dedicated').split(',') as Placement[];
const cipher = 'chacha20-poly1305';
const warmUpSeconds = 5;
/** Of TCP in 1,420 bytes less IP's header and TCP's with timestamps. */
const payloadBytes = 1420 - 20 - 32;
const worn = { s4: 16, h4: '1000-2147483647' } as const;

interface Cost {
  readonly gbps: number;
  /** Nanoseconds a packet. */
  readonly sending: number;
  readonly receiving: number;
}

function measure(wire: Wire, tunnel: Tunnel): Cost {
  const [a = 0, b = 0] = tunnel.pids ?? [];
  const before = [a, b].map(spentSeconds);
  const { gbps } = measureTcp(wire, tunnel, 'up', seconds);
  const packets = (gbps * 1e9 * seconds) / 8 / payloadBytes;
  const [sending = 0, receiving = 0] = [a, b].map((pid, index) => spentSeconds(pid) - (before[index] ?? 0));
  return { gbps, sending: (sending / packets) * 1e9, receiving: (receiving / packets) * 1e9 };
}

async function runOne(placement: Placement): Promise<void> {
  const wire = new Wire('wire-honest');
  try {
    await wire.startServer();
    const sides = [
      { label: 'worn', tunnel: await wire.startHawser(placement, cipher, { obfuscation: worn }), costs: [] as Cost[] },
      { label: 'bare', tunnel: await wire.startHawser(placement, cipher), costs: [] as Cost[] },
    ] as const;
    for (const { tunnel } of sides) measureTcp(wire, tunnel, 'up', warmUpSeconds);
    for (let pair = 0; pair < pairCount; pair += 1)
      for (const { tunnel, costs } of sides) costs.push(measure(wire, tunnel));
    const words = { mode: 'wire-honest', placement, cipher };
    for (const [what, unit] of [
      ['sending', 'ns'],
      ['receiving', 'ns'],
      ['gbps', 'Gbit/s'],
    ] as const) {
      const [ofWorn, ofBare] = [sides[0].costs, sides[1].costs].map((costs) => costs.map((one) => one[what]));
      const tell = (side: string, values: readonly number[] = []) =>
        report(`obfuscation-${what}`, { ...words, side, spread: spread(values) }, median(values), unit);
      tell('worn', ofWorn);
      tell('bare', ofBare);
      tell(
        'worn-bare',
        ofWorn?.map((value, index) => value - (ofBare?.[index] ?? Number.NaN)),
      );
    }
  } finally {
    await wire.lab.close();
  }
}

for (const placement of placements) await runOne(placement);
