/** The program as a shell runs it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import t from 'tap';
import { cliProgram } from '../support/daemon.ts';

t.test('what is read by somebody who has read enough ends without a word', async (t) => {
  const child = spawn(process.execPath, [cliProgram, 'client', '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  t.same([code, said], [141, ''], 'as SIGPIPE ends others: not all of it was said');
});
