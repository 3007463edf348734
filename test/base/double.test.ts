/** The bond's objects keep their hidden classes while packets flow; `doubleZero` and `never` are what such fields begin with. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { doubleZero, never } from '../../src/base/double.ts';

t.test('they are the zero and the time that they say, to all that is asked of them', async (t) => {
  t.ok(doubleZero === 0 && doubleZero + 5 === 5 && !(doubleZero < 0) && !(doubleZero > 0));
  t.equal(JSON.stringify({ doubleZero }), '{"doubleZero":0}');
  t.ok(never < 0 && never < performance.timeOrigin && 5 - never > 1e300);
});

/** 31 before `doubleZero` was used, 7 with it; the simulator's own receiver and flow are among those. */
const mostDeoptimisations = 14;

t.test('a bond that carries a flow throws little optimised code away for the shape of its objects', async (t) => {
  const module = path.resolve(import.meta.dirname, '../sim/wide-sets.js');
  const program = `(await import(${JSON.stringify(module)})).runWideSet(3); console.log('carried');`;
  // One after another in one thread, so that every run counts the same.
  const flags = ['--trace-deopt', '--no-sparkplug', '--no-concurrent-recompilation'];
  const text = execFileSync(process.execPath, [...flags, '--input-type=module', '--eval', program], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  t.match(text, /^carried$/m);
  const count = text.split('\n').filter((line) => line.includes('reason: wrong map')).length;
  t.ok(count <= mostDeoptimisations, `${count} deoptimisations by "wrong map"`);
  t.match(text, /bailout/, 'V8 tells of them');
});
