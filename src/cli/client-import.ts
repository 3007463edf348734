/** `hawser client import`: clients from a file, so many in a question. */
import { readFileSync } from 'node:fs';
import { HawserError, messageOf } from '../base/errors.ts';
import { ControlConnection } from './control-client.ts';
import { type InstanceOptions, printResult } from './instance-command.ts';

/** The control socket takes lines of 64 KiB. */
const importedAtOnce = 40;

/** Of a file, or of stdin (`-`). Throws how many of them were imported before it failed. */
export async function importClients(file: string, options: InstanceOptions): Promise<void> {
  const clients = readClients(file);
  const daemon = await ControlConnection.open(options);
  let count = 0;
  try {
    for (let at = 0; at < clients.length; at += importedAtOnce)
      count += (await daemon.request('client.import', { clients: clients.slice(at, at + importedAtOnce) })).count;
  } catch (error) {
    throw new HawserError('IMPORT', `${count} of ${clients.length} clients were imported: ${messageOf(error)}`);
  } finally {
    daemon.close();
  }
  printResult(options, { count }, () => [`${count} clients imported`]);
}

function readClients(file: string): unknown[] {
  let clients: unknown;
  try {
    ({ clients } = JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8')) as { clients?: unknown });
  } catch (error) {
    throw new HawserError(
      'READ',
      `Cannot read ${file}: ${error instanceof SyntaxError ? 'it is not JSON' : messageOf(error)}`,
    );
  }
  if (Array.isArray(clients) && clients.length > 0) return clients;
  throw new HawserError('READ', `${file} has no clients`, 'take what `hawser client export` printed');
}
