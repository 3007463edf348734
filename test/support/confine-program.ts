/** Says how a plugin would be run by a process with the rights of this one: what the kernel says of it then, or why it may not be. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { confine } from '../../src/actors/plugins/confinement.ts';

try {
  const { command, args, uid } = confine('test', '-p', 64 << 20);
  const run = spawnSync(command, [...args, 'require("fs").readFileSync("/proc/self/status", "latin1")'], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin' },
  });
  process.stdout.write(`uid ${uid}\n${run.stdout}${run.stderr}`);
} catch (error) {
  process.stdout.write(String(error));
}
