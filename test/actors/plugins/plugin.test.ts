/** Plugins in their real processes: what they can do and cannot, and what becomes of those that do what they must not. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { confine } from '../../../src/actors/plugins/confinement.ts';
import { Plugin } from '../../../src/actors/plugins/plugin.ts';
import { packageRoot } from '../../../src/base/package-info.ts';
import type { EventRecord, InstanceEvent } from '../../../src/control/events.ts';
import { findCommand } from '../../../src/io/find-command.ts';
import { processesOf } from '../../../src/io/process-facts.ts';
import { loadAddon } from '../../../src/native/addon.ts';
import { childrenOf, pluginSkipReason, writePlugins } from '../../support/plugins.ts';

const skip = pluginSkipReason();
const options = skip === false ? {} : { skip };
const program = path.join(packageRoot(), 'build/src/actors/plugins/plugin-runner.js');
const memoryBytes = 64 << 20;
t.setTimeout(120_000);

interface Run {
  readonly plugin: Plugin;
  readonly events: InstanceEvent[];
  readonly clock: { aheadMs: number };
  readonly uid: number;
  /** Turns it until that is so; false = not within half a minute. */
  becomes(isRight: () => boolean): Promise<boolean>;
}

function run(t: Test, text: string, settings: Readonly<Record<string, unknown>> = {}): Run {
  const { it: file } = writePlugins(t, { it: text });
  const events: InstanceEvent[] = [];
  const clock = { aheadMs: 0 };
  const confined = confine(`test ${process.pid} ${file}`, program, memoryBytes);
  const plugin = new Plugin({
    config: { name: 'it', file, settings, memoryBytes, processorPercent: 50 },
    instance: 'home',
    confine: () => confined,
    sweep: () => undefined,
    emit: (event) => void events.push(event),
    nowMs: () => performance.now() + clock.aheadMs,
    onHooks: () => undefined,
  });
  t.teardown(() => plugin.close());
  plugin.begin();
  const becomes = async (isRight: () => boolean): Promise<boolean> => {
    for (let tries = 0; tries < 600; tries += 1) {
      plugin.turn();
      if (isRight()) return true;
      await sleep(50);
    }
    return false;
  };
  return { plugin, events, clock, uid: confined.uid, becomes };
}

const isRunning =
  ({ plugin }: Run) =>
  (): boolean =>
    plugin.status().state === 'running';
const hasFailed =
  ({ events }: Run) =>
  (): boolean =>
    events.some(({ kind }) => kind === 'plugin-failed');
const reasonOf = ({ events }: Run): string =>
  events
    .flatMap((event) => (event.kind === 'plugin-failed' || event.kind === 'plugin-given-up' ? event.reason : []))
    .at(0) ?? '';

t.test('a plugin is nobody, can get nothing, and sees none of our descriptors', options, async (t) => {
  const one = run(
    t,
    `import { readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
const tried = (what) => { try { what(); return 'done'; } catch (error) { return error.code ?? error.message; } };
export const health = () => ({ ok: true, detail: '' });
export function webhook({ key }) {
  const body = JSON.stringify({
    status: readFileSync('/proc/self/status', 'utf8'),
    limits: readFileSync('/proc/self/limits', 'utf8'),
    fds: readdirSync('/proc/self/fd').flatMap((fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return []; } }),
    env: Object.keys(process.env),
    key: tried(() => readFileSync(key)),
    write: tried(() => writeFileSync('/tmp/hw-plugin-was-here', 'x')),
    spawn: tried(() => { const { error } = spawnSync('/bin/true'); if (error) throw error; }),
    worker: tried(() => new Worker('1', { eval: true })),
    dlopen: tried(() => process.dlopen({ exports: {} }, '/lib/x.node')),
    root: tried(() => process.setuid(0)),
    kill: tried(() => process.kill(${process.pid}, 0)),
  });
  return { body };
}`,
  );
  t.ok(await one.becomes(isRunning(one)), reasonOf(one));
  t.strictSame(one.plugin.status().hooks, ['webhook', 'health']);
  const key = path.join(t.testdir({ key: 'secret' }), 'key');
  const outcome = await one.plugin.ask('webhook', { key: '/etc/shadow', other: key }, 5000);
  t.ok(outcome.ok, JSON.stringify(outcome));
  if (!outcome.ok) return;
  const seen = JSON.parse((outcome.answer as { body: string }).body) as Readonly<Record<string, string>>;
  const status = seen.status ?? '';
  t.match(status, new RegExp(`^Uid:\\s+${one.uid}\\s+${one.uid}\\s+${one.uid}\\s+${one.uid}$`, 'm'));
  t.match(status, new RegExp(`^Gid:\\s+${one.uid}\\s`, 'm'));
  t.match(status, /^Groups:\s*$/m);
  t.match(status, /^NoNewPrivs:\s+1$/m);
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
    t.match(status, new RegExp(`^${set}:\\s+0+$`, 'm'));
  const limits = seen.limits ?? '';
  t.match(limits, /^Max core file size +0 /m);
  t.match(limits, /^Max file size +0 /m);
  t.match(limits, /^Max open files +64 /m);
  t.match(limits, /^Max processes +24 /m);
  t.match(limits, new RegExp(`^Max data size +${memoryBytes + (128 << 20)} `, 'm'));
  const strange = (seen.fds as unknown as string[]).filter(
    (name) => !/^(socket|pipe|anon_inode|\/dev\/null|\/proc\/)/.test(name),
  );
  t.strictSame(strange, [], 'no files of ours');
  t.strictSame(
    [...(seen.env as unknown as string[])].filter((name) => !['PATH', 'LANG', 'HOME', 'TZ'].includes(name)),
    [],
  );
  t.equal(seen.key, 'EACCES');
  for (const what of ['write', 'spawn', 'worker']) t.equal(seen[what], 'ERR_ACCESS_DENIED', what);
  t.equal(seen.dlopen, 'ERR_DLOPEN_DISABLED');
  t.equal(seen.root, 'EPERM');
  t.equal(seen.kill, 'EPERM');
});

t.test('questions are answered, late and failed ones are told apart, and events arrive', options, async (t) => {
  const one = run(
    t,
    `let heard = 0;
let settled;
export function start({ settings, name, instance }) { settled = [settings.greeting, name, instance]; }
export const events = { kinds: ['link-*'], handle({ kind }) { heard += 1; if (kind === 'link-down') throw new Error('it is down'); } };
export async function authorise({ how }) {
  if (how === 'late') await new Promise((resolve) => setTimeout(resolve, 1500));
  if (how === 'throws') throw new Error('cannot say');
  return { allow: true, heard, settled };
}`,
    { greeting: 'hello' },
  );
  t.ok(await one.becomes(isRunning(one)), reasonOf(one));
  const event = (kind: string): EventRecord =>
    ({ kind, link: 'lte', reason: '', id: 1, timeMs: 0, source: 'test' }) as unknown as EventRecord;
  one.plugin.tell(event('link-up'));
  one.plugin.tell(event('failover'));
  t.match(await one.plugin.ask('authorise', {}, 5000), {
    ok: true,
    answer: { allow: true, heard: 1, settled: ['hello', 'it', 'home'] },
  });
  t.match(await one.plugin.ask('health', {}, 5000), { ok: false, isSilent: true, reason: /no function for health/ });
  t.match(await one.plugin.ask('authorise', { how: 'late' }, 300), {
    ok: false,
    isSilent: true,
    reason: /within 300 ms/,
  });
  t.match(await one.plugin.ask('authorise', { how: 'throws' }, 5000), {
    ok: false,
    isSilent: false,
    reason: /cannot say/,
  });
  one.plugin.tell(event('link-down'));
  t.match(await one.plugin.ask('authorise', {}, 5000), { ok: true }, 'it runs on');
  t.equal(one.events.filter(({ kind }) => kind === 'plugin-failed').length, 1, 'told once');
  await sleep(1500);
  t.equal(one.plugin.status().restarts, 0, 'a late answer is no lie');
  one.clock.aheadMs = 1000;
  for (; one.clock.aheadMs < 62_000; one.clock.aheadMs += 1000) one.plugin.turn();
  t.equal(one.events.at(-1)?.kind, 'plugin-recovered', 'a minute later');
});

const misdeeds: Readonly<Record<string, readonly [text: string, reason: RegExp]>> = {
  'throws when it is loaded': [`throw new Error('broken on purpose');`, /broken on purpose/],
  'throws later': [`setTimeout(() => { throw new Error('later'); }, 200);`, /later/],
  'has a syntax error': ['export const = 1;', /SyntaxError/],
  loops: ['setTimeout(() => { for (;;); }, 200);', /hangs: nothing came back/],
  'fills the heap': [
    'const held = []; setInterval(() => { for (let i = 0; i < 1e5; i += 1) held.push({ i }); }, 1);',
    /heap|memory|SIG(ABRT|TRAP|SEGV|KILL)/,
  ],
  'fills memory past the heap': [
    'const held = []; setInterval(() => held.push(Buffer.alloc(8 << 20, 1)), 5);',
    /memory|allocation|SIG(ABRT|TRAP|SEGV)/i,
  ],
  'floods its output': [
    // Not so fast that its own memory is full before anybody has read, where processors are short.
    `const line = 'x'.repeat(65_536); setInterval(() => { for (let i = 0; i < 4; i += 1) process.stdout.write(line); }, 20);`,
    /writes more than 1 MiB a second/,
  ],
  'writes half a line for ever': [
    `import { writeSync } from 'node:fs'; setTimeout(() => setInterval(() => writeSync(3, 'x'.repeat(4096)), 20), 500);`,
    /a line of more than 64 KiB/,
  ],
  'writes what means nothing': [
    `import { writeSync } from 'node:fs'; setTimeout(() => writeSync(3, 'hello\\n'), 100);`,
    /no JSON/,
  ],
  'answers what nobody asked': [
    `import { writeSync } from 'node:fs'; setTimeout(() => writeSync(3, '{"kind":"answer","id":4711}\\n'), 500);`,
    /which nobody asked/,
  ],
  'closes what it is told by': [
    `import { closeSync } from 'node:fs'; setTimeout(() => { process.stdin.destroy(); process.stdin.removeAllListeners(); setInterval(() => {}, 1000); }, 200);`,
    /closed what it is told by|hangs|exit code/,
  ],
  'is of another version': [`export const start = () => { throw new Error('interface 2'); };`, /interface 2/],
  ends: ['setTimeout(() => process.exit(7), 300);', /exit code 7/],
};

t.test(
  'a plugin that misbehaves is ended with the reason, and nothing is left of it',
  { ...options, jobs: 2 },
  async (t) => {
    for (const [what, [text, reason]] of Object.entries(misdeeds)) {
      void t.test(what, async (t) => {
        const before = process.memoryUsage().rss;
        const one = run(t, `${text}\nexport const health = () => true;`);
        t.ok(await one.becomes(hasFailed(one)), 'it is told');
        t.match(reasonOf(one), reason);
        t.ok(await one.becomes(() => one.plugin.status().state === 'waiting' || one.plugin.status().restarts > 0));
        one.plugin.close();
        for (let tries = 0; tries < 40 && processesOf([one.uid]).length > 0; tries += 1) await sleep(50);
        t.strictSame(processesOf([one.uid]), []);
        t.ok(process.memoryUsage().rss - before < 96 << 20, 'nor in memory');
      });
    }
  },
);

t.test('what it does not read is bounded: events are left out and counted', options, async (t) => {
  const one = run(
    t,
    `process.stdin.pause(); setInterval(() => {}, 1000); export const events = { kinds: ['*'], handle() { for (;;); } };`,
  );
  t.ok(await one.becomes(isRunning(one)), reasonOf(one));
  const long = {
    kind: 'warning',
    message: 'x'.repeat(2000),
    id: 1,
    timeMs: 0,
    source: 'test',
  } as unknown as EventRecord;
  const before = process.memoryUsage().rss;
  for (let count = 0; count < 50_000; count += 1) one.plugin.tell(long);
  t.ok(one.plugin.status().leftOut > 49_000, String(one.plugin.status().leftOut));
  t.ok(process.memoryUsage().rss - before < 64 << 20);
  t.ok(await one.becomes(hasFailed(one)));
  t.match(reasonOf(one), /hangs/);
});

t.test('it is begun anew with growing pauses, and given up after six ends', options, async (t) => {
  const one = run(t, `process.exit(3);`);
  for (let ends = 1; ends <= 6; ends += 1) {
    const count = (): number => one.events.length;
    t.ok(await one.becomes(() => count() >= ends), `end ${ends}`);
    one.clock.aheadMs += 61_000;
  }
  const pauses = one.events.flatMap((event) => (event.kind === 'plugin-failed' ? (event.againMs ?? []) : []));
  t.strictSame(pauses, [1000, 2000, 4000, 8000, 16_000]);
  t.match(one.events.at(-1), { kind: 'plugin-given-up', reason: /ended 6 times .* exit code 3/ });
  one.clock.aheadMs += 600_000;
  one.plugin.turn();
  t.equal(one.plugin.status().state, 'given-up');
  t.equal(one.plugin.status().pid, undefined);
});

t.test('a machine that stood still is not taken for a plugin that hangs', options, async (t) => {
  const one = run(t, 'export const health = () => true;');
  t.ok(await one.becomes(isRunning(one)), reasonOf(one));
  for (let jump = 0; jump < 3; jump += 1) {
    // Asks, and the answer has no time to come.
    one.clock.aheadMs += 2500;
    one.plugin.turn();
    one.clock.aheadMs += 3_600_000;
    one.plugin.turn();
    one.plugin.turn();
    await sleep(200);
    one.plugin.turn();
  }
  t.equal(one.plugin.status().state, 'running');
  t.strictSame(
    one.events.map(({ kind }) => kind),
    ['plugin-ready'],
  );
});

t.test('close ends a plugin that blocks its exit, and leaves no zombie', options, async (t) => {
  const one = run(
    t,
    `for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {}); process.on('exit', () => { for (;;); });
export const health = () => true;`,
  );
  t.ok(await one.becomes(isRunning(one)), reasonOf(one));
  const { pid } = one.plugin.close();
  t.ok(pid !== undefined && readFileSync(`/proc/${pid}/status`, 'utf8').length > 0, 'not waited for yet');
  t.equal(loadAddon().reapChild(pid ?? 0, 2000), 1);
  t.strictSame(
    childrenOf(process.pid).filter(({ uid }) => uid === one.uid),
    [],
  );
  t.ok(loadAddon().reapChild(pid ?? 0, 0) < 0, 'nor twice');
});

/** What systemd leaves a daemon of that unit. */
function underUnit(...files: readonly string[]): string {
  const sets = files.map((file) => readFileSync(path.join(packageRoot(), 'packaging', file), 'utf8'));
  const names = sets.flatMap((text) => /^CapabilityBoundingSet=(.+)$/m.exec(text)?.[1]?.split(' ') ?? []);
  const bounds = ['-all', ...names.map((name) => `+${name.replace('CAP_', '').toLowerCase()}`)].join();
  const confining = path.join(packageRoot(), 'build/test/support/confine-program.js');
  const args = ['--inh-caps=-all', `--bounding-set=${bounds}`, '--no-new-privs', '--', process.execPath, confining];
  return spawnSync(findCommand('setpriv') ?? '', args, { encoding: 'utf8' }).stdout;
}

t.test('our unit runs no plugins, and says which four lines are missing; with them it does', options, async (t) => {
  t.match(underUnit('hawser@.service'), /lacks CAP_SETUID, CAP_SETGID, CAP_KILL \(docs\/operating\/plugins\.md/);
  const status = underUnit('hawser@.service', 'plugins/plugins.conf');
  const uid = /^uid (\d+)$/m.exec(status)?.[1] ?? '?';
  t.match(status, new RegExp(`^Uid:\\s+${uid}\\s+${uid}\\s+${uid}\\s+${uid}$`, 'm'), status);
  for (const set of ['CapPrm', 'CapEff', 'CapAmb', 'CapInh']) t.match(status, new RegExp(`^${set}:\\s+0+$`, 'm'));
  t.match(status, /^NoNewPrivs:\s+1$/m);
});

t.test('where no descriptor is left a plugin is not begun, and nothing else happens', options, async (t) => {
  const program = path.join(packageRoot(), 'build/test/support/crowded-program.js');
  for (const spare of [0, 1, 3, 5, 7, 9, 20]) {
    const args = ['--nofile=128', '--', process.execPath, program, String(spare)];
    const { stdout, stderr, status } = spawnSync(findCommand('prlimit') ?? '', args, { encoding: 'utf8' });
    t.match(stdout, spare < 9 ? /^end: it cannot be begun: .*EMFILE\n$/ : /^end: /, `${spare} left: ${stderr}`);
    t.equal(status, 0);
  }
});
