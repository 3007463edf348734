/** The forms of the log's lines, and which is chosen. */
import { fstatSync } from 'node:fs';
import t from 'tap';
import { formatLine } from '../../src/supervisor/log-format.ts';
import { chooseFormat } from '../../src/supervisor/logger.ts';

const line = {
  level: 'warn',
  timeMs: 1_764_288_000_123,
  pid: 7,
  fields: { source: 'sealer', peer: 'hub' },
  message: 'path-dead: link=lte\nnobody answers',
} as const;

t.test('formatLine()', async (t) => {
  t.strictSame(JSON.parse(formatLine('json', line, true)), {
    level: 40,
    time: 1_764_288_000_123,
    pid: 7,
    source: 'sealer',
    peer: 'hub',
    msg: 'path-dead: link=lte\nnobody answers',
  });
  t.equal(formatLine('journal', line, true), '<4>sealer: path-dead: link=lte nobody answers peer=hub\n');
  t.match(
    formatLine('pretty', line, false),
    /^\d\d:\d\d:00\.123 WARN {2}sealer: path-dead: link=lte nobody answers peer=hub\n$/,
  );
  t.match(formatLine('journal', { ...line, level: 'error', fields: {} }, false), /^<3>path-dead/);
});

t.test('chooseFormat() asks whether stdout is the journal', async (t) => {
  const { dev, ino } = fstatSync(1);
  const journal = { JOURNAL_STREAM: `${dev}:${ino}` };
  t.equal(chooseFormat('auto', journal), 'journal');
  t.equal(chooseFormat('pretty', journal), 'journal', 'the journal keeps the time itself');
  t.equal(chooseFormat('json', journal), 'json');
  t.equal(chooseFormat('pretty', { JOURNAL_STREAM: '1:1' }), 'pretty');
});
