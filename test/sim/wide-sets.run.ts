/**
 * `npm run sim -- [FIRST [LAST [bbr]]]` (1 to 500, and CUBIC, if left out): runs sets of `wide-sets.ts` in as many processes as there are cores,
 * at low priority, and prints a line for each that falls below 0.98 of its best link alone. Exits 1 when one does.
 */
import { fork } from 'node:child_process';
import os from 'node:os';
import process from 'node:process';
import { runWideSet } from './wide-sets.ts';

const leastShare = 0.98;

interface Answer {
  readonly share: number;
  readonly text: string;
}

/** One set: its share of the best link, and a line for people. */
function answerOf(number: number, tcp: 'cubic' | 'bbr'): Answer {
  const { name, alone, bond, share } = runWideSet(number, tcp);
  const parts = alone.map((mbps, at) => `${mbps?.toFixed(1) ?? '-'} (${((bond.shares[at] ?? 0) * 100).toFixed(0)} %)`);
  const rates = `bond ${bond.mbps.toFixed(1)} Mbit/s, alone ${parts.join(' + ')}`;
  return {
    share,
    text: `${share.toFixed(3)} ${name}: ${rates}, ${bond.drops} dropped, ${bond.lostPackets} lost`,
  };
}

function runChild(): void {
  const tcp = process.argv[3] === 'bbr' ? 'bbr' : 'cubic';
  os.setPriority(10);
  process.on('message', (number: number) => process.send?.(answerOf(number, tcp)));
}

function runParent(first: number, last: number, tcp: string): void {
  let next = first;
  let done = 0;
  let below = 0;
  const count = last - first + 1;
  for (let place = 0; place < Math.min(os.availableParallelism(), count); place += 1) {
    const child = fork(process.argv[1] as string, ['--child', tcp]);
    const give = (): void => {
      if (next > last) child.disconnect();
      else child.send(next++);
    };
    child.on('message', (answer: Answer) => {
      done += 1;
      if (answer.share < leastShare) {
        below += 1;
        process.exitCode = 1;
        console.log(answer.text);
      }
      if (done === count) console.log(`${count} sets, ${below} below ${leastShare} of the best link`);
      give();
    });
    child.on('exit', (code) => {
      if (code !== 0) process.exitCode = 1;
    });
    give();
  }
}

if (process.argv.includes('--child')) runChild();
else runParent(Number(process.argv[2] ?? 1), Number(process.argv[3] ?? 500), process.argv[4] ?? 'cubic');
