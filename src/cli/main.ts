#!/usr/bin/env node
/**
 * The program `hawser`. Loads nothing of ours before it has seen that modules can be loaded: each is an open file while it is read, and
 * one that cannot be opened ends the process with a stack that helps nobody.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';

/** A daemon with one link has 64; while it loads, the parser's language files alone are 120 at once. */
const leastOpenFiles = 192;

/** RLIMIT_NOFILE as the kernel tells it; Node has raised the soft limit to the hard one. Infinite where it cannot be read. */
function mostOpenFiles(): number {
  try {
    const [, soft = ''] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === '' ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

const most = mostOpenFiles();
if (most < leastOpenFiles) {
  const remedy = 'ulimit -n 1024 where it is started, or LimitNOFILE=1024 in its unit';
  process.stderr.write(
    `hawser: Only ${most} files may be open at once here, and it takes ${leastOpenFiles} (${remedy})\n`,
  );
  process.exitCode = 1;
} else {
  const { runProgram } = await import('./program.ts');
  await runProgram(process.argv);
}
