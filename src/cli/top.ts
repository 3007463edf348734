/** `hawser top`: the same tables, live. Plain ANSI on the alternate screen; each frame overwrites the last, so nothing flickers. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Top } from '../control/rows.ts';
import { actorLines } from './actors.ts';
import { ask, type ControlConnection } from './control-client.ts';
import { usageError } from './exit.ts';
import { addInstanceCommand, type InstanceOptions } from './instance-command.ts';
import { overConnections } from './lasting-connection.ts';
import { pathLines } from './paths.ts';
import { peerLines } from './peers.ts';
import { statusLines } from './status.ts';

interface TopOptions extends InstanceOptions {
  readonly most?: string;
  readonly interval: string;
  readonly once?: true;
}

// ECMA-48 and xterm's private modes: alternate screen, cursor, wrapping (long lines are cut by the terminal); home, erase to
// the end of the line, and below.
const enter = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const leave = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const home = '\u001b[H';
const eraseLine = '\u001b[K';
const eraseBelow = '\u001b[J';

export function addTopCommand(program: Command): void {
  addInstanceCommand(program, 'top', 'watch a running instance (q or Ctrl-C ends it)')
    .option('--interval <seconds>', 'between two frames', '1')
    .option('--most <peers>', 'of thousands only the busiest, and as many with which something is wrong (default: 50)')
    .option('--once', 'print one frame and end')
    .action(runTop);
}

async function runTop(options: TopOptions): Promise<void> {
  const intervalMs = Number(options.interval) * 1000;
  if (!(intervalMs >= 100 && intervalMs <= 60_000)) {
    throw usageError(`--interval is "${options.interval}"`, 'seconds from 0.1 to 60');
  }
  const most = options.most === undefined ? undefined : Number(options.most);
  if (most !== undefined && !(Number.isInteger(most) && most >= 0 && most <= 1000))
    throw usageError(`--most is "${options.most}"`, 'peers from 0 to 1000');
  // A daemon from before an upgrade does not know of it.
  const asked = most === undefined ? {} : { most };
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(await ask(options, 'top', asked))}\n`);
  } else if (options.once === true || !process.stdout.isTTY) {
    process.stdout.write(`${frame(await ask(options, 'top', asked)).join('\n')}\n`);
  } else {
    await watch(options, { intervalMs, asked });
  }
}

interface Frames {
  readonly intervalMs: number;
  readonly asked: { readonly most?: number };
}

/** Draws until a key, a signal or the end of the instance; the terminal is given back as it was. */
async function watch(options: TopOptions, frames: Frames): Promise<void> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  const onKey = (key: Buffer): void => {
    if (key.includes('q') || key.includes(0x03)) end();
  };
  process.once('SIGINT', end).once('SIGTERM', end);
  if (process.stdin.isTTY) process.stdin.setRawMode(true).on('data', onKey).resume();
  try {
    await overConnections(options, (connection) => drawFrames(connection, frames, ended.signal), ended.signal);
  } catch (error) {
    if (!ended.signal.aborted) throw error;
  } finally {
    process.stdout.write(leave);
    if (process.stdin.isTTY) process.stdin.setRawMode(false).off('data', onKey).pause();
  }
}

async function drawFrames(
  connection: ControlConnection,
  { intervalMs, asked }: Frames,
  signal: AbortSignal,
): Promise<void> {
  process.stdout.write(enter);
  while (!signal.aborted) {
    draw(frame(await connection.request('top', asked)));
    // Its abort is how a key ends the wait; the loop's condition sees it.
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}

function draw(lines: readonly string[]): void {
  const visible = cutTo(lines, process.stdout.rows - 1);
  process.stdout.write(`${home}${visible.map((line) => line + eraseLine).join('\n')}\n${eraseBelow}`);
}

/** Says how much did not fit: what is below the edge must not look as if it were not there. */
export function cutTo(lines: readonly string[], rows: number): readonly string[] {
  if (lines.length <= rows) return lines;
  const shown = lines.slice(0, Math.max(0, rows - 1));
  const left = lines.length - shown.length;
  return [...shown, `… ${left} more lines: a higher terminal, \`hawser paths\` or \`hawser actors\` shows them`];
}

function frame(top: Top): string[] {
  const { status, peers, paths, actors } = top;
  const left = status.peers - peers.length;
  const more = left > 0 ? [`… ${left} more peers: \`hawser peers\` shows all, --most the busiest`] : [];
  const rows = [statusLines(status), [...peerLines(peers), ...more], pathLines(paths), actorLines(actors)];
  return rows.flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]));
}
