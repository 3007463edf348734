/** Settings of a host that several instances need: in a namespace of its own. */
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { Lab, skipReason } from '../support/netns.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(60_000);
const module = path.resolve(import.meta.dirname, '../../src/io/network/host-settings.js');

t.test('a setting is given back by whoever needs it last, to what it was', options, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const host = lab.host('h');
  const folder = path.join(lab.folder, 'run');
  const file = '/proc/sys/net/ipv4/ip_forward';
  const read = (): string => host.run('cat', [file]).trim();
  const call = (text: string): unknown => {
    const script = `import { giveBackSettings, heldBy, holdSetting } from ${JSON.stringify(module)};
      const hold = (name) => holdSetting(${JSON.stringify(folder)}, name, { key: 'net/ipv4/ip_forward', value: '1' });
      const back = (name, options) => giveBackSettings(${JSON.stringify(folder)}, name, options);
      const held = (name) => heldBy(${JSON.stringify(folder)}, name);
      process.stdout.write(JSON.stringify(${text} ?? null));`;
    return JSON.parse(host.run(process.execPath, ['--input-type=module', '-e', script]));
  };
  call("hold('a')");
  t.equal(read(), '1');
  call("hold('b')");
  // The first has been killed, and is put right later.
  t.same(call("back('b')"), []);
  t.equal(read(), '1', 'another needs it');
  t.same(call("held('a')"), ['net/ipv4/ip_forward']);
  t.same(call("back('a', { only: ['net/ipv4/other'] })"), []);
  t.equal(read(), '1');
  t.same(call("back('a')"), []);
  t.equal(read(), '0');
  t.same(call("held('a')"), []);

  host.setSysctl('net.ipv4.ip_forward', '1');
  call("hold('a')");
  call("back('a')");
  t.equal(read(), '1', 'what others set is theirs');

  host.setSysctl('net.ipv4.ip_forward', '0');
  call("hold('a')");
  t.match(call("back('a', { keeps: () => 'somebody needs it' })"), [
    /net\.ipv4\.ip_forward stays 1, and was 0: somebody needs it/,
  ]);
  t.equal(read(), '1');
});
