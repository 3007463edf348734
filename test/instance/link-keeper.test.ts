/** LinkKeeper: whom it tells of the links, and when. */
import { openSync } from 'node:fs';
import { setImmediate as eventLoopTurn, setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { LinkKeeper } from '../../src/instance/link-keeper.ts';
import { LinkWatch } from '../../src/io/link-watch.ts';
import { loadAddon } from '../../src/native/addon.ts';

t.test('what is known of the links is told when it changes, and to a session-manager that begins', async (t) => {
  const told: string[] = [];
  const addon = { ...loadAddon(), openNetlink: () => openSync('/dev/null', 'r') };
  const keeper = new LinkKeeper({
    addon,
    tell: ({ link }) => told.push(link),
    note: () => undefined,
    setMtu: () => undefined,
    setSources: () => undefined,
    hasSockets: () => true,
    nat64: { prefixOf: () => '64:ff9b::/96', forget: () => undefined },
    reopen: async () => undefined,
  });
  const watch = new LinkWatch(loadAddon(), () => undefined);
  t.teardown(() => {
    keeper.close();
    watch.close();
  });
  keeper.follow([{ name: 'default', interface: undefined }]);
  t.same(told, [], 'the kernel has said nothing yet');
  keeper.handleChange(watch);
  keeper.handleChange(watch);
  await eventLoopTurn();
  t.same(told, ['default'], 'changes that come together are told together');
  await sleep(1200);
  t.same(told, ['default'], 'nobody is woken for what is known');
  keeper.tellAgain();
  t.same(told, ['default', 'default']);
});
