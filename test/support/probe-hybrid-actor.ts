/** The probe as a hybrid actor that also needs promises to settle: `later` counts a command only after a timer. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ActorContext, ActorDefinition } from '../../src/actors/kit/contract.ts';
import { probe, startProbe } from './probe-actor.ts';

export const definition: ActorDefinition = {
  role: 'session-manager',
  turn: 'hybrid',
  nice: 5,
  start(context: ActorContext) {
    const inner = startProbe(context);
    const cells = new Int32Array(context.spec.memory.probe ?? new SharedArrayBuffer(probe.bytes));
    return {
      work: (nowUs) => inner.work(nowUs),
      onCommand(command) {
        if (command.kind !== 'later') inner.onCommand(command);
        else void context.track(sleep(20)).then(() => Atomics.add(cells, probe.commands, 1));
      },
      close: () => inner.close(),
    };
  },
};
