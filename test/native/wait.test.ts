/** The native wait at its edges; that no wake-up is lost is the business of native-ends.stress. */
import t from 'tap';
import { loadAddon } from '../../src/native/addon.ts';

t.test('wait()', async (t) => {
  const addon = loadAddon();
  const bell = addon.openDoorbell();
  t.teardown(() => addon.closeFd(bell));
  const armed = new Uint8Array(128);
  const none = new Int32Array(0);

  for (const deadlineUs of [Number.POSITIVE_INFINITY, Number.MAX_VALUE, 2 ** 63]) {
    t.test(`takes ${deadlineUs} for a deadline, and the doorbell ends it`, async (t) => {
      t.equal(addon.ring(bell), 0);
      t.equal(addon.wait(bell, armed, none, deadlineUs), 1);
    });
  }
  for (const deadlineUs of [Number.NaN, Number.NEGATIVE_INFINITY, 0, -1]) {
    t.test(`returns at once when the deadline is ${deadlineUs}`, async (t) => {
      t.equal(addon.wait(bell, armed, none, deadlineUs), 0);
      addon.ring(bell);
      t.equal(addon.wait(bell, armed, none, deadlineUs), 1, 'but never without a look');
      t.equal(addon.wait(bell, armed, none, deadlineUs), 0, 'the doorbell was drained');
    });
  }

  t.test('names what is ready, bit by bit', async (t) => {
    const others = [addon.openDoorbell(), addon.openDoorbell()] as const;
    t.teardown(() => others.map((fd) => addon.closeFd(fd)));
    const fds = Int32Array.from(others);
    addon.ring(others[1]);
    t.equal(addon.wait(bell, armed, fds, 0), 4);
    addon.ring(others[0]);
    t.equal(addon.wait(bell, armed, fds, 0), 6, 'of them nothing is drained');
    addon.ring(bell);
    t.equal(addon.wait(bell, armed, fds, 0), 7);
    t.equal(addon.wait(bell, armed, fds, 0), 6);
  });
});
