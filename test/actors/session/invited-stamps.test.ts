/** Stamps of an invitation: each once, and never an end of them. */
import t from 'tap';
import { InvitedStamps } from '../../../src/actors/session/invited-stamps.ts';
import type { Peer } from '../../../src/actors/session/peer-book.ts';

const stampOf = (number: number): Uint8Array => Uint8Array.of(number >> 8, number & 255);

t.test('each is new once, also after very many', async (t) => {
  const stamps = new InvitedStamps();
  const [peer, other] = [{} as Peer, {} as Peer];
  for (let number = 0; number < 1500; number += 1)
    if (!stamps.isNew(peer, stampOf(number))) t.fail(`stamp ${number} is taken for a replay`);
  t.notOk(stamps.isNew(peer, stampOf(1499)));
  t.notOk(stamps.isNew(peer, stampOf(600)), 'the latest 1000 are known');
  t.ok(stamps.isNew(other, stampOf(1499)), 'each invitation has its own');
});
