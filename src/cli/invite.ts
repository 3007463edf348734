/** `hawser invite`: prints lines by which other machines become clients of a running hub; lists them and takes them back. */
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import type { Command } from 'commander';
import { HawserError } from '../base/errors.ts';
import { parseCidr } from '../config/address.ts';
import { invitationToLine } from '../config/invitation-line.ts';
import { formatKey, parseKey, publicKeyOf } from '../config/keys.ts';
import type { HubFacts, InvitationRow } from '../control/client-calls.ts';
import { deriveInvitation, invitationSecretBytes } from '../crypto/invitation.ts';
import { type QuotaOptions, quotaOfOptions } from './client-quotas.ts';
import { type RateOptions, ratesOfOptions } from './client-rates.ts';
import { ask } from './control-client.ts';
import { usageError } from './exit.ts';
import { parseWhen } from './expiry.ts';
import { checkedEndpoint, endpointsAt } from './hub-endpoint.ts';
import { type Column, formatTable } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';
import { printCode } from './print-code.ts';

interface InviteOptions extends InstanceOptions, RateOptions, QuotaOptions {
  readonly expires: string;
  readonly uses: string;
  readonly endpoint?: string;
  readonly allowed?: readonly string[];
  readonly qr?: true;
}

const mostUses = 100;
const mostWornCharacters = 400;

export function addInviteCommand(program: Command): void {
  addInstanceCommand(program, 'invite', 'print a line by which another machine becomes a client of a hub')
    .argument('<client>', 'the name that the client will have; or list, or revoke')
    .argument('[invited]', 'revoke: whose invitation')
    .option('--expires <when>', '30m, 12h, 7d or 2027-01-31', '1d')
    .option('--uses <count>', 'print so many lines, each for one machine: NAME-1, NAME-2 …', '1')
    .option('--up <rate>', 'at most so many Mbit/s from it, or off (default: server.client)')
    .option('--down <rate>', 'at most so many Mbit/s to it')
    .option('--priority <share>', '0 to 100, its share while server.total binds')
    .option(
      '--daily <amount>',
      'at most so much a day, both ways together: 10GB, 500MB, or off (default: server.client)',
    )
    .option('--monthly <amount>', 'at most so much a month')
    .option('--reset-day <day>', 'the day on which its month begins, 1 to 31')
    .option('--endpoint <host>', "where this hub is reached (default: the file's server.endpoint)")
    .option('--allowed <cidr...>', "what the client sends through the tunnel (default: the hub's networks)")
    .option('--qr', 'print the QR code also where there is no terminal')
    .addHelpText(
      'after',
      `
Examples:
  hawser invite van                      # prints: hawser join hub.example.net:51820#AQx3…
  hawser invite branch --uses 20 --expires 14d --up 20 --down 50 --monthly 50GB
  hawser invite list
  hawser invite revoke van

Whoever has the line may become that client, once, before it expires: send it as you would send a password. This hub keeps no copy of it.
`,
    )
    .action(runInvite);
}

async function runInvite(client: string, invited: string | undefined, options: InviteOptions): Promise<void> {
  if (client === 'revoke') {
    if (invited === undefined) throw usageError('Whose invitation?', 'hawser invite revoke NAME');
    const row = await ask(options, 'invite.revoke', { name: invited });
    return printResult(options, row, ({ name }) => [`${name}: the invitation was taken back`]);
  }
  if (invited !== undefined)
    throw usageError(`"${invited}" is one name too many`, 'hawser invite NAME --uses 2 for several');
  if (client === 'list') return printResult(options, await ask(options, 'invite.list'), invitationLines);
  await invite(client, options);
}

interface Printed extends InvitationRow {
  /** What the other machine runs. */
  readonly command: string;
}

async function invite(name: string, options: InviteOptions): Promise<void> {
  const count = usesOf(options.uses);
  const expiresMs = parseWhen(options.expires, Date.now());
  if (expiresMs === undefined) throw usageError('An invitation for ever is a password', '--expires 7d, a year at most');
  const wrong = options.allowed?.find((text) => parseCidr(text) === undefined);
  if (wrong !== undefined) throw usageError(`--allowed is "${wrong}"`, '0.0.0.0/0, or other networks');
  const rates = ratesOfOptions(options);
  const quota = quotaOfOptions(options);
  const hub = await ask(options, 'hub');
  const endpoints = endpointsOf(hub, options.endpoint);
  const hubKey = parseKey(hub.publicKey);
  if (hubKey === undefined) throw new HawserError('KEY_FORM', 'The hub has no public key');
  const made = Array.from({ length: count }, () => {
    const secret = new Uint8Array(randomBytes(invitationSecretBytes));
    const { privateKey, presharedKey } = deriveInvitation(hubKey, secret);
    const line = invitationToLine({ endpoints, hubKey, secret, obfuscation: wornBy(hub) });
    return { line, key: { publicKey: formatKey(publicKeyOf(privateKey)), presharedKey: formatKey(presharedKey) } };
  });
  const rows = await ask(options, 'invite.add', {
    name,
    keys: made.map(({ key }) => key),
    expiresMs,
    ...(options.allowed === undefined ? {} : { allowed: [...options.allowed] }),
    ...(rates === undefined ? {} : { rates }),
    ...(quota === undefined ? {} : { quota }),
  });
  await print(
    rows.map((row, index) => ({ ...row, command: `hawser join ${quoted(made[index]?.line ?? '')}` })),
    options,
  );
}

/** What packets wear there. Signature packets are each side's own affair, and may be longer than a line should be. */
function wornBy({ obfuscation }: HubFacts): object | undefined {
  if (typeof obfuscation !== 'object') return undefined;
  const isLong = JSON.stringify(obfuscation).length > mostWornCharacters;
  return isLong ? Object.fromEntries(Object.entries(obfuscation).filter(([key]) => !/^i\d$/.test(key))) : obfuscation;
}

function usesOf(text: string): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= mostUses) return count;
  throw usageError(`--uses is "${text}"`, `a number from 1 to ${mostUses}`);
}

/** Those that a machine can be told of. Throws when there is none. */
function endpointsOf(hub: HubFacts, chosen: string | undefined): string[] {
  const endpoints = chosen === undefined ? [...hub.endpoints] : endpointsAt(checkedEndpoint(chosen), hub);
  if (endpoints.length === 0)
    throw new HawserError(
      'NO_ENDPOINT',
      'Nobody has said where this hub is reached',
      'write server.endpoint in its file, or give --endpoint',
    );
  return endpoints;
}

/** Shells have ideas about brackets. */
function quoted(word: string): string {
  return /[[\]]/.test(word) ? `'${word}'` : word;
}

async function print(rows: readonly Printed[], options: InviteOptions): Promise<void> {
  printResult(options, rows, () => rows.map(({ command }) => command));
  if (options.json === true || (options.qr !== true && !process.stdout.isTTY)) return;
  for (const { name, command } of rows) {
    if (rows.length > 1) process.stdout.write(`\n${name}:\n`);
    await printCode(command);
  }
}

const columns: readonly Column<InvitationRow>[] = [
  { heading: 'CLIENT', text: ({ name }) => name },
  { heading: 'STATE', text: ({ state }) => state },
  {
    heading: 'EXPIRES',
    text: ({ expiresMs }) => `${new Date(expiresMs).toISOString().slice(0, 16).replace('T', ' ')}Z`,
  },
];

function invitationLines(rows: readonly InvitationRow[]): string[] {
  return formatTable(columns, rows, 'No invitations are open (hawser invite NAME makes one).');
}
