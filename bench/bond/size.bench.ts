/**
 * One cubic flow over links that silently swallow long packets, from the start and from the fifth second: its mean after that, the
 * worst second, and the mean of the same links without the fault in the same run.
 * `npm run bench -- bond/size [--sizes 1430,1400,1300] [--links narrow,wide,both,alone] [--ways both,up,down] [--from 0,5] [--flows up,down]`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startBond } from '../../test/support/bond.ts';
import { goodputMbit, runTcp, serveFlows } from '../../test/support/flows.ts';
import type { Both, LinkOptions } from '../../test/support/link-emulator.ts';
import { inside } from '../../test/support/pair.ts';
import { option, report } from '../support/bench.ts';

const port = 7000;
const seconds = 12;
/** Of a flow, and after the fault: what begins or changes is not measured. */
const rampSeconds = 3;
const wide = { name: 'wide', rateMbit: 60, delayMs: 10, queueMs: 60 } as const;
const narrow = { name: 'narrow', rateMbit: 40, delayMs: 20, queueMs: 60 } as const;

const list = (name: string, fallback: string): string[] => option(name, fallback).split(',');
const sizes = list('sizes', '1430,1400,1300').map(Number);
const flows = list('flows', 'up,down') as ('up' | 'down')[];

/** Which links there are, and which of them swallow. */
const cases: Readonly<Record<string, { readonly links: readonly LinkOptions[]; readonly faulty: readonly string[] }>> =
  {
    narrow: { links: [wide, narrow], faulty: ['narrow'] },
    wide: { links: [wide, narrow], faulty: ['wide'] },
    both: { links: [wide, narrow], faulty: ['wide', 'narrow'] },
    alone: { links: [narrow], faulty: ['narrow'] },
  };

interface Fault {
  readonly mtu: Both<number>;
  readonly links: readonly string[];
  readonly fromSeconds: number;
}

/** Mbit/s in each second. */
async function run(links: readonly LinkOptions[], flow: 'up' | 'down', fault?: Fault): Promise<number[]> {
  const isFaulty = (name: string) => fault?.links.includes(name) === true;
  const mtuOf = (name: string) => (fault?.fromSeconds === 0 && isFaulty(name) ? { mtu: fault.mtu } : {});
  const { lab, net } = await startBond({ emulated: links.map((one) => ({ ...one, ...mtuOf(one.name) })) });
  try {
    await serveFlows(net.server, port);
    const running = runTcp(net.client, inside.b4, port, { seconds: seconds + 0.5, direction: flow });
    if (fault !== undefined && fault.fromSeconds > 0) {
      await sleep(fault.fromSeconds * 1000);
      for (const link of net.links) if (isFaulty(link.name)) await link.set({ mtu: fault.mtu });
    }
    const streams = await running;
    return Array.from({ length: seconds }, (_, second) => goodputMbit(streams, second, second + 1));
  } finally {
    await lab.close();
  }
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;

for (const name of list('links', 'narrow,wide,both,alone')) {
  const chosen = cases[name];
  if (chosen === undefined) throw new Error(`no links "${name}": ${Object.keys(cases).join(' ')}`);
  for (const flow of flows) {
    const sound = meanOf((await run(chosen.links, flow)).slice(rampSeconds));
    for (const size of sizes) {
      for (const way of list('ways', 'both,up,down')) {
        for (const from of list('from', '0,5').map(Number)) {
          const mtu = way === 'both' ? size : { up: way === 'up' ? size : 0, down: way === 'down' ? size : 0 };
          const each = await run(chosen.links, flow, { mtu, links: chosen.faulty, fromSeconds: from });
          const after = each.slice(from + rampSeconds);
          const words = {
            links: name,
            size,
            way,
            from,
            flow,
            sound: sound.toFixed(1),
            worst: Math.min(...after).toFixed(1),
            each: each.map((one) => one.toFixed(0)).join('/'),
          };
          report('bond-size', words, meanOf(after), 'Mbit/s');
        }
      }
    }
  }
}
