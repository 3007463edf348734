/** Rules of others (`ip rule`) that lead our packets elsewhere, or keep others out of the tunnel: named with the remedy, and forgotten again. */
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Explanation } from '../../src/control/explain.ts';
import { cliProgram, type Daemon } from '../support/daemon.ts';
import { skipReason } from '../support/netns.ts';
import { startPair } from '../support/pair.ts';

const skip = skipReason();
const options = skip === false ? {} : { skip };
t.setTimeout(300_000);

const text = /^IPv4 rule 100 .* leads what Hawser sends out by vpn0, and not by to-b, which carries the mark 0x680000/;

/** Waits until `explain` says it, or no longer. */
async function explained(daemon: Daemon, isWanted: boolean): Promise<Explanation | undefined> {
  let found: Explanation | undefined;
  for (let tries = 0; tries < 100; tries += 1) {
    found = (await daemon.ask<Explanation[]>('explain')).find((one) => text.test(one.text));
    if ((found !== undefined) === isWanted) break;
    await sleep(200);
  }
  return found;
}

t.test('a rule in the way is named by check, the log, explain and status while it is there', options, async (t) => {
  const { lab, hosts, a } = await startPair();
  t.teardown(() => lab.close());
  const host = hosts.a;
  lab.join(host, lab.host('vpn'), { interfaces: ['vpn0', 'to-a'], addresses: [['10.55.0.2/24'], ['10.55.0.1/24']] });
  host.ip('route add default via 10.55.0.1 dev vpn0 table 200');
  const check = () => host.run(process.execPath, [cliProgram, 'check', a.configPath]);
  t.notMatch(check(), /warning/);
  host.ip('rule add pref 100 fwmark 0x68000000/0xff000000 lookup 200');
  const remedy =
    'routing.fwmark: 0x48 is a mark that no rule takes; or ip -4 rule del priority 100, if nobody needs it';
  t.match(await explained(a, true), { severity: 'problem', remedy });
  t.match(check(), /warning: routing: IPv4 rule 100 .* out by vpn0/);
  t.match((await a.ask<{ warnings: string[] }>('status')).warnings.join('\n'), /IPv4 rule 100/);
  host.ip('rule add pref 99 fwmark 0x4000/0x4000 lookup 200');
  host.ip('rule del pref 100');
  t.equal(await explained(a, false), undefined);
  t.equal(a.log().match(/(?<!no longer: )IPv4 rule 100/g)?.length, 1, 'one warning in the log');
  t.match(a.log(), /no longer: IPv4 rule 100/);
});
