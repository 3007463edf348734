// What the CLI says of itself, as data: manual and completion are made of it, so that they know what it knows and nothing else.
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');

/**
 * `{description, after, options, commands: [{name, heading, description, usage, arguments, options, after}]}` of the compiled program.
 * An option: `{flags, long, short, takes: 'none' | 'one' | 'many', value, choices, description}`; an argument: `{name, term, choices, description}`.
 */
export async function readCommands() {
  const { buildProgram } = await import(path.join(root, 'build/src/cli/program.js'));
  const program = await buildProgram('');
  return { ...describe(program), commands: program.commands.map(describe) };
}

function describe(command) {
  const help = command.createHelp();
  return {
    name: command.name(),
    heading: command.helpGroup?.() ?? '',
    description: command.description(),
    usage: help.commandUsage(command),
    arguments: help.visibleArguments(command).map((argument) => ({
      name: argument.name(),
      term: help.argumentTerm(argument),
      choices: argument.argChoices ?? [],
      isMany: argument.variadic,
      description: help.argumentDescription(argument),
    })),
    options: help.visibleOptions(command).map(describeOption(help)),
    after: textAfter(command),
  };
}

const describeOption = (help) => (option) => ({
  flags: help.optionTerm(option),
  long: option.long,
  short: option.short,
  takes: option.variadic ? 'many' : option.required || option.optional ? 'one' : 'none',
  value: /<([^>.]+)/.exec(option.flags)?.[1] ?? '',
  choices: option.argChoices ?? [],
  description: help.optionDescription(option),
});

/** What `addHelpText('after', …)` adds. */
function textAfter(command) {
  let text = '';
  command.emit('afterHelp', { error: false, command, write: (more) => (text += more) });
  return text.trim();
}
