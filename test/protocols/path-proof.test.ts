/** Challenges to one address, with answers that come, come late, or do not. */
import t from 'tap';
import { PathProof } from '../../src/protocols/session/path-proof.ts';

const second = 1e6;

interface Said {
  readonly atMs: number;
  readonly size: string;
}

/** Everything the proof says until `untilUs`, when nothing is answered but by `answer`. */
function follow(
  proof: PathProof,
  untilUs: number,
  answer: (said: Said, token: string) => void = () => undefined,
): Said[] {
  const all: Said[] = [];
  for (let nowUs = 0; nowUs <= untilUs; nowUs = Math.max(nowUs + 1, Math.min(proof.wakeUs, untilUs + 1))) {
    const size = proof.next(nowUs);
    if (size === undefined) continue;
    const said = { atMs: nowUs / 1000, size };
    all.push(said);
    if (size === 'narrow') continue;
    const token = `${all.length}`;
    proof.handleSent(token, nowUs);
    answer(said, token);
  }
  return all;
}

t.test(
  'PathProof sends three full challenges, then small ones up to 5 s apart, and never gives up a configured path',
  async (t) => {
    const proof = new PathProof(true);
    proof.begin(0);
    const said = follow(proof, 60 * second);
    t.same(
      said.slice(0, 7).map(({ atMs, size }) => `${atMs} ${size}`),
      ['0 full', '250 full', '750 full', '1750 small', '3750 small', '7750 small', '12750 small'],
    );
    t.equal(said.length, 16);
  },
);

t.test('PathProof tries a learnt address six times, until it is begun again', async (t) => {
  const proof = new PathProof(false);
  proof.begin(0);
  t.equal(follow(proof, 600 * second).length, 6);
  t.equal(proof.isIdle, true);
  proof.begin(700 * second);
  t.equal(proof.next(700 * second), 'full');
});

t.test('PathProof takes an answer to one of the last four challenges, once', async (t) => {
  const proof = new PathProof(true);
  proof.begin(0);
  follow(proof, 4 * second);
  t.equal(proof.handleResponse('other', 4 * second), undefined);
  t.equal(proof.handleResponse('1', 4 * second), undefined, 'too long ago');
  t.equal(proof.handleResponse('3', 4 * second), 'proven', 'a round trip of more than 3 s');
  t.equal(proof.roundTripUs, 4 * second - 750_000);
  t.equal(proof.handleResponse('3', 4 * second), undefined);
  t.equal(proof.next(100 * second), undefined, 'nothing more to ask');
});

t.test(
  'PathProof finds a path narrow when small challenges are answered and three more full ones are not',
  async (t) => {
    const proof = new PathProof(true);
    proof.begin(0);
    const said = follow(proof, 20 * second, ({ atMs, size }, token) => {
      if (size === 'small') t.equal(proof.handleResponse(token, atMs * 1000 + 1), 'answered-small');
    });
    t.same(
      said.map(({ size }) => size),
      ['full', 'full', 'full', 'small', 'full', 'full', 'full', 'narrow'],
    );
  },
);

t.test('PathProof of a path that was dead for a while and is back proves full size before anything else', async (t) => {
  const proof = new PathProof(true);
  proof.begin(0);
  let outcome = '';
  const said = follow(proof, 60 * second, ({ atMs }, token) => {
    if (atMs > 20_000) outcome = proof.handleResponse(token, atMs * 1000 + 1) ?? outcome;
  });
  t.same(
    said.slice(-2).map(({ size }) => size),
    ['small', 'full'],
  );
  t.equal(outcome, 'proven');
});
