/** `hawser transport order NAME…|force NAME|auto`: which transport carries by each link, of those that live. */
import { Argument, type Command } from 'commander';
import { HawserError } from '../base/errors.ts';
import { ask } from './control-client.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

const verbs = ['order', 'force', 'auto'] as const;

export function addTransportCommand(program: Command): void {
  addInstanceCommand(program, 'transport', 'prefer transports in another order, or one before all as long as it lives')
    .addArgument(new Argument('<verb>', 'what to do').choices(verbs))
    .argument('[transports...]', 'their names, as `hawser paths` shows them')
    .addHelpText(
      'after',
      `
Examples:
  hawser transport order faketcp udp   # by each link the first that works carries
  hawser transport force faketcp       # and no other, as long as it lives
  hawser transport auto                # as configured
`,
    )
    .action(runTransport);
}

async function runTransport(
  verb: (typeof verbs)[number],
  names: readonly string[],
  options: InstanceOptions,
): Promise<void> {
  const most = verb === 'order' ? Number.POSITIVE_INFINITY : verb === 'force' ? 1 : 0;
  if (names.length > most || (names.length === 0 && most > 0)) {
    const wanted = verb === 'order' ? 'one transport or more' : verb === 'force' ? 'one transport' : 'no transport';
    throw new HawserError('USAGE', `\`hawser transport ${verb}\` takes ${wanted}, not ${names.length}`);
  }
  const [first] = names;
  if (verb === 'order') await ask(options, 'transport.order', { order: [...names] });
  else await ask(options, 'transport.force', first === undefined ? {} : { transport: first });
  const told =
    verb === 'order'
      ? `By each link the first of these that works carries: ${names.join(', ')}.`
      : verb === 'force'
        ? `By each link ${first} carries while it lives.`
        : 'Transports are preferred as configured.';
  printResult(options, { verb, transports: names }, () => [told]);
}
