/** The prefix of a link's translator: told at once, corrected by what its network says, forgotten with the network. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { HawserError } from '../../src/base/errors.ts';
import { Nat64Finder } from '../../src/instance/nat64-finder.ts';
import { ipv4Only, wellKnownNat64 } from '../../src/wire/nat64.ts';
import { until } from '../support/until.ts';

const answer = '20010db80064000000000000c00000aa';

t.test('prefixOf() says what most networks have, and what this one says as soon as it does', async (t) => {
  const asked: string[] = [];
  let answers: readonly (readonly string[])[] | undefined;
  let found = 0;
  const finder = new Nat64Finder({
    ask: async (name, interfaceName) => {
      asked.push(`${name} ${interfaceName}`);
      if (answers === undefined) throw new HawserError('EAI_AGAIN', 'no answer');
      return answers;
    },
    onFound: () => {
      found += 1;
    },
    retryMs: 5,
  });
  t.teardown(() => finder.close());
  t.equal(finder.prefixOf('lte', 'wwan0', ['fd64::2']), wellKnownNat64);
  await until('it is asked again', () => asked.length > 1);
  t.same(new Set(asked), new Set([`${ipv4Only} wwan0`]));
  answers = [['c00000aa'], ['c00000aa', answer]];
  await until('it is found', () => found > 0);
  t.equal(finder.prefixOf('lte', 'wwan0', ['fd64::2']), '2001:db8:64::/96');
  t.equal(finder.prefixOf('lte', 'wwan0', ['fd64::2', 'fd64::3']), '2001:db8:64::/96', 'a temporary address');
  const before = asked.length;
  await sleep(30);
  t.equal(asked.length, before, 'what is known is not asked for');
  answers = [];
  t.equal(finder.prefixOf('lte', 'wwan0', ['fd65::2']), wellKnownNat64, 'another network');
  t.equal(found, 1);
});

t.test('what a network said that the link has left is not told', async (t) => {
  let say: (answers: readonly (readonly string[])[]) => void = () => undefined;
  let found = 0;
  const finder = new Nat64Finder({
    ask: () =>
      new Promise((resolve) => {
        say = resolve;
      }),
    onFound: () => {
      found += 1;
    },
  });
  t.teardown(() => finder.close());
  finder.prefixOf('lte', 'wwan0', ['fd64::2']);
  finder.forget('lte');
  say([[answer]]);
  await sleep(0);
  t.equal(found, 0);
  t.equal(finder.prefixOf('lte', 'wwan0', ['fd64::2']), wellKnownNat64);
});
