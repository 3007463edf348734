/** Runs one call of `io/network/network.ts` in this process's network namespace: `{action, plan}` as argument, JSON out. */
import process from 'node:process';
import { messageOf } from '../../src/base/errors.ts';
import {
  applyNetwork,
  describeLeftovers,
  type NetworkReport,
  releaseClosed,
  removeNetwork,
} from '../../src/io/network/network.ts';
import type { NetworkPlan } from '../../src/io/network/plan.ts';
import { loadAddon } from '../../src/native/addon.ts';

export interface NetworkCall {
  readonly action: 'apply' | 'remove' | 'release' | 'describe';
  readonly plan: NetworkPlan;
}

export type NetworkAnswer = NetworkReport | { readonly error: string } | { readonly leftovers: readonly string[] };

function run({ action, plan }: NetworkCall): NetworkAnswer {
  const addon = loadAddon();
  switch (action) {
    case 'apply':
      return applyNetwork(addon, plan);
    case 'remove':
      return removeNetwork(addon, plan);
    case 'release':
      return releaseClosed(addon, plan.name, { runDirectory: plan.runDirectory, interfaceName: plan.interface });
    case 'describe':
      return { leftovers: describeLeftovers(addon, plan.name) };
  }
}

function main(): void {
  let answer: NetworkAnswer;
  try {
    answer = run(JSON.parse(process.argv[2] ?? '') as NetworkCall);
  } catch (error) {
    answer = { error: messageOf(error) };
  }
  process.stdout.write(JSON.stringify(answer));
}

main();
