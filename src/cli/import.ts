/** `hawser import`: a wg-quick file becomes a configuration of ours and key files, all of mode 0600. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { HawserError, messageOf } from '../base/errors.ts';
import { isName, nameWords } from '../config/names.ts';
import { parseConfig } from '../config/parse.ts';
import { ConfigError } from '../config/problems.ts';
import { showValue } from '../config/show.ts';
import { importWgQuick } from '../config/wg-quick.ts';
import { instanceNameOf } from '../config/wg-quick-names.ts';
import { usageError } from './exit.ts';
import { writeNewFiles } from './new-files.ts';

interface ImportOptions {
  readonly name?: string;
  readonly out: string;
  readonly leaveOut?: string;
  readonly force?: true;
}

export function addImportCommand(program: Command): void {
  program
    .command('import')
    .description('turn a wg-quick file into a configuration and key files')
    .argument('<file>', 'the wg-quick file, such as /etc/wireguard/wg0.conf')
    .option('--name <name>', "name of the instance (default: made of the file's base name)")
    .option('--out <folder>', 'where to write', '/etc/hawser')
    .option('--leave-out <lines>', 'numbers of lines to do without, such as 8,9')
    .option('--force', 'overwrite what is there')
    .addHelpText(
      'after',
      `
Example:
  hawser import /etc/wireguard/wg0.conf --name home && hawser up /etc/hawser/home.yaml
`,
    )
    .action(runImport);
}

function runImport(file: string, options: ImportOptions): void {
  const base = path.basename(file);
  const name = nameFor(base, options.name);
  const interfaceName = base.replace(/\.conf$/i, '');
  const leaveOut = parseLines(options.leaveOut ?? '');
  const imported = importWgQuick(readText(file), { name, interfaceName, leaveOut });
  if (imported.problems.length > 0) throw new ConfigError(file, imported.problems);
  const configFile = path.join(options.out, `${name}.yaml`);
  const { problems } = parseConfig(imported.yaml, configFile);
  // Their lines are those of a file that nobody has written.
  if (problems.length > 0)
    throw new ConfigError(
      file,
      problems.map((problem) => ({ ...problem, line: 1, column: 1 })),
    );
  const keys = imported.keyFiles.map((keyFile) => {
    return { file: path.join(options.out, keyFile.file), content: `${keyFile.key}\n` };
  });
  writeNewFiles([{ file: configFile, content: imported.yaml }, ...keys], options.force === true);
  const told = [
    ...[configFile, ...keys.map((key) => key.file)].map((written) => `wrote ${written} (mode 0600)`),
    ...(name === interfaceName
      ? []
      : [
          `The instance is called ${name}${options.name === undefined ? ', since the file has no name that fits (--name gives another)' : ''}.`,
        ]),
    ...imported.notes,
    `Next: hawser up ${configFile}`,
  ];
  process.stdout.write(`${told.join('\n')}\n`);
}

function nameFor(base: string, chosen: string | undefined): string {
  if (chosen !== undefined) {
    if (isName(chosen)) return chosen;
    throw usageError(`--name is ${showValue(chosen)}, which is not ${nameWords.title}`, '--name home');
  }
  const name = instanceNameOf(base);
  if (name !== undefined) return name;
  throw usageError(`No name can be made of the file's name ${showValue(base)}`, '--name home gives one');
}

function parseLines(text: string): ReadonlySet<number> {
  const words = text.split(',').filter((word) => word !== '');
  if (words.every((word) => /^[1-9]\d{0,6}$/.test(word))) return new Set(words.map(Number));
  throw usageError(`--leave-out is ${showValue(text)}`, 'numbers of lines, such as 8,9');
}

/** Windows' editors write UTF-16, and say so by a byte order mark. */
function readText(file: string): string {
  try {
    const bytes = readFileSync(file);
    const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
    return new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8').decode(bytes);
  } catch (error) {
    throw new HawserError('READ', `Cannot read ${file}: ${messageOf(error)}`);
  }
}
