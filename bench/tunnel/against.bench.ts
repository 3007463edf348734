/**
 * One TCP stream through this build and through another one, pair by pair: `--against CHECKOUT` names a folder that was built
 * (`npm ci && npm run build`), usually the commit before the work at hand. Wire-honest, ChaCha20-Poly1305, up and down; CPU of the whole box.
 * `--parts dedicated,compact`; `--ramp 40`: seconds of traffic before the measured ones (5), for what a daemon costs in the long run.
 *
 * Only one build lives at a time: what the idle daemons of one build burn would be charged to the other (7 % of a core of 40e72d1's
 * made its successor look 5 % slower). Which build goes first alternates.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { comparePairs, option, pairCount, runSeconds } from '../support/bench.ts';
import { type Goodput, measureTcp, type Placement, Wire } from './tunnels.ts';

/** Each direction's unmeasured seconds. Within 5 the engine still compiles what is hot (2 % of the machine); after 40 it is done. */
const warmUpSeconds = Number(option('ramp', '5'));
const placements = option('parts', 'dedicated,compact').split(',') as readonly Placement[];
const directions = ['up', 'down'] as const;

const seconds = Math.max(3, runSeconds);
const checkout = option('against', '');
const program = path.join(checkout, 'build/src/cli/main.js');

/** Starts a build's two daemons alone, and measures each direction. */
async function measureBuild(placement: Placement, other?: string): Promise<readonly Goodput[]> {
  const wire = new Wire('wire-honest');
  try {
    await wire.startServer();
    const tunnel = await wire.startHawser(placement, 'chacha20-poly1305', { program: other });
    for (const direction of directions) measureTcp(wire, tunnel, direction, warmUpSeconds);
    return directions.map((direction) => measureTcp(wire, tunnel, direction, seconds));
  } finally {
    await wire.lab.close();
  }
}

async function run(placement: Placement): Promise<void> {
  const ours: (readonly Goodput[])[] = [];
  const theirs: (readonly Goodput[])[] = [];
  const takeOurs = async () => ours.push(await measureBuild(placement));
  const takeTheirs = async () => theirs.push(await measureBuild(placement, program));
  for (let pair = 0; pair < pairCount; pair += 1) {
    for (const take of pair % 2 === 0 ? [takeOurs, takeTheirs] : [takeTheirs, takeOurs]) await take();
  }
  for (const [index, direction] of directions.entries()) {
    const words = { placement, direction, cc: 'cubic', ramp: warmUpSeconds };
    for (const [name, unit, column] of [
      ['against-goodput', 'Gbit/s', 'gbps'],
      ['against-cpu', 's/GB', 'cpuSecondsPerGb'],
    ] as const) {
      const side = (label: string, runs: readonly (readonly Goodput[])[]) => {
        const values = runs.map((each) => each[index]?.[column] ?? Number.NaN);
        return { label, take: () => values.shift() ?? Number.NaN };
      };
      comparePairs(name, words, unit, side('this', ours), side('other', theirs));
    }
  }
}

if (checkout === '') console.error('tunnel/against compares with another build: name its folder by --against CHECKOUT');
else if (!existsSync(program)) {
  console.error(`Cannot compare with ${checkout}: ${program} is missing (run npm ci && npm run build there)`);
  process.exitCode = 1;
} else for (const placement of placements) await run(placement);
