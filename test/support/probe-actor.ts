/** An actor for tests of the kit and the supervisor: it counts its turns in shared memory, and misbehaves when told to. */
import type { Actor, ActorContext, ActorDefinition } from '../../src/actors/kit/contract.ts';
import { consumer } from '../../src/actors/kit/ports.ts';
import { ownThreadId } from '../../src/io/thread-times.ts';

/** i32 cells of `memory.probe`. */
export const probe = {
  starts: 0,
  alive: 1,
  mostAlive: 2,
  commands: 3,
  closes: 4,
  turns: 5,
  kernelThreadId: 6,
  /** The test lets it start. */
  released: 7,
  bytes: 64,
} as const;

export interface ProbeSettings {
  readonly failStart?: boolean;
  /** `start` never returns. */
  readonly hangStart?: boolean;
  /** `start` is busy until the test lets it go. */
  readonly slowStart?: boolean;
  /** `close` never returns. */
  readonly hangClose?: boolean;
  /** Dies on each record of the port `input`. */
  readonly diesOnInput?: boolean;
}

export const definition: ActorDefinition = { role: 'sealer', turn: 'duty', start: startProbe };

export function startProbe(context: ActorContext): Actor {
  const settings = context.spec.settings as ProbeSettings;
  const memory = context.spec.memory.probe;
  if (memory === undefined) throw new Error('no probe memory');
  const cells = new Int32Array(memory);
  Atomics.store(cells, probe.kernelThreadId, ownThreadId() ?? 0);
  Atomics.add(cells, probe.starts, 1);
  if (settings.failStart === true) throw new Error('this probe does not start');
  while (settings.hangStart === true) Math.random();
  while (settings.slowStart === true && Atomics.load(cells, probe.released) === 0) Math.random();
  const alive = Atomics.add(cells, probe.alive, 1) + 1;
  if (alive > Atomics.load(cells, probe.mostAlive)) Atomics.store(cells, probe.mostAlive, alive);
  const input = settings.diesOnInput === true ? consumer(context.spec, 'input') : undefined;
  return {
    work() {
      Atomics.add(cells, probe.turns, 1);
      if (input !== undefined && input.peek() >= 0) {
        input.begin();
        throw new Error('this record is too much');
      }
      return 0;
    },
    onCommand(command) {
      Atomics.add(cells, probe.commands, 1);
      if (command.kind === 'relay') context.emit({ kind: 'command', to: 'b', command: { kind: 'ping' } });
      // A native call that nothing can cut short: poll(2) on a silent netlink socket.
      if (command.kind === 'block')
        context.addon.receiveBytes(context.addon.openNetlink(0, 0), new Uint8Array(64), 1500);
      if (command.kind === 'tell') context.emit({ kind: 'warning', message: 'about 7' });
    },
    close() {
      while (settings.hangClose === true) Math.random();
      Atomics.add(cells, probe.closes, 1);
    },
  };
}
