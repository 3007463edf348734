/** The addon's own tests, built without Node under sanitizers (`tools/native-tests.mjs`), as tests of this suite. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import t from 'tap';

const tool = path.resolve(import.meta.dirname, '../../../tools/native-tests.mjs');

/** It compiles two dozen files with sanitizers: half a minute of one core. */
t.setTimeout(0);

t.test('src/native/sys under AddressSanitizer, UBSan and ThreadSanitizer', async (t) => {
  const child = spawn(process.execPath, [tool], { stdio: ['ignore', 'pipe', 'pipe'] });
  const complaints: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => complaints.push(String(chunk)));
  const closed = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)));
  let tests = 0;
  for await (const line of readline.createInterface({ input: child.stdout })) {
    const match = /^(not )?ok(?: \d+)? - (.*?)( # SKIP.*)?$/.exec(line);
    if (match === null) {
      complaints.push(line);
      continue;
    }
    const [, failed, title = '', skipped] = match;
    tests += 1;
    if (skipped !== undefined) t.pass(`${title}${skipped}`);
    else t.ok(failed === undefined, title, { complaints: complaints.splice(0) });
  }
  t.equal(await closed, 0, 'the native tests ended well', { complaints });
  if (tests === 0) t.comment(complaints.join(' '));
});
