/** Prints each event of a `LinkWatch` in this process's namespace as a line of JSON, `ready` first. */
import process from 'node:process';
import { type LinkEvent, LinkWatch } from '../../src/io/link-watch.ts';
import { loadAddon } from '../../src/native/addon.ts';

function describe(event: LinkEvent): string {
  switch (event.kind) {
    case 'link':
      return `${event.before === undefined ? 'new' : 'link'} ${event.link.name} ${event.link.up ? 'up' : 'down'}${event.link.running ? ' running' : ''}`;
    case 'link-gone':
      return `gone ${event.link.name}`;
    case 'address-added':
    case 'address-removed':
      return `${event.kind} ${event.address.interface} ${event.address.address}/${event.address.prefix}`;
    case 'default-route':
      return `default-route ${event.family}`;
    case 'route':
    case 'rule':
    case 'own-gone':
      return event.kind;
  }
}

const watch = new LinkWatch(loadAddon(), (event) => process.stdout.write(`${describe(event)}\n`));
// What it is asked to follow beside default routes: 203.0.113.9 and 2001:db8:5::9.
watch.setInterests(['cb007109', '20010db8000500000000000000000009']);
watch.start((error) => {
  throw error;
});
// It keeps no process alive; the test's pipe does, and ends it.
process.stdin.resume();
process.stdin.on('end', () => {
  watch.close();
  process.exit(0);
});
process.stdout.write(`ready ${watch.addressesOf('lo').length} ${watch.findLink('wan0')?.up}\n`);
