/** `hawser import`: a wg-quick file becomes a configuration of ours and key files of mode 0600. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { HawserError, messageOf } from '../base/errors.ts';
import { parseConfig } from '../config/parse.ts';
import { ConfigError } from '../config/problems.ts';
import { importWgQuick } from '../config/wg-quick.ts';
import { writeNewFiles } from './new-files.ts';

interface ImportOptions {
  readonly name?: string;
  readonly out: string;
  readonly force?: true;
}

export function addImportCommand(program: Command): void {
  program
    .command('import')
    .description('turn a wg-quick file into a configuration and key files')
    .argument('<file>', 'the wg-quick file, such as /etc/wireguard/wg0.conf')
    .option('--name <name>', "name of the instance (default: the file's base name)")
    .option('--out <folder>', 'where to write', '/etc/hawser')
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
  const name = options.name ?? path.basename(file).replace(/\.conf$/, '');
  const imported = importWgQuick(readText(file), name);
  if (imported.problems.length > 0) throw new ConfigError(file, imported.problems);
  const configFile = path.join(options.out, `${name}.yaml`);
  const { problems } = parseConfig(imported.yaml, configFile);
  if (problems.length > 0) throw new ConfigError(configFile, problems);
  const keys = imported.keyFiles.map((keyFile) => {
    return { file: path.join(options.out, keyFile.file), content: `${keyFile.key}\n`, mode: 0o600 } as const;
  });
  writeNewFiles([{ file: configFile, content: imported.yaml, mode: 0o644 }, ...keys], options.force === true);
  const written = [configFile, ...keys.map((key) => key.file)].map((written) => `wrote ${written}`);
  process.stdout.write(`${[...written, ...imported.notes, `Next: hawser up ${configFile}`].join('\n')}\n`);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new HawserError('READ', `Cannot read ${file}: ${messageOf(error)}`);
  }
}
