/** What follows a join: the tunnel runs by systemd where its unit is installed, now and at each boot; elsewhere in the foreground. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { HawserError } from '../base/errors.ts';

/** Where the unit looks for configurations. */
const serviceFolder = '/etc/hawser';
const unitFolders = [
  '/etc/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
  '/usr/local/lib/systemd/system',
];

/** `folder`: in which `file` lies. Throws SERVICE. */
export async function startJoined(
  { file, name }: { readonly file: string; readonly name: string },
  folder: string,
): Promise<void> {
  if (!hasService(folder)) {
    process.stdout.write(`starting the tunnel in the foreground: hawser up ${file}\n`);
    const { runInstance } = await import('../bootstrap.ts');
    process.exit(await runInstance(file));
  }
  const unit = `hawser@${name}`;
  const { status, stderr, error } = spawnSync('systemctl', ['enable', '--now', unit], { encoding: 'utf8' });
  if (status !== 0) {
    const why = error === undefined ? stderr.trim() : error.message;
    throw new HawserError('SERVICE', `systemctl enable --now ${unit} failed: ${why}`, `journalctl -u ${unit}`);
  }
  process.stdout.write(`started ${unit}, now and at each boot; hawser status --name ${name} shows it\n`);
}

function hasService(folder: string): boolean {
  const isThere = unitFolders.some((one) => existsSync(path.join(one, 'hawser@.service')));
  return isThere && existsSync('/run/systemd/system') && path.resolve(folder) === serviceFolder;
}
