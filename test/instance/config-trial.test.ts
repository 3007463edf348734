/** A configuration on trial: kept, taken back by time, by hand, by a failure, by an end; and its file at each moment. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { HawserError } from '../../src/base/errors.ts';
import type { Config } from '../../src/config/config.ts';
import { revisionOf } from '../../src/config/revision.ts';
import type { InstanceEvent } from '../../src/control/events.ts';
import { ConfigTrial } from '../../src/instance/config-trial.ts';

interface World {
  /** Texts, which stand for configurations here. */
  running: string;
  /** In their order; `fails` makes the next ones of that text fail. */
  readonly applied: string[];
  readonly remembered: string[];
  readonly events: InstanceEvent[];
  fails: string | undefined;
  /** The same with another error. */
  alsoFails?: string;
  isStopped: boolean;
}

function start(t: Test) {
  const folder = mkdtempSync(path.join(tmpdir(), 'hw-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'home.yaml');
  writeFileSync(file, 'old');
  chmodSync(file, 0o640);
  const world: World = { running: 'old', applied: [], remembered: [], events: [], fails: undefined, isStopped: false };
  const asConfig = (text: string): Config => text as unknown as Config;
  const textOf = (config: Config): string => config as unknown as string;
  let last: Promise<unknown> = Promise.resolve();
  const trial = new ConfigTrial({
    configPath: file,
    exclusively: (change) => {
      const next = last.then(change);
      last = next.catch(() => undefined);
      return next;
    },
    running: () => asConfig(world.running),
    apply: async (config) => {
      const text = textOf(config);
      world.applied.push(text);
      // As with threads that do not start: what failed is there in part.
      world.running = text;
      if (world.alsoFails === text) throw new Error(`no thread for ${text}`);
      if (world.fails === text) throw new HawserError('EADDRINUSE', 'UDP port 4500 is taken');
      return [`now ${text}`];
    },
    parse: async (text) => {
      if (text === 'nonsense') throw new HawserError('CONFIG', 'home.yaml:1:1: nonsense');
      return asConfig(text);
    },
    remember: (config) => void world.remembered.push(textOf(config)),
    note: (event) => void world.events.push(event),
    isStopped: () => world.isStopped,
  });
  t.teardown(() => trial.close());
  const kinds = (): string[] => world.events.map(({ kind }) => kind);
  const read = (suffix = ''): string | undefined =>
    existsSync(file + suffix) ? readFileSync(file + suffix, 'utf8') : undefined;
  return { folder, file, world, trial, kinds, read, base: revisionOf('old') };
}

t.test('apply() and confirm(): it runs at once, and is in the file when it is kept', async (t) => {
  const { file, world, trial, kinds, read, base } = start(t);
  const applied = await trial.apply('new', base, 60);
  t.match(applied, { revision: revisionOf('new'), leftMs: 60_000, changes: ['now new'] });
  t.match(trial.status, { revision: applied.revision, leftMs: Number });
  t.equal(world.running, 'new');
  t.equal(read(), 'old', 'a start would begin with the old one');
  t.same(world.remembered, [], 'nothing that a start would believe was kept');
  await trial.confirm(applied.revision);
  t.equal(read(), 'new');
  t.equal(statSync(file).mode & 0o777, 0o640);
  t.same([read('.trial'), read('.taken-back')], [undefined, undefined]);
  t.equal(trial.status, undefined);
  t.same(world.remembered, ['new']);
  t.same(kinds(), ['config-applied', 'config-confirmed']);
  await t.rejects(trial.confirm(applied.revision), { code: 'NO_TRIAL' });
});

t.test('without a confirmation it is taken back by itself, and nobody loses what he wrote', async (t) => {
  const { world, trial, kinds, read, base } = start(t);
  await trial.apply('new', base, 1);
  await sleep(700);
  t.equal(world.running, 'new', 'not before its time');
  await sleep(600);
  t.same(world.applied, ['new', 'old']);
  t.equal(read(), 'old');
  t.same([read('.trial'), read('.taken-back')], [undefined, 'new']);
  t.equal(trial.status, undefined);
  t.match(world.events.at(-1), { kind: 'config-taken-back', reason: 'nobody confirmed it within 1 s' });
  t.same(kinds(), ['config-applied', 'config-taken-back']);
});

t.test('revert() takes back what it names, and nothing else', async (t) => {
  const { world, trial, base } = start(t);
  const { revision } = await trial.apply('new', base, 60);
  await t.rejects(trial.revert(base), { code: 'NO_TRIAL', message: /another one is/ });
  await t.rejects(trial.confirm(base), { code: 'NO_TRIAL' });
  t.equal(world.running, 'new');
  await trial.revert(revision);
  t.equal(world.running, 'old');
  await t.rejects(trial.revert(revision), { code: 'NO_TRIAL', message: /none is/ });
});

t.test('a second one, and whatever else changes the configuration, is refused meanwhile', async (t) => {
  const { world, trial, base } = start(t);
  trial.refuseOthers();
  const [first, second] = await Promise.allSettled([trial.apply('new', base, 60), trial.apply('other', base, 60)]);
  t.equal(first?.status, 'fulfilled');
  t.match(second, { status: 'rejected', reason: { code: 'TRIAL', message: /on trial.*60 s.*hawser config confirm/ } });
  t.throws(() => trial.refuseOthers(), { code: 'TRIAL' });
  t.equal(world.running, 'new');
});

t.test('what cannot be applied is taken back at once', async (t) => {
  const { world, trial, kinds, read, base } = start(t);
  world.fails = 'new';
  await t.rejects(trial.apply('new', base, 60), { code: 'EADDRINUSE' });
  t.same(world.applied, ['new', 'old']);
  t.equal(world.running, 'old');
  t.same([read(), read('.trial'), read('.taken-back')], ['old', undefined, 'new']);
  t.same(kinds(), ['config-taken-back']);
  t.equal(trial.status, undefined);
  world.alsoFails = 'old';
  await t.rejects(trial.apply('new', base, 60), { code: 'EADDRINUSE' }, 'what failed first is said');
  t.match(world.events.at(-1), { kind: 'reload-failed', reason: /no thread for old .*UDP port 4500 is taken/ });
  world.applied.splice(2);
  await t.rejects(trial.apply('nonsense', base, 60), { code: 'CONFIG' });
  t.equal(world.applied.length, 2, 'a text with faults does nothing at all');
});

t.test('a file that somebody edits meanwhile is his', async (t) => {
  const { file, world, trial, read, base } = start(t);
  const { revision } = await trial.apply('new', base, 60);
  writeFileSync(file, 'by hand');
  await t.rejects(trial.confirm(revision), { code: 'CHANGED', message: /changed by somebody else.*config revert/ });
  t.equal(read(), 'by hand');
  await trial.revert(revision);
  t.equal(world.running, 'old');
  await t.rejects(trial.apply('new', base, 60), { code: 'CHANGED' });
  t.equal(read(), 'by hand');
});

t.test('what could not be taken back is tried again', async (t) => {
  const { world, trial, base } = start(t);
  await trial.apply('new', base, 1);
  world.fails = 'old';
  await sleep(1300);
  t.match(world.events.at(-1), { kind: 'reload-failed', reason: /cannot be taken back: UDP port 4500/ });
  t.not(trial.status, undefined, 'it is still on trial');
  world.fails = undefined;
  await sleep(5300);
  t.match(world.events.at(-1), { kind: 'config-taken-back' });
  t.equal(trial.status, undefined);
});

t.test('an end in the middle leaves the old file; the next start says so, and keeps the text', async (t) => {
  const { file, world, trial, read, base } = start(t);
  await trial.apply('new', base, 60);
  // As after SIGKILL: nothing of ours ran any more.
  const next = new ConfigTrial({
    configPath: file,
    exclusively: (change) => change(),
    running: () => world.running as unknown as Config,
    apply: async () => [],
    parse: async () => world.running as unknown as Config,
    remember: () => undefined,
    note: (event) => void world.events.push(event),
    isStopped: () => false,
  });
  t.equal(read(), 'old');
  t.equal(read('.trial'), 'new');
  next.handleStart();
  t.match(world.events.at(-1), { kind: 'config-taken-back', reason: /daemon ended/ });
  t.same([read('.trial'), read('.taken-back')], [undefined, 'new']);
  const told = world.events.length;
  next.handleStart();
  t.equal(world.events.length, told, 'once');
});

t.test('close() ends a trial with the instance', async (t) => {
  const { world, trial, read, base } = start(t);
  await trial.apply('new', base, 60);
  world.isStopped = true;
  trial.close();
  t.match(world.events.at(-1), { kind: 'config-taken-back', reason: /stopped/ });
  t.same([read(), read('.trial'), read('.taken-back')], ['old', undefined, 'new']);
});

t.test('a link to the file stays one, and a link in the way of the draft is not followed', async (t) => {
  const { folder, trial, file, read } = start(t);
  const real = path.join(folder, 'real.yaml');
  writeFileSync(real, 'linked', { mode: 0o600 });
  rmSync(file);
  symlinkSync(real, file);
  const victim = path.join(folder, 'victim');
  writeFileSync(victim, 'precious');
  symlinkSync(victim, `${real}.trial`);
  const { revision } = await trial.apply('new', revisionOf('linked'), 60);
  await trial.confirm(revision);
  t.ok(lstatSync(file).isSymbolicLink());
  t.equal(readFileSync(real, 'utf8'), 'new');
  t.equal(read(), 'new');
  t.equal(readFileSync(victim, 'utf8'), 'precious');
});
