/** `hawser link add|remove|enable|disable NAME`: changes the links of a running instance; the file stays as it is. */
import { readFileSync } from 'node:fs';
import { Argument, type Command } from 'commander';
import type { NewLink } from '../control/supervisor-api.ts';
import { ControlConnection } from './control-client.ts';
import { usageError } from './exit.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';
import { adviseOnAdded, adviseOnRemoved } from './link-advice.ts';

const linkVerbs = ['add', 'remove', 'enable', 'disable'] as const;
type LinkVerb = (typeof linkVerbs)[number];

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
What add and remove change lasts until the daemon stops or reloads: a reload (hawser reload, SIGHUP) goes by the configuration
file, drops what was added and brings back what was removed. Both print the lines of the file that keep the change.
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
  const daemon = await ControlConnection.open(options);
  try {
    const { configPath } = await daemon.request('status');
    const changes = await change(daemon, verb, link);
    const advice = advise(verb, link, configPath);
    printResult(options, { verb, name, changes, advice }, () => [...changes, ...advice]);
  } finally {
    daemon.close();
  }
}

/** One sentence for each thing that was changed. */
async function change(daemon: ControlConnection, verb: LinkVerb, link: NewLink): Promise<readonly string[]> {
  if (verb === 'add') return (await daemon.request('link.add', link)).changes;
  if (verb === 'remove') return (await daemon.request('link.remove', { name: link.name })).changes;
  await daemon.request(`link.${verb}`, { name: link.name });
  return [`link ${link.name} ${verb}d`];
}

function advise(verb: LinkVerb, link: NewLink, file: string): string[] {
  if (verb === 'add') return adviseOnAdded(link, file, textOf(file));
  return verb === 'remove' ? adviseOnRemoved(link.name, file, textOf(file)) : [];
}

/** undefined = it cannot be read here: the daemon may live in another view of the file system. */
function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** The daemon checks what the numbers may be. */
function newLink(name: string, options: LinkOptions): NewLink {
  const { interface: device, priority, rate, weight, role } = options;
  return {
    name,
    ...(device === undefined ? {} : { interface: device }),
    ...(priority === undefined ? {} : { priority: numberOf('--priority', priority) }),
    ...(rate === undefined ? {} : { rate: rate === 'auto' ? 'auto' : numberOf('--rate', rate) }),
    ...(weight === undefined ? {} : { weight: numberOf('--weight', weight) }),
    ...(role === undefined ? {} : { role }),
  };
}

function numberOf(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw usageError(`${option} is "${text}"`, 'a number');
  return value;
}
