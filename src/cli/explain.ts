/** `hawser explain`: why it is slow, in sentences with numbers and remedies. */
import type { Command } from 'commander';
import { HawserError } from '../base/errors.ts';
import type { Explanation } from '../control/explain.ts';
import { ask } from './control-client.ts';
import { bold } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

interface ExplainOptions extends InstanceOptions {
  readonly peer?: string;
}

export function addExplainCommand(program: Command): void {
  addInstanceCommand(
    program,
    'explain',
    'say why it is slow: what is broken, which path limits, what was dropped where',
  )
    .option('--peer <name>', 'only what concerns this peer')
    .addHelpText('after', '\nExamples:\n  hawser explain\n  hawser explain --peer hub --json\n')
    .action(async (options: ExplainOptions) => {
      const all = await askAbout(options);
      const wanted = all.filter((one) => options.peer === undefined || (one.peer ?? options.peer) === options.peer);
      printResult(options, wanted, explanationLines);
    });
}

/** A daemon from before an upgrade knows no parameters here, and speaks of all peers. */
async function askAbout(options: ExplainOptions): Promise<readonly Explanation[]> {
  if (options.peer === undefined) return await ask(options, 'explain');
  try {
    return await ask(options, 'explain', { peers: [options.peer] });
  } catch (error) {
    if (!(error instanceof HawserError) || error.code !== 'PARAMS') throw error;
    return await ask(options, 'explain');
  }
}

const headings: readonly (readonly [Explanation['severity'], string])[] = [
  ['problem', 'What is broken'],
  ['limit', 'What limits the speed now'],
  ['note', 'Worth knowing'],
];

function explanationLines(all: readonly Explanation[]): string[] {
  if (all.length === 0) return ['Nothing is in the way: no link is down, nothing waits, nothing was dropped.'];
  return headings.flatMap(([severity, heading]) => {
    const found = all.filter((one) => one.severity === severity);
    return found.length === 0 ? [] : [bold(heading), ...found.flatMap(sentence)];
  });
}

function sentence(one: Explanation): string[] {
  return [`  - ${one.text}`, ...(one.remedy === undefined ? [] : [`      → ${one.remedy}`])];
}
