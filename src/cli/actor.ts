/** `hawser actor kill|restart|hang ID`: for operators, and for tests of what must survive it. */
import { Argument, type Command } from 'commander';
import { HawserError } from '../base/errors.ts';
import { ask } from './control-client.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

const actorVerbs = ['kill', 'restart', 'hang'] as const;

export function addActorCommand(program: Command): void {
  addInstanceCommand(program, 'actor', 'kill, restart or hang one actor')
    .addArgument(
      new Argument('<verb>', 'kill = throws at once; restart = in order; hang = spins silently').choices(actorVerbs),
    )
    .argument('<id>', 'the actor, as `hawser actors` calls it, or the beginning of its name')
    .addHelpText(
      'after',
      '\nExamples:\n  hawser actor restart wan-link.fibre\n  hawser actor kill sealer --name home\n',
    )
    .action(runActor);
}

async function runActor(verb: (typeof actorVerbs)[number], id: string, options: InstanceOptions): Promise<void> {
  try {
    const meant = await ask(options, `actor.${verb}`, { id });
    printResult(options, { verb, id: meant }, () => [`${meant}: ${verb} done`]);
  } catch (error) {
    // The answer to its own end is the end of the connection.
    const isOwnEnd = 'control-server'.startsWith(id) && error instanceof HawserError && error.code === 'CLOSED';
    if (!isOwnEnd) throw error;
    printResult(options, { verb, id: 'control-server' }, () => [`control-server: ${verb} done`]);
  }
}
