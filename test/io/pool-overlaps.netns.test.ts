/** A pool and the networks that this host has already. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { overlapsOf } from '../../src/io/network/pool-overlaps.ts';
import { cidrs } from '../support/client-lab.ts';
import { cliProgram } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';

const skip = skipReason();

t.test('overlapsOf() names who has addresses of a pool, or the whole of it', async (t) => {
  const reached = cidrs(['10.1.2.0/24', 'fd00:1::/64']).map((cidr) => ({ interface: 'lan0', cidr }));
  const texts = (...pools: string[]) => overlapsOf(cidrs(pools), reached).map(({ text }) => text);
  t.match(texts('10.1.0.0/16'), [/^10\.1\.0\.0\/16 holds 10\.1\.2\.0\/24, which lan0 reaches: clients with addresses/]);
  t.match(texts('10.1.2.128/25'), [/^10\.1\.2\.128\/25 lies in 10\.1\.2\.0\/24, which lan0 reaches: hosts there/]);
  t.match(texts('fd00::/16'), [/^fd00::\/16 holds fd00:1::\/64/]);
  t.same(texts('10.1.3.0/24', '10.1.2.0/24', 'fd00:2::/64', '0.1.0.0/8'), [], 'the very same is a conflict of routes');
});

t.test('`hawser check` says so', { ...(skip === false ? {} : { skip }) }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const host = lab.host('hub');
  const addresses = [['10.55.7.1/24'], ['10.55.7.2/24']] as const;
  lab.join(host, lab.host('lan'), { interfaces: ['lan0', 'to-hub'], addresses });
  const folder = t.testdir();
  const [key, file] = [path.join(folder, 'hub.key'), path.join(folder, 'hub.yaml')];
  writeFileSync(key, `${generateKeys().privateKey}\n`, { mode: 0o600 });
  const check = (pool: string): string => {
    const tunnel = { interface: 'hw0', addresses: ['10.99.0.1/24'] };
    const config = { identity: { privateKeyFile: key }, tunnel, listen: { udp: 51820 }, server: { pool } };
    writeFileSync(file, JSON.stringify(config));
    return host.run(process.execPath, [cliProgram, 'check', file]);
  };
  t.notMatch(check('10.100.0.0/16'), /warning/);
  t.match(check('10.0.0.0/8'), /warning: server: 10\.0\.0\.0\/8 holds 10\.55\.7\.0\/24, which lan0 reaches/);
  t.match(check('10.55.7.0/24'), /warning: server: 10\.55\.7\.0\/24 is reached by lan0 already.*server\.pool/);
});
