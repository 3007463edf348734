/** `hawser client …`: the clients of a running hub. */
import { Argument, type Command } from 'commander';
import { formatEndpoint, parseCidr } from '../config/address.ts';
import { formatKey, newPrivateKey, publicKeyOf } from '../config/keys.ts';
import { parseServerEndpoint } from '../config/server-schema.ts';
import type { ClientRow, HubFacts, NewClientAnswer } from '../control/client-calls.ts';
import { type ClientFileInput, hawserFile, stockFile } from './client-files.ts';
import { clientLines, describeClient } from './client-lines.ts';
import { ask } from './control-client.ts';
import { usageError } from './exit.ts';
import { parseWhen } from './expiry.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

interface ClientOptions extends InstanceOptions {
  readonly stock?: true;
  readonly hawser?: true;
  readonly publicKey?: string;
  readonly address?: readonly string[];
  readonly expires?: string;
  readonly endpoint?: string;
  readonly allowed?: readonly string[];
  readonly psk: boolean;
  readonly qr?: true;
  readonly publicAddress?: string;
  readonly off?: true;
}

const verbs = ['add', 'list', 'show', 'set', 'enable', 'disable', 'remove', 'rename', 'kick', 'forward'] as const;
type Verb = (typeof verbs)[number];

/** Options by the verbs that take them. */
const takes: Readonly<Record<string, readonly Verb[]>> = {
  stock: ['add'],
  hawser: ['add'],
  publicKey: ['add'],
  endpoint: ['add'],
  allowed: ['add'],
  qr: ['add'],
  address: ['add', 'set'],
  expires: ['add', 'set'],
  publicAddress: ['set'],
  off: ['forward'],
};

export function addClientCommand(program: Command): void {
  addInstanceCommand(program, 'client', 'add, change and remove the clients of a hub while it runs')
    .addArgument(new Argument('<verb>', 'what to do').choices(verbs))
    // `--name` chooses the instance, as with every command.
    .argument('[client]', 'its name')
    .argument('[to]', 'rename: the new name; forward: PORT/tcp, or PORT:ITS_PORT/udp')
    .option('--stock', 'add: print a file for WireGuard (the default), and on a terminal its QR code')
    .option('--hawser', 'add: print a file for `hawser import`')
    .option('--public-key <key>', 'add: the client keeps its own private key')
    .option('--address <address...>', 'add, set: its addresses, from the pools; they stay its own when it expires')
    .option('--expires <when>', 'add, set: 30d, 12h, 2027-01-31 or never')
    .option('--public-address <address>', 'set: an outside address of its own (nat.md), or none')
    .option('--off', 'forward: that port leads to it no longer')
    .option('--endpoint <host>', "add: where this hub is reached (default: the file's server.endpoint)")
    .option('--allowed <cidr...>', "add: what the client sends through the tunnel (default: the hub's networks)")
    .option('--no-psk', 'add: without a preshared key')
    .option('--qr', 'add: print the QR code also where there is no terminal')
    .addHelpText(
      'after',
      `
Examples:
  hawser client add phone                        # scan the code with the WireGuard app
  hawser client add office --hawser > office.hawser
  hawser client add tv --address 10.9.0.20 --expires 30d --stock > tv.conf
  hawser client list
  hawser client forward office 443:8443/tcp      # port 443 here leads to 8443 there (server.nat)
  hawser client remove phone

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
  options: ClientOptions,
): Promise<void> {
  checkOptions(verb, name, to, options);
  if (verb === 'list') return printResult(options, await ask(options, 'client.list'), clientLines);
  if (name === undefined) throw usageError(`\`hawser client ${verb}\` of whom?`, `hawser client ${verb} NAME`);
  if (verb === 'add') return await add(name, options);
  const row = await changed(verb, name, to ?? '', options);
  printResult(options, row, (one) =>
    verb === 'show' || verb === 'set' || verb === 'forward' ? describeClient(one) : [`${one.name}: ${done[verb]}`],
  );
}

const done: Readonly<Record<Exclude<Verb, 'add' | 'list' | 'show' | 'set' | 'forward'>, string>> = {
  enable: 'enabled',
  disable: 'disabled, and cut off',
  remove: 'removed',
  rename: 'renamed',
  kick: 'its sessions were ended; it may come again',
};

function checkOptions(verb: Verb, name: string | undefined, to: string | undefined, options: ClientOptions): void {
  for (const [option, known] of Object.entries(takes)) {
    if (Reflect.get(options, option) !== undefined && !known.includes(verb))
      throw usageError(
        `\`hawser client ${verb}\` takes no --${option.replace(/[A-Z]/g, (one) => `-${one.toLowerCase()}`)}`,
      );
  }
  if (verb === 'list' && name !== undefined)
    throw usageError('`hawser client list` takes no name', 'hawser client show NAME');
  if (verb === 'forward' && to === undefined)
    throw usageError('Which port leads to it?', 'hawser client forward NAME 443:8443/tcp');
  if (verb !== 'forward' && (to !== undefined) !== (verb === 'rename'))
    throw usageError(
      verb === 'rename' ? 'Renamed to what?' : `"${to}" is one name too many`,
      'hawser client rename NAME NEW_NAME',
    );
  if (options.stock === true && options.hawser === true) throw usageError('--stock or --hawser, not both');
}

async function changed(
  verb: Exclude<Verb, 'add' | 'list'>,
  name: string,
  to: string,
  options: ClientOptions,
): Promise<ClientRow> {
  if (verb === 'rename') return await ask(options, 'client.rename', { name, to });
  if (verb === 'forward')
    return await ask(options, 'client.forward', { name, forward: to, isOff: options.off === true });
  if (verb !== 'set') return await ask(options, `client.${verb}`, { name });
  const expiresMs = options.expires === undefined ? undefined : (parseWhen(options.expires, Date.now()) ?? null);
  return await ask(options, 'client.set', {
    name,
    ...(options.address === undefined ? {} : { addresses: [...options.address] }),
    ...(expiresMs === undefined ? {} : { expiresMs }),
    ...(options.publicAddress === undefined
      ? {}
      : { publicAddress: options.publicAddress === 'none' ? null : options.publicAddress }),
  });
}

/** The private key is made here, and goes nowhere but to stdout. */
async function add(name: string, options: ClientOptions): Promise<void> {
  const allowed = options.allowed?.map((text) => checkedCidr(text));
  const endpoint = options.endpoint === undefined ? undefined : checkedEndpoint(options.endpoint);
  const expiresMs = options.expires === undefined ? undefined : parseWhen(options.expires, Date.now());
  const key = options.publicKey === undefined ? newPrivateKey() : undefined;
  const answer = await ask(options, 'client.add', {
    name,
    publicKey: options.publicKey ?? formatKey(publicKeyOf(key ?? new Uint8Array(32))),
    addresses: [...(options.address ?? [])],
    ...(expiresMs === undefined ? {} : { expiresMs }),
    presharedKey: options.psk,
  });
  const { hub } = answer;
  const input: ClientFileInput = {
    ...answer,
    privateKey: key === undefined ? undefined : formatKey(key),
    endpoints: endpoint === undefined ? hub.endpoints : endpointsAt(endpoint, hub),
    allowed: allowed ?? hub.networks,
  };
  await print(input, answer, options);
}

async function print(input: ClientFileInput, answer: NewClientAnswer, options: ClientOptions): Promise<void> {
  const file = options.hawser === true ? hawserFile(input) : stockFile(input);
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ ...answer, privateKey: input.privateKey, file }, undefined, 2)}\n`);
    return;
  }
  process.stdout.write(file);
  const lack = lackOf(input, options.hawser === true);
  if (lack !== '') process.stderr.write(`hawser: ${lack}; then add this client anew\n`);
  const isForPhones = options.hawser !== true && input.privateKey !== undefined;
  if (isForPhones && (options.qr === true || process.stdout.isTTY)) await printCode(file);
}

/** What keeps the client from finding its hub, with the remedy; '' = nothing. */
function lackOf({ hub, endpoints }: ClientFileInput, isHawser: boolean): string {
  if (!isHawser && hub.ports.udp === undefined)
    return 'WireGuard needs UDP, and this hub has no UDP port of its own: write listen.udp in its file';
  if (endpoints.length > 0) return '';
  return 'Nobody has said where this hub is reached: write server.endpoint in its file, or give --endpoint';
}

/** A code with broken lines is none. */
async function printCode(file: string): Promise<void> {
  const { qrColumns, qrLines } = await import('./qr-code.ts');
  const lines = qrLines(file);
  const { isTTY, columns } = process.stdout;
  if (isTTY && columns < qrColumns(lines)) {
    process.stderr.write(
      `hawser: the QR code needs a terminal of ${qrColumns(lines)} columns, and this one has ${columns}\n`,
    );
    return;
  }
  process.stdout.write(`\n${lines.join('\n')}\n`);
}

function endpointsAt({ host, port }: { host: string; port: number | undefined }, { ports }: HubFacts): string[] {
  return Object.entries(ports).map(([transport, own]) => {
    const scheme = transport === 'udp' ? '' : `${transport}://`;
    return `${scheme}${formatEndpoint({ host, port: transport === 'udp' ? (port ?? own) : own })}`;
  });
}

function checkedEndpoint(text: string): NonNullable<ReturnType<typeof parseServerEndpoint>> {
  const endpoint = parseServerEndpoint(text);
  if (endpoint === undefined) throw usageError(`--endpoint is "${text}"`, 'hub.example.net, 203.0.113.1 or host:port');
  return endpoint;
}

function checkedCidr(text: string): string {
  if (parseCidr(text) === undefined) throw usageError(`--allowed is "${text}"`, '0.0.0.0/0, or other networks');
  return text;
}
