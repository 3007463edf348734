/** What an earlier join has left is found, whatever else lies in that folder. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { findJoined } from '../../src/cli/join-files.ts';

t.test('a link that leads nowhere and a folder are nobody’s configuration', async (t) => {
  const folder = t.testdir();
  symlinkSync('gone', path.join(folder, 'a.yaml'));
  mkdirSync(path.join(folder, 'b.yaml'));
  t.equal(findJoined(folder, 'aa11'), undefined);
  const file = path.join(folder, 'c.yaml');
  writeFileSync(file, '# Written by hawser join, invitation aa11.\n');
  t.equal(findJoined(folder, 'aa11'), file);
});
