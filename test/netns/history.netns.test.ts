/** A history on real links: what `hawser history` draws, that a killed daemon loses seconds, that a change of the section touches nobody else. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { HistoryAnswer, HistoryInfo } from '../../src/control/history.ts';
import type { Daemon } from '../support/daemon.ts';
import { skipReason } from '../support/netns.ts';
import { buildPair, inside } from '../support/pair.ts';
import { ping } from '../support/traffic.ts';

const skip = skipReason();
t.setTimeout(180_000);

function change(daemon: Daemon, how: (config: Record<string, unknown>) => object): void {
  const config = JSON.parse(readFileSync(daemon.configPath, 'utf8')) as Record<string, unknown>;
  writeFileSync(daemon.configPath, JSON.stringify(how(config), undefined, 2));
}

t.test('what a link carried is kept, over a SIGKILL too, and drawn', skip === false ? {} : { skip }, async (t) => {
  const pair = buildPair({ more: { history: { keep: { second: '1h' } } } });
  const { a, b, hosts } = pair;
  t.teardown(() => pair.lab.close());
  change(b, ({ history: _, ...rest }) => rest);
  await b.start();
  await a.start();
  const link = 'default';
  const question = { kind: 'link', name: link, step: 1 };
  const read = () => a.ask<HistoryAnswer>('history', { ...question, from: Math.floor(Date.now() / 1000) - 600 });
  const isThere = async (isEnough: (answer: HistoryAnswer) => boolean): Promise<HistoryAnswer> => {
    for (let tries = 0; ; tries += 1) {
      const answer = await read().catch((error: unknown) => {
        if (tries > 100) throw error;
        return undefined;
      });
      if (answer !== undefined && isEnough(answer)) return answer;
      if (tries > 100) throw new Error(`not enough: ${JSON.stringify(answer)}`);
      await sleep(200);
    }
  };
  const carried = ({ rows, columns }: HistoryAnswer): number[] =>
    rows.flatMap((row) => {
      const value = row[columns.indexOf('outBps')];
      return typeof value === 'number' && value > 10_000 ? [row[0] ?? 0] : [];
    });
  t.ok((await ping(hosts.a, inside.b4, { count: 200 })).received > 0);
  const before = await isThere((answer) => carried(answer).length >= 2);
  t.ok(
    before.events.some(({ kind }) => kind === 'ready'),
    'with what happened',
  );

  // Longer than it may take until what is measured lies in a file.
  await sleep(6000);
  const known = carried(before);
  await a.stop('SIGKILL');
  await a.start();
  const after = await isThere((answer) => known.every((atS) => carried(answer).includes(atS)));
  t.ok(after.rows.length > known.length, 'nothing that was older than that is lost');

  const drawn = await a.cli('history', link, '--since', '10m');
  t.equal(drawn.status, 0, drawn.stderr);
  t.ok(/bit\/s ┤/.test(drawn.stdout) && /[\u2801-\u28ff]/.test(drawn.stdout), drawn.stdout);
  t.ok(
    drawn.stdout.split('\n').every((line) => line.length <= 80),
    'within 80 columns',
  );
  const unknown = await a.cli('history', 'nobody');
  t.match(unknown.stderr, /no history of link "nobody".*there are: default/);
  t.match((await a.cli('history', '--size')).stdout, /at most +[0-9.]+ MiB/);
  t.equal((await b.cli('history', link)).status, 1);
  t.match((await b.cli('history', link)).stderr, /keeps no history .*history: \{\}/);

  // Others are not touched by a change of it.
  const threads = async () => (await a.actors()).map(({ id, threadId }) => `${id} ${threadId}`);
  const old = await threads();
  change(a, (config) => ({ ...config, history: { keep: { second: '2h' } } }));
  t.match((await a.cli('reload')).stdout, /history changed/);
  const changed = (await threads()).filter((one) => !old.includes(one));
  t.strictSame(
    changed.map((one) => one.split(' ')[0]),
    ['history-keeper'],
  );
  const info = await a.ask<HistoryInfo>('history.info');
  t.equal(info.keepS.second, 7200);
  t.equal(path.basename(info.file), 'history.db');
});
