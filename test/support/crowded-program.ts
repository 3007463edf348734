/** Begins a plugin where no descriptor is left, and says what becomes of it. */
import { closeSync, openSync } from 'node:fs';
import process from 'node:process';
import { PluginProcess } from '../../src/actors/plugins/plugin-process.ts';

const taken: number[] = [];
try {
  for (;;) taken.push(openSync('/dev/null', 'r'));
} catch (error) {
  if (!(error instanceof Error)) throw error;
}
// So many that it fails at the first pipe, at a later one, and behind them.
const spare = Number(process.argv[2]);
for (const fd of taken.splice(0, spare)) closeSync(fd);
const confinement = { uid: 1, command: '/bin/true', args: [], isOwn: false };
new PluginProcess({
  confinement,
  onMessage: () => undefined,
  onFault: (reason) => console.log(`fault: ${reason}`),
  onEnd: (reason) => {
    for (const fd of taken) closeSync(fd);
    console.log(`end: ${reason}`);
  },
});
