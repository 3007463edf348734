/** `hawser client …`: the clients of a running hub. */
import { Argument, type Command } from 'commander';
import { parseDurationMs } from '../config/units.ts';
import type { ClientRow } from '../control/client-calls.ts';
import { type AddOptions, addClient } from './client-add.ts';
import { type FindOptions, findOfOptions, foundLines } from './client-find.ts';
import { importClients } from './client-import.ts';
import { clientLines, describeClient, usageLines } from './client-lines.ts';
import { quotaOfOptions } from './client-quotas.ts';
import { ratesOfOptions } from './client-rates.ts';
import { ask } from './control-client.ts';
import { usageError } from './exit.ts';
import { parseWhen } from './expiry.ts';
import { addInstanceCommand, printResult } from './instance-command.ts';

interface ClientOptions extends AddOptions, FindOptions {
  readonly publicAddress?: string;
  readonly off?: true;
  readonly for?: string;
}

const verbs = [
  'add',
  'list',
  'show',
  'set',
  'enable',
  'disable',
  'remove',
  'rename',
  'kick',
  'usage',
  'forward',
  'device',
  'export',
  'import',
] as const;
type Verb = (typeof verbs)[number];

/** Options by the verbs that take them. */
const takes: Readonly<Record<string, readonly Verb[]>> = {
  stock: ['add', 'device'],
  hawser: ['add', 'device'],
  publicKey: ['add', 'device'],
  endpoint: ['add', 'device'],
  allowed: ['add', 'device'],
  qr: ['add', 'device'],
  address: ['add', 'device', 'set'],
  expires: ['add', 'set'],
  publicAddress: ['set'],
  up: ['add', 'set'],
  down: ['add', 'set'],
  priority: ['add', 'set'],
  daily: ['add', 'set'],
  monthly: ['add', 'set'],
  resetDay: ['add', 'set'],
  off: ['forward'],
  for: ['kick'],
  match: ['list'],
  order: ['list'],
  most: ['list'],
};

export function addClientCommand(program: Command): void {
  addInstanceCommand(program, 'client', 'add, change and remove the clients of a hub while it runs')
    .addArgument(new Argument('<verb>', 'what to do').choices(verbs))
    // `--name` chooses the instance, as with every command.
    .argument('[client]', 'its name; device: add or remove; import: the file')
    .argument('[to]', 'rename: the new name; device: the client; forward: PORT/tcp, or PORT:ITS_PORT/udp')
    .argument('[device]', 'device: its name')
    .option('--stock', 'add: print a file for WireGuard (the default), and on a terminal its QR code')
    .option('--hawser', 'add: print a file for `hawser import`')
    .option('--public-key <key>', 'add: the client keeps its own private key')
    .option('--address <address...>', 'add, set: its addresses, from the pools; they stay its own when it expires')
    .option('--expires <when>', 'add, set: 30d, 12h, 2027-01-31 or never')
    .option('--public-address <address>', 'set: an outside address of its own (nat.md), or none')
    .option('--up <rate>', 'add, set: at most so many Mbit/s from it, off, or default (server.client)')
    .option('--down <rate>', 'add, set: at most so many Mbit/s to it')
    .option('--priority <share>', 'add, set: 0 to 100, its share while server.total binds')
    .option('--daily <amount>', 'add, set: at most so much in a day, both ways together: 10GB, off, or default')
    .option('--monthly <amount>', 'add, set: the same for a month')
    .option('--reset-day <day>', 'add, set: day on which its month begins, 1 to 31, or default')
    .option('--off', 'forward: that port leads to it no longer')
    .option('--endpoint <host>', "add: where this hub is reached (default: the file's server.endpoint)")
    .option('--allowed <cidr...>', "add: what the client sends through the tunnel (default: the hub's networks)")
    .option('--no-psk', 'add: without a preshared key')
    .option('--for <duration>', 'kick: do not let it in again for so long, such as 1m')
    .option('--match <text>', 'list: those with it in a name or an address')
    .option('--order <order>', 'list: by name, used (this month), active or created')
    .option('--most <count>', 'list: so many of them at most')
    .option('--qr', 'add: print the QR code also where there is no terminal')
    .addHelpText(
      'after',
      `
Examples:
  hawser client add phone                        # scan the code with the WireGuard app
  hawser client add office --hawser > office.hawser
  hawser client add tv --address 10.9.0.20 --expires 30d --stock > tv.conf
  hawser client list
  hawser client list --order used --most 10      # who used most this month
  hawser client set phone --up 5 --down 20       # Mbit/s, at once
  hawser client set phone --daily 20GB           # at once, also where it has used up what it had
  hawser client usage phone
  hawser client forward office 443:8443/tcp      # port 443 here leads to 8443 there (server.nat)
  hawser client device add phone tablet          # another key of the same client
  hawser client kick phone --for 10m
  hawser client remove phone
  hawser client export > clients.json            # with preshared keys; hawser client import clients.json

What is printed for a new client holds its private key, which is kept nowhere else: whoever loses it removes the client and adds it anew.
All of it takes effect at once, and touches no other client.
`,
    )
    .action(runClient);
}

async function runClient(
  verb: Verb,
  name: string | undefined,
  to: string | undefined,
  device: string | undefined,
  options: ClientOptions,
): Promise<void> {
  checkOptions(verb, [name, to, device], options);
  if (verb === 'list') return await list(options);
  if (verb === 'export') {
    process.stdout.write(`${JSON.stringify(await ask(options, 'client.export'), undefined, 1)}\n`);
    return;
  }
  if (name === undefined) throw usageError(`\`hawser client ${verb}\` of whom?`, `hawser client ${verb} NAME`);
  if (verb === 'add') return await addClient(name, undefined, options);
  if (verb === 'device' && name === 'add') return await addClient(to ?? '', device, options);
  if (verb === 'usage') return printResult(options, await ask(options, 'client.usage', { name }), usageLines);
  if (verb === 'import') return await importClients(name, options);
  const row = await changed(verb, name, to ?? '', device ?? '', options);
  printResult(options, row, (one) =>
    verb === 'show' || verb === 'set' || verb === 'forward' ? describeClient(one) : [`${one.name}: ${done[verb]}`],
  );
}

async function list(options: ClientOptions): Promise<void> {
  const wanted = findOfOptions(options);
  if (wanted === undefined) return printResult(options, await ask(options, 'client.list'), clientLines);
  printResult(options, await ask(options, 'client.find', wanted), foundLines);
}

const done: Readonly<
  Record<Exclude<Verb, 'add' | 'list' | 'show' | 'set' | 'forward' | 'usage' | 'export' | 'import'>, string>
> = {
  enable: 'enabled',
  disable: 'disabled, and cut off',
  remove: 'removed',
  rename: 'renamed',
  kick: 'its sessions were ended',
  device: 'the device was removed',
};

/** How many names a verb takes. */
const counts: Readonly<Partial<Record<Verb, number>>> = { list: 0, export: 0, rename: 2, device: 3, forward: 2 };

function checkOptions(verb: Verb, names: readonly (string | undefined)[], options: ClientOptions): void {
  for (const [option, known] of Object.entries(takes)) {
    if (Reflect.get(options, option) !== undefined && !known.includes(verb))
      throw usageError(
        `\`hawser client ${verb}\` takes no --${option.replace(/[A-Z]/g, (one) => `-${one.toLowerCase()}`)}`,
      );
  }
  const given = names.filter((one) => one !== undefined);
  const wanted = counts[verb] ?? 1;
  if (verb === 'list' && given.length > 0)
    throw usageError('`hawser client list` takes no name', 'hawser client show NAME');
  if (verb === 'forward' && given.length === 1)
    throw usageError('Which port leads to it?', 'hawser client forward NAME 443:8443/tcp');
  if (verb === 'rename' && given.length === 1)
    throw usageError('Renamed to what?', 'hawser client rename NAME NEW_NAME');
  if (verb === 'device' && (given.length < 3 || (names[0] !== 'add' && names[0] !== 'remove')))
    throw usageError('A device of whom?', 'hawser client device add NAME DEVICE, or remove');
  if (given.length > wanted) throw usageError(`"${given[wanted]}" is one name too many`);
  if (options.stock === true && options.hawser === true) throw usageError('--stock or --hawser, not both');
}

async function changed(
  verb: Exclude<Verb, 'add' | 'list' | 'usage' | 'export' | 'import'>,
  name: string,
  to: string,
  device: string,
  options: ClientOptions,
): Promise<ClientRow> {
  if (verb === 'rename') return await ask(options, 'client.rename', { name, to });
  if (verb === 'forward')
    return await ask(options, 'client.forward', { name, forward: to, isOff: options.off === true });
  if (verb === 'device') return await ask(options, 'client.device.remove', { name: to, device });
  if (verb === 'kick') return await ask(options, 'client.kick', { name, ...forMsOf(options) });
  if (verb !== 'set') return await ask(options, `client.${verb}`, { name });
  const expiresMs = options.expires === undefined ? undefined : (parseWhen(options.expires, Date.now()) ?? null);
  const rates = ratesOfOptions(options);
  const quota = quotaOfOptions(options);
  return await ask(options, 'client.set', {
    name,
    ...(quota === undefined ? {} : { quota }),
    ...(rates === undefined ? {} : { rates }),
    ...(options.address === undefined ? {} : { addresses: [...options.address] }),
    ...(expiresMs === undefined ? {} : { expiresMs }),
    ...(options.publicAddress === undefined
      ? {}
      : { publicAddress: options.publicAddress === 'none' ? null : options.publicAddress }),
  });
}

function forMsOf({ for: text }: ClientOptions): { forMs?: number } {
  if (text === undefined) return {};
  const forMs = parseDurationMs(text);
  if (forMs === undefined || forMs > 86_400_000)
    throw usageError(`--for is "${text}"`, '30s, 10m or 2h, a day at most');
  return { forMs };
}
