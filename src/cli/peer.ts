/** `hawser peer forget-clock|rekey NAME`: what an operator may do with one peer of a running instance. */
import { Argument, type Command } from 'commander';
import { ask } from './control-client.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

const done = {
  'forget-clock': 'its next handshake is taken, whatever its clock shows',
  rekey: 'a handshake begins',
} as const;
const peerVerbs = Object.keys(done);

export function addPeerCommand(program: Command): void {
  addInstanceCommand(program, 'peer', 'forget the clock of a peer, or shake hands with it anew')
    .addArgument(new Argument('<verb>', 'what to do').choices(peerVerbs))
    // `--name` chooses the instance, as with every command.
    .argument('<peer>', 'its name')
    .addHelpText(
      'after',
      `
Examples:
  hawser peer forget-clock van     # its clock was ahead once, is right now, and its handshakes are refused as replays
  hawser peer rekey van
`,
    )
    .action(runPeer);
}

async function runPeer(verb: keyof typeof done, name: string, options: InstanceOptions): Promise<void> {
  await ask(options, `peer.${verb}`, { name });
  printResult(options, { verb, name }, () => [`${name}: ${done[verb]}`]);
}
