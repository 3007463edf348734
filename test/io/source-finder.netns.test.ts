/** Which of many addresses of an interface leaves: a home router gives two of IPv6, to one of which nobody outside can answer. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { type Host, Lab, skipReason } from '../support/netns.ts';
import type { NetworkAnswer, NetworkCall } from '../support/network-program.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
const program = path.join(import.meta.dirname, '../support/network-program.js');
/** RFC 4193: good for this site alone. */
const unique = 'fd64::2';
const global = '2001:db8:18::2';

function sourceOn(lab: Lab, host: Host, destination: string): string | undefined {
  const file = path.join(lab.folder, 'call.json');
  writeFileSync(file, JSON.stringify({ action: 'source', interface: 'wan', destination } satisfies NetworkCall));
  const args = ['netns', 'exec', host.namespace, process.execPath, program, file];
  return (JSON.parse(spawnSync('ip', args, { encoding: 'utf8' }).stdout) as NetworkAnswer).source;
}

for (const addresses of [
  [unique, global],
  [global, unique],
])
  t.test(`IPv6: what the kernel prefers for a place, of ${addresses.join(', then ')}`, options, async (t) => {
    const lab = new Lab();
    t.teardown(() => lab.close());
    const [host, router] = [lab.host('host'), lab.host('router')];
    lab.join(host, router, { interfaces: ['wan', 'wan-end'], addresses: [[], ['fd64::1/64']] });
    for (const address of addresses) host.ip(`address add ${address}/64 dev wan nodad`);
    host.ip('-6 route add default via fd64::1 dev wan');
    t.equal(sourceOn(lab, host, '2001:db8:b::1'), global, 'of the Internet');
    t.equal(sourceOn(lab, host, 'fd99::1'), unique, 'of this site');
  });
