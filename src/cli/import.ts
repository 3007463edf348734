/** `hawser import`: a wg-quick file, or one that `hawser client add --hawser` printed, becomes a configuration and key files of mode 0600. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { HawserError, messageOf } from '../base/errors.ts';
import { importHawserFile, isHawserFile } from '../config/hawser-file.ts';
import { isName, nameWords } from '../config/names.ts';
import { parseConfig } from '../config/parse.ts';
import { ConfigError, problemAt } from '../config/problems.ts';
import { showValue } from '../config/show.ts';
import { importWgQuick } from '../config/wg-quick.ts';
import { instanceNameOf } from '../config/wg-quick-names.ts';
import { usageError } from './exit.ts';
import { findInitLinks } from './init-links.ts';
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
    .description('turn a wg-quick file, or the file of a client, into a configuration and key files')
    .argument('<file>', 'such as /etc/wireguard/wg0.conf, or what `hawser client add --hawser` printed')
    .option('--name <name>', "name of the instance (default: made of the file's base name)")
    .option('--out <folder>', 'where to write', '/etc/hawser')
    .option('--leave-out <lines>', 'numbers of lines to do without, such as 8,9')
    .option('--force', 'overwrite what is there')
    .addHelpText(
      'after',
      `
Examples:
  hawser import /etc/wireguard/wg0.conf --name home && hawser up /etc/hawser/home.yaml
  hawser import office.hawser                   # from: hawser client add office --hawser > office.hawser
`,
    )
    .action(runImport);
}

function runImport(file: string, options: ImportOptions): void {
  const base = path.basename(file).replace(/\.hawser$/i, '');
  const name = nameFor(base, options.name);
  const interfaceName = base.replace(/\.conf$/i, '');
  const leaveOut = parseLines(options.leaveOut ?? '');
  const text = readText(file);
  const imported = isHawserFile(text)
    ? takeApart(file, text, name)
    : importWgQuick(text, { name, interfaceName, leaveOut });
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

/** What of it is this host's affair alone comes from the host: its links. */
function takeApart(file: string, text: string, name: string): ReturnType<typeof importWgQuick> {
  const { used, spare, told } = findInitLinks('client');
  const links = used.map((link) => ({ ...link }));
  const imported = importHawserFile(text, { name, links, spareLinks: spare });
  if (typeof imported !== 'string') return { ...imported, notes: told, problems: [] };
  throw new ConfigError(file, [problemAt(1, 1, '', { message: imported, allowed: [] })]);
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
