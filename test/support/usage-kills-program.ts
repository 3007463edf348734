/**
 * A hub's store in FOLDER, in which clients use something while others are added, for ever; is killed at any moment. Says on stdout what was
 * used (`>BYTES`, before it is), that it was written (`=BYTES`), and who was added (`+NAME`). A second of its clock is one look.
 */
import process from 'node:process';
import { peer } from '../../src/contract/peer-tables.ts';
import { createRowTable, peerTable } from '../../src/rings/table.ts';
import { openClientLab } from './client-lab.ts';
import { randomOf } from './random.ts';

const [, , folder = '', prefix = ''] = process.argv;
const lab = await openClientLab(folder, {
  process: prefix,
  pools: ['10.0.0.0/12'],
  mostClients: 60_000,
  peers: peerTable(createRowTable(peer, 8192)),
});
const { keeper, clock, peers, feed, instance, store } = lab;
const random = randomOf(prefix.length * 1000 + Number(prefix.slice(1)));
const say = (word: string): void => void process.stdout.write(`${word}\n`);
if (![...store.list()].some(({ record }) => record.name === 'user')) await lab.add('user');
const key = [...store.list()].find(({ record }) => record.name === 'user')?.record.devices[0]?.publicKey ?? '';
const row = feed.rows.get(key);
if (row === undefined) throw new Error(`no row of ${instance.list().join()}`);
say('ready');
let used = 0;
for (let count = 0; ; count += 1) {
  const bytes = Math.floor(random() * 1e6);
  used += bytes;
  say(`>${used}`);
  peers.setNumber(row, peer.innerRxBytesAt, peers.number(row, peer.innerRxBytesAt) + bytes);
  peers.setNumber(row, peer.lastDataReceivedAt, clock.nowMs * 1000);
  clock.nowMs += 1000;
  keeper.look();
  // Every ninth look writes; it has returned.
  if (count % 9 === 8) say(`=${used}`);
  if (count % 7 === 3) {
    const name = `${prefix}-${count}`;
    await lab.add(name);
    say(`+${name}`);
  }
}
