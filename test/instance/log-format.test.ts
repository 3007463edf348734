/** The forms of the log's lines, and which is chosen. */
import { spawnSync } from 'node:child_process';
import { fstatSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { journalLine } from '../../src/instance/log-format.ts';
import { chooseFormat } from '../../src/instance/logger.ts';

const record = { level: 40, time: 1_764_288_000_123, pid: 7, source: 'sealer', peer: 'hub' };
const message = 'path-dead: link=lte\nnobody answers';

/** What a process of its own writes on stdout. */
function written(logFormat: string): string {
  const module = path.resolve(import.meta.dirname, '../../src/instance/logger.js');
  const program = `
    import { Logger } from ${JSON.stringify(module)};
    const logger = new Logger({ logLevel: 'info', logFormat: ${JSON.stringify(logFormat)} });
    logger.log('debug', {}, 'nobody wants this');
    logger.log('warn', { source: 'sealer', peer: 'hub' }, ${JSON.stringify(message)});
    logger.open();
    logger.log('error', {}, 'the end');`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }).stdout;
}

t.test('the log has one line a message, for programs and for people', async (t) => {
  const [first, second, rest] = written('json').split('\n');
  t.match(JSON.parse(first ?? ''), { level: 40, source: 'sealer', peer: 'hub', msg: message });
  t.match(JSON.parse(second ?? ''), { level: 50, msg: 'the end' });
  t.equal(rest, '');
  t.match(
    written('pretty'),
    /^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: sealer: path-dead: link=lte nobody answers peer=hub\n\[.*\] ERROR: the end\n$/,
  );
});

t.test('journalLine() begins with a priority', async (t) => {
  t.equal(journalLine({ ...record, msg: message }), '<4>sealer: path-dead: link=lte nobody answers peer=hub');
  t.equal(journalLine({ level: 50, time: 0, pid: 7, msg: 'the end' }), '<3>the end');
});

t.test('chooseFormat() asks whether stdout is the journal', async (t) => {
  const { dev, ino } = fstatSync(1);
  const journal = { JOURNAL_STREAM: `${dev}:${ino}` };
  t.equal(chooseFormat('auto', journal), 'journal');
  t.equal(chooseFormat('pretty', journal), 'journal', 'the journal keeps the time itself');
  t.equal(chooseFormat('json', journal), 'json');
  t.equal(chooseFormat('pretty', { JOURNAL_STREAM: '1:1' }), 'pretty');
});
