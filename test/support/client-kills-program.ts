/** Adds, changes and removes clients of a store in FOLDER for ever, and says each on stdout once it was answered; is killed at any moment. */
import process from 'node:process';
import { peer } from '../../src/contract/peer-tables.ts';
import { createRowTable, peerTable } from '../../src/rings/table.ts';
import { openClientLab } from './client-lab.ts';

const [, , folder = '', prefix = ''] = process.argv;
const { book, add } = await openClientLab(folder, {
  pools: ['10.0.0.0/12'],
  mostClients: 60_000,
  peers: peerTable(createRowTable(peer, 8192)),
});
const say = (word: string): void => void process.stdout.write(`${word}\n`);
say('ready');
for (let count = 0; ; count += 1) {
  const name = `${prefix}-${count}`;
  const [address = ''] = await add(name);
  say(`+${name} ${address}`);
  if (count % 3 === 1) {
    await book.verbs.remove({ name });
    say(`-${name}`);
  } else if (count % 3 === 2) await book.verbs.disable({ name });
}
