/**
 * Two peers of a hub, one TCP stream each at the same time, with two pairs of sealer and opener at the hub and with one: the sum, down and up.
 * `--parts dedicated,compact`; `--ramp 5`: seconds of traffic before the measured ones.
 */

import { goodputMbit, runTcp, serveFlows } from '../../test/support/flows.ts';
import { hubAddress, type ShardLab, startShardLab } from '../../test/support/shard-lab.ts';
import { comparePairs, option, pairCount, runSeconds } from '../support/bench.ts';

const rampSeconds = Number(option('ramp', '5'));
const seconds = Math.max(3, runSeconds);
const placements = option('parts', 'dedicated,compact').split(',') as readonly ('dedicated' | 'compact')[];
const directions = ['down', 'up'] as const;
const port = 7000;

/** Gbit/s of both peers together. */
async function measureSum({ peers }: ShardLab, direction: 'down' | 'up'): Promise<number> {
  const total = rampSeconds + seconds;
  const streams = await Promise.all(
    peers.map(({ host }) => runTcp(host, hubAddress, port, { direction, seconds: total })),
  );
  return streams.reduce((sum, one) => sum + goodputMbit(one, rampSeconds, total), 0) / 1000;
}

async function measure(placement: 'dedicated' | 'compact', shards: number): Promise<number[]> {
  const lab = await startShardLab({ transports: ['udp', 'udp'], placement, shards });
  try {
    await serveFlows(lab.hubHost, port);
    const sums: number[] = [];
    for (const direction of directions) sums.push(await measureSum(lab, direction));
    return sums;
  } finally {
    await lab.lab.close();
  }
}

for (const placement of placements) {
  const runs = { two: [] as number[][], one: [] as number[][] };
  const takeTwo = async () => runs.two.push(await measure(placement, 2));
  const takeOne = async () => runs.one.push(await measure(placement, 1));
  for (let pair = 0; pair < pairCount; pair += 1)
    for (const take of pair % 2 === 0 ? [takeTwo, takeOne] : [takeOne, takeTwo]) await take();
  for (const [index, direction] of directions.entries()) {
    const side = (label: string, all: readonly number[][]) => {
      const values = all.map((sums) => sums[index] ?? Number.NaN);
      return { label, take: () => values.shift() ?? Number.NaN };
    };
    const words = { placement, direction, peers: '2', ramp: rampSeconds };
    comparePairs('shards-goodput', words, 'Gbit/s', side('two-shards', runs.two), side('one-shard', runs.one));
  }
}
