/** One command a file; here they are joined and the exit code is decided. */
import { Command } from 'commander';
import { packageVersion } from '../base/package-info.ts';
import { reportError } from './exit.ts';

type AddCommand = (program: Command) => void;
/** Loaded when asked for: `hawser status` must not wait for the 80 ms that the configuration's parser takes to load. */
type Commands = Readonly<Record<string, () => Promise<AddCommand>>>;

const groups: Readonly<Record<string, Commands>> = {
  'Set up:': {
    init: async () => (await import('./init.ts')).addInitCommand,
    import: async () => (await import('./import.ts')).addImportCommand,
    join: async () => (await import('./join.ts')).addJoinCommand,
    token: async () => (await import('./token.ts')).addTokenCommand,
    keygen: async () => (await import('./keygen.ts')).addKeygenCommand,
    check: async () => (await import('./check.ts')).addCheckCommand,
    schema: async () => (await import('./schema.ts')).addSchemaCommand,
    update: async () => (await import('./update.ts')).addUpdateCommand,
    doctor: async () => (await import('./doctor.ts')).addDoctorCommand,
    topology: async () => (await import('./topology.ts')).addTopologyCommand,
  },
  'Run:': {
    up: async () => (await import('./up.ts')).addUpCommand,
    reload: async () => (await import('./reload.ts')).addReloadCommand,
    config: async () => (await import('./config.ts')).addConfigCommand,
    release: async () => (await import('./release.ts')).addReleaseCommand,
    failover: async () => (await import('./failover.ts')).addFailoverCommand,
    transport: async () => (await import('./transport.ts')).addTransportCommand,
    peer: async () => (await import('./peer.ts')).addPeerCommand,
    client: async () => (await import('./client.ts')).addClientCommand,
    invite: async () => (await import('./invite.ts')).addInviteCommand,
    link: async () => (await import('./link.ts')).addLinkCommand,
    webhook: async () => (await import('./webhook.ts')).addWebhookCommand,
    plugin: async () => (await import('./plugin.ts')).addPluginCommand,
    actor: async () => (await import('./actor.ts')).addActorCommand,
  },
  'Watch:': {
    open: async () => (await import('./open.ts')).addOpenCommand,
    status: async () => (await import('./status.ts')).addStatusCommand,
    sessions: async () => (await import('./sessions.ts')).addSessionsCommand,
    peers: async () => (await import('./peers.ts')).addPeersCommand,
    paths: async () => (await import('./paths.ts')).addPathsCommand,
    links: async () => (await import('./links.ts')).addLinksCommand,
    health: async () => (await import('./health.ts')).addHealthCommand,
    explain: async () => (await import('./explain.ts')).addExplainCommand,
    nat: async () => (await import('./nat.ts')).addNatCommand,
    actors: async () => (await import('./actors.ts')).addActorsCommand,
    rings: async () => (await import('./rings.ts')).addRingsCommand,
    top: async () => (await import('./top.ts')).addTopCommand,
    events: async () => (await import('./events.ts')).addEventsCommand,
    history: async () => (await import('./history.ts')).addHistoryCommand,
    errors: async () => (await import('./errors.ts')).addErrorsCommand,
  },
};

const examples = `
Start here:
  hawser init --role server --endpoint hub.example.net:51820   # on the side that can be reached
  hawser check /etc/hawser/hub.yaml

Exit codes: 0 done, 1 failed at run time, 64 wrong use, 78 wrong configuration.
`;

/** Runs the command that `argv` names (`node hawser COMMAND …`); sets the exit code and never rejects. */
export async function runProgram(argv: readonly string[]): Promise<void> {
  if (argv[2] !== 'up') process.stdout.on('error', endWithReader);
  try {
    const program = await buildProgram(argv[2] ?? '');
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = reportError(error);
  }
}

/** As the shell says that SIGPIPE ended somebody. */
const brokenPipe = 141;

/** `hawser client list | head`: whoever has read enough wants no stack. */
function endWithReader(error: Error): void {
  if (Reflect.get(error, 'code') !== 'EPIPE') throw error;
  process.exit(brokenPipe);
}

/** Knows the one command that `word` names, or all of them, so that help, manual, completion and "unknown command" can list them. */
export async function buildProgram(word: string): Promise<Command> {
  const program = new Command('hawser')
    .description('Twists several unreliable Internet links into one strong, encrypted rope.')
    .version(packageVersion(), '-v, --version')
    .showHelpAfterError('(hawser --help lists the commands)')
    .addHelpText('after', examples)
    .exitOverride();
  const isKnown = Object.values(groups).some((commands) => Object.hasOwn(commands, word));
  for (const [heading, commands] of Object.entries(groups)) {
    program.commandsGroup(heading);
    for (const [name, load] of Object.entries(commands)) {
      if (isKnown && name !== word) continue;
      const add = await load();
      add(program);
    }
  }
  for (const command of program.commands) command.exitOverride();
  return program;
}
