/** `hawser token add|list|remove`: who may ask the HTTP API. Works on the file; a running instance reads it anew by itself. */
import { Argument, type Command } from 'commander';
import { roles } from '../control/roles.ts';
import { addToken, readTokens, removeToken, type Token } from '../control/token-file.ts';
import { usageError } from './exit.ts';
import { type Column, formatTable } from './humanize.ts';

interface TokenOptions {
  readonly role?: string;
  readonly file: string;
  readonly json?: true;
}

const verbs = ['add', 'list', 'remove'] as const;
type Verb = (typeof verbs)[number];

export function addTokenCommand(program: Command): void {
  program
    .command('token')
    .description('let programs and people ask the HTTP API')
    .addArgument(new Argument('<verb>', 'what to do').choices(verbs))
    .argument('[token]', 'its name: whose it is')
    .option('--role <role>', 'add: viewer (sees), operator (switches links and clients) or admin (changes)')
    .option('--file <file>', 'api.tokensFile of the configuration', '/etc/hawser/tokens')
    .option('--json', 'print JSON instead of text')
    .addHelpText(
      'after',
      `
Examples:
  hawser token add grafana --role viewer
  hawser token list
  hawser token remove grafana
A token is shown once; the file holds its hash. Whoever is removed is out at once. Without a token HTTP is off.
`,
    )
    .action(runToken);
}

function runToken(verb: Verb, name: string | undefined, options: TokenOptions): void {
  const { role, file } = options;
  if (verb !== 'add' && role !== undefined) throw usageError(`\`hawser token ${verb}\` takes no --role`);
  if (verb === 'list') {
    if (name !== undefined) throw usageError('`hawser token list` takes no name');
    print(options, readTokens(file).map(shown), listLines(readTokens(file)));
    return;
  }
  if (name === undefined) throw usageError(`\`hawser token ${verb}\` needs the name of the token`);
  if (verb === 'remove') {
    removeToken(file, name);
    print(options, { removed: name }, [`Token ${name} is no longer valid.`]);
    return;
  }
  if (role === undefined) throw usageError('`hawser token add` needs a role', `--role ${roles.join('|')}`);
  const token = addToken(file, name, role, Date.now());
  // The token alone on standard output: `hawser token add … > file`.
  if (options.json !== true && process.stderr.isTTY) process.stderr.write('It is shown this once:\n');
  print(options, { name, role, token }, [token]);
}

function shown({ name, role, createdMs }: Token): object {
  return { name, role, createdMs };
}

function listLines(tokens: readonly Token[]): readonly string[] {
  const columns: readonly Column<Token>[] = [
    { heading: 'TOKEN', text: (one) => one.name },
    { heading: 'ROLE', text: (one) => one.role },
    { heading: 'SINCE', text: (one) => new Date(one.createdMs).toISOString().slice(0, 16) },
  ];
  return formatTable(columns, tokens, 'There is no token: HTTP is off.');
}

function print(options: TokenOptions, value: unknown, lines: readonly string[]): void {
  process.stdout.write(`${options.json === true ? JSON.stringify(value, undefined, 2) : lines.join('\n')}\n`);
}
