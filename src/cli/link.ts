/** `hawser link add|remove|enable|disable NAME`: changes the links of a running instance; the file stays as it is. */
import { Argument, type Command } from 'commander';
import { type LinkVerb, linkVerbs } from '../control/protocol.ts';
import type { NewLink, ReloadResult } from '../control/supervisor-api.ts';
import { ask } from './control-client.ts';
import { usageError } from './exit.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

interface LinkOptions extends InstanceOptions {
  readonly interface?: string;
  readonly priority?: string;
  readonly rate?: string;
  readonly weight?: string;
  readonly role?: string;
}

export function addLinkCommand(program: Command): void {
  addInstanceCommand(program, 'link', 'add, remove, enable or disable a link while the instance runs')
    .addArgument(new Argument('<verb>', 'what to do').choices(linkVerbs))
    // `--name` chooses the instance, as with every command.
    .argument('<link>', 'its name')
    .option('--interface <interface>', 'add: the interface its sockets are bound to')
    .option('--priority <number>', 'add: 0 (the default) to 255, 0 first')
    .option('--rate <mbit>', 'add: Mbit/s it carries at most, or auto')
    .option('--weight <number>', 'add: share in mode weighted, 1 to 1000')
    .option('--role <role>', 'add: always, backup or metered')
    .addHelpText(
      'after',
      `
Examples:
  hawser link add lte2 --interface wwan1 --role backup
  hawser link disable lte
A link that was added stays until the next reload or start, which go by the file; so does the lack of one that was removed.
A disabled link carries nothing until it is enabled or the instance starts anew.
`,
    )
    .action(runLink);
}

async function runLink(verb: LinkVerb, name: string, options: LinkOptions): Promise<void> {
  const link = newLink(name, options);
  if (verb !== 'add' && Object.keys(link).length > 1) {
    throw usageError(`\`hawser link ${verb}\` takes no ${Object.keys(link)[1]}`, 'those belong to `hawser link add`');
  }
  const result = await ask<ReloadResult | null>(options, 'link', { verb, name, link });
  const changes = result?.changes ?? [`link ${name} ${verb}d`];
  printResult(options, { verb, name, changes }, () => changes);
}

/** Numbers that are none travel as they are: the daemon names what is wrong with them. */
function newLink(name: string, options: LinkOptions): NewLink {
  const { interface: device, priority, rate, weight, role } = options;
  return {
    name,
    ...(device === undefined ? {} : { interface: device }),
    ...(priority === undefined ? {} : { priority: Number(priority) }),
    ...(rate === undefined ? {} : { rate: rate === 'auto' ? 'auto' : Number(rate) }),
    ...(weight === undefined ? {} : { weight: Number(weight) }),
    ...(role === undefined ? {} : { role }),
  };
}
