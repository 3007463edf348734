/**
 * `hawser config …`: the configuration of a running instance, read, judged, and tried: what is not confirmed in time is taken back, for the
 * change may have cut off who made it.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { exitConfig, HawserError, messageOf } from '../base/errors.ts';
import { formatProblem } from '../config/problems.ts';
import type { ConfigApplied, ConfigDiff } from '../control/config-calls.ts';
import { diffText } from '../control/line-diff.ts';
import { ask } from './control-client.ts';
import { usageError } from './exit.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

interface ApplyOptions extends InstanceOptions {
  readonly seconds: string;
  readonly revision?: string;
  readonly keep?: true;
}

const help = `
Examples:
  hawser config read > /tmp/home.yaml          # with UNCHANGED-SECRET-1 in the place of a secret
  hawser config diff /tmp/home.yaml
  hawser config apply /tmp/home.yaml           # on trial for a minute: asks whether it shall be kept
  hawser config apply new.yaml --seconds 300 --json && ./look.sh && hawser config confirm
`;

export function addConfigCommand(program: Command): void {
  const group = program
    .command('config')
    .description('read, check and change the configuration of a running instance; what nobody confirms is taken back')
    .addHelpText('after', help);
  addInstanceCommand(group, 'read', 'print the file, without secrets').action(async (options: InstanceOptions) => {
    printResult(options, await ask(options, 'config.read'), ({ text }) => [text.replace(/\n$/, '')]);
  });
  addInstanceCommand(group, 'check', 'name every problem of a text (exit code 78 if there is one)')
    .argument('<file>', 'the text; - reads the standard input')
    .action(runCheck);
  addInstanceCommand(group, 'diff', 'show what a text would change in what runs, and in the file')
    .argument('<file>', 'the text; - reads the standard input')
    .action(async (file: string, options: InstanceOptions) => {
      printResult(options, await ask(options, 'config.diff', { text: textOf(file) }), diffLines);
    });
  addInstanceCommand(group, 'apply', 'let a text run, on trial: without a confirmation it is taken back')
    .argument('<file>', 'the text; - reads the standard input')
    .option('--seconds <count>', 'so long it is on trial, 1 to 3600', '60')
    .option(
      '--revision <revision>',
      'of the file that the text was made from (config read --json); any other is refused',
    )
    .option('--keep', 'confirm it at once: there is no way back')
    .action(runApply);
  addInstanceCommand(group, 'confirm', 'keep what is on trial: it becomes the file').action(
    async (options: InstanceOptions) => {
      const revision = await revisionOnTrial(options);
      await ask(options, 'config.confirm', { revision });
      printResult(options, { revision, kept: true }, () => ['Kept: it is in the file now.']);
    },
  );
  addInstanceCommand(group, 'revert', 'take back what is on trial, now').action(async (options: InstanceOptions) => {
    const revision = await revisionOnTrial(options);
    await ask(options, 'config.revert', { revision });
    printResult(options, { revision, kept: false }, () => ['Taken back: the configuration of before runs.']);
  });
}

async function runCheck(file: string, options: InstanceOptions): Promise<void> {
  const answer = await ask(options, 'config.check', { text: textOf(file) });
  printResult(options, answer, ({ problems, warnings }) => [
    ...problems.map((problem) => formatProblem(file, problem)),
    ...warnings.map(({ path, message }) => `${file}: warning: ${path}: ${message}`),
    ...(problems.length === 0 ? [`${file}: no problems`] : []),
  ]);
  if (answer.problems.length > 0) process.exitCode = exitConfig;
}

function diffLines({ changes, renewed, started, ended, lines }: ConfigDiff): string[] {
  const threads = Object.entries({ renewed, started, ended }).filter(([, ids]) => ids.length > 0);
  return [
    ...(changes.length === 0 ? ['Nothing that runs would change.'] : changes),
    ...threads.map(([verb, ids]) => `threads ${verb}: ${ids.join(', ')}`),
    ...(lines.length === 0 ? [] : ['', ...diffText(lines)]),
  ];
}

async function runApply(file: string, options: ApplyOptions): Promise<void> {
  const seconds = Number(options.seconds);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 3600)
    throw usageError(`--seconds ${options.seconds} is no whole number of 1 to 3600`);
  const text = textOf(file);
  const revision = options.revision ?? (await ask(options, 'config.read')).revision;
  // The standard input that held the text can hold no answer.
  const mayAsk = process.stdin.isTTY === true && process.stdout.isTTY === true && options.json !== true;
  if (mayAsk && options.keep !== true) await showDiff(text, options);
  const applied = await ask(options, 'config.apply', { text, revision, seconds });
  if (options.keep === true) {
    await ask(options, 'config.confirm', { revision: applied.revision });
    printResult(options, { ...applied, kept: true }, ({ changes }) => [...changes, 'Kept: it is in the file now.']);
  } else if (mayAsk) await askWhetherToKeep(applied, options);
  else printResult(options, applied, (value) => [...appliedLines(value), '`hawser config confirm` keeps it.']);
}

async function showDiff(text: string, options: InstanceOptions): Promise<void> {
  const diff = await ask(options, 'config.diff', { text });
  process.stdout.write(`${diffLines(diff).join('\n')}\n\n`);
}

function appliedLines({ changes, leftMs }: ConfigApplied): string[] {
  const what = changes.length === 0 ? ['Nothing that runs has changed.'] : changes;
  return [...what, `On trial: it is taken back in ${Math.round(leftMs / 1000)} s.`];
}

/**
 * A word that arrives here proves that whoever makes the change still reaches this host; that this process reaches the daemon proves nothing.
 * A whole word, for an Enter may have been typed before.
 */
async function askWhetherToKeep(applied: ConfigApplied, options: InstanceOptions): Promise<void> {
  // Whoever answers at once shall be heard: Ctrl-C would end this process, and not the trial.
  const answered = lineWithin(applied.leftMs);
  process.stdout.write(
    `${appliedLines(applied).join('\n')}\nType "keep" to keep it, anything else takes it back now: `,
  );
  const answer = await answered;
  const { revision } = applied;
  if (answer === undefined) process.stdout.write('\nTaken back: nobody confirmed it.\n');
  else if (answer.trim().toLowerCase() === 'keep') {
    await ask(options, 'config.confirm', { revision });
    process.stdout.write('Kept: it is in the file now.\n');
  } else {
    await ask(options, 'config.revert', { revision });
    process.stdout.write('Taken back: the configuration of before runs.\n');
    process.exitCode = 1;
  }
  if (answer === undefined) process.exitCode = 1;
}

/** undefined = none came; Ctrl-C and the end of the input are an empty one. */
async function lineWithin(ms: number): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await new Promise<string | undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), ms);
      const settle = (line: string): void => {
        clearTimeout(timer);
        resolve(line);
      };
      lines.once('line', settle);
      lines.once('SIGINT', () => settle(''));
      lines.once('close', () => settle(''));
    });
  } finally {
    lines.close();
  }
}

async function revisionOnTrial(options: InstanceOptions): Promise<string> {
  const { trial } = await ask(options, 'status');
  if (trial !== undefined) return trial.revision;
  throw new HawserError(
    'NO_TRIAL',
    'Nothing is on trial',
    '`hawser events` says what was kept or taken back, and when',
  );
}

function textOf(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new HawserError('READ', `Cannot read ${file === '-' ? 'the standard input' : file}: ${messageOf(error)}`);
  }
}
