/** A state directory without room while the daemon runs, and a configuration that is a trap: it goes on, and says so. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Status } from '../../src/control/rows.ts';
import { runCommand, skipReason } from '../support/netns.ts';
import { buildPair, inside } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';

const skip = skipReason();
t.setTimeout(180_000);

t.test('a full state directory', skip === false ? {} : { skip }, async (t) => {
  const pair = buildPair();
  const { a, b, hosts, lab } = pair;
  const state = path.join(path.dirname(a.configPath), 'state');
  mkdirSync(state);
  runCommand('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', state]);
  t.teardown(async () => {
    await a.stop();
    runCommand('umount', [state]);
    await lab.close();
  });
  const filler = path.join(state, 'filler');
  t.throws(() => writeFileSync(filler, Buffer.alloc(1 << 20)), { code: 'ENOSPC' });
  await b.start();
  await a.start();
  const warnings = async () => (await a.ask<Status>('status')).warnings.filter((one) => one.includes(state));
  const becomes = async (isRight: (list: readonly string[]) => boolean) => {
    for (let tries = 0; tries < 150 && !isRight(await warnings()); tries += 1) await sleep(200);
    return warnings();
  };
  t.ok((await ping(hosts.a, inside.b4, { count: 20, intervalMs: 100 })).received > 0, 'packets pass');
  t.match(await becomes((list) => list.length === 2), [
    /^The file .*a\.timestamp cannot be written: ENOSPC, no space/,
    /peers\.json cannot be written/,
  ]);
  t.match((await a.cli('explain')).stdout, /cannot be written: ENOSPC[\s\S]*→ make room there \(df .*\)/);
  t.match((await a.cli('status')).stdout, /warning +The file .*ENOSPC/);
  for (let count = 0; count < 5; count += 1) await a.cli('peer', 'rekey', 'b');
  const lines = a
    .log()
    .split('\n')
    .filter((line) => line.includes('ENOSPC'));
  t.equal(lines.length, 2, `each file once: ${lines.join('\n')}`);

  rmSync(filler);
  await a.cli('peer', 'rekey', 'b');
  t.strictSame(await becomes((list) => list.length === 0), [], 'over when there is room');
  t.match(a.log(), /json is written again/);

  const whole = readFileSync(a.configPath, 'utf8');
  const letters = 'bcdefghijk'.split('');
  const bomb = letters.map((one, i) => `${one}: &${one} [${`*${'abcdefghij'[i]},`.repeat(9)}]`);
  for (const [text, told] of [
    [`a: &a [x,x,x,x,x,x,x,x,x]\n${bomb.join('\n')}`, /Excessive alias count/],
    ['['.repeat(200_000), /:1:101: not usable: brackets within more than 100 others\n$/],
  ] as const) {
    writeFileSync(a.configPath, text);
    const startMs = performance.now();
    const { status, stderr } = await a.cli('reload');
    t.equal(status, 78);
    t.match(stderr, told);
    t.ok(performance.now() - startMs < 5000);
  }
  writeFileSync(a.configPath, whole);
  t.equal((await a.cli('reload')).status, 0);
  t.ok((await ping(hosts.a, inside.b4, { count: 5, intervalMs: 100 })).received > 0, 'nothing stopped meanwhile');
});
