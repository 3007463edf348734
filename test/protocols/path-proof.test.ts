/** Challenges to one address, with answers that come, come late, or do not. */
import t from 'tap';
import { PathProof } from '../../src/protocols/session/path-proof.ts';

const second = 1e6;

/** When the proof asks until `untilUs`, milliseconds, when nothing is answered but by `answer`. */
function follow(
  proof: PathProof,
  untilUs: number,
  answer: (atMs: number, token: string) => void = () => undefined,
): number[] {
  const all: number[] = [];
  for (let nowUs = 0; nowUs <= untilUs; nowUs = Math.max(nowUs + 1, Math.min(proof.wakeUs, untilUs + 1))) {
    if (!proof.isDue(nowUs)) continue;
    all.push(nowUs / 1000);
    const token = `${all.length}`;
    proof.handleSent(token, nowUs);
    answer(nowUs / 1000, token);
  }
  return all;
}

t.test('PathProof asks up to 5 s apart, and never gives up a configured path', async (t) => {
  const proof = new PathProof(true);
  proof.begin(0);
  const asked = follow(proof, 60 * second);
  t.same(asked.slice(0, 7), [0, 250, 750, 1750, 3750, 7750, 12_750]);
  t.equal(asked.length, 16);
});

t.test('PathProof tries a learnt address six times, until it is begun again', async (t) => {
  const proof = new PathProof(false);
  proof.begin(0);
  t.equal(follow(proof, 600 * second).length, 6);
  t.equal(proof.wakeUs, Number.POSITIVE_INFINITY);
  proof.begin(700 * second);
  t.equal(proof.isDue(700 * second), true);
});

t.test('PathProof takes an answer to one of the last four challenges, once', async (t) => {
  const proof = new PathProof(true);
  proof.begin(0);
  follow(proof, 4 * second);
  t.equal(proof.handleResponse('other', 4 * second), false);
  t.equal(proof.handleResponse('1', 4 * second), false, 'too long ago');
  t.equal(proof.handleResponse('3', 4 * second), true, 'a round trip of more than 3 s');
  t.equal(proof.roundTripUs, 4 * second - 750_000);
  t.equal(proof.handleResponse('3', 4 * second), false);
  t.equal(proof.isDue(100 * second), false, 'nothing more to ask');
});
