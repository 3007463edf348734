/** `hawser join`: this machine becomes a client of the hub that an invitation names: key, configuration with its links, a running tunnel. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import type { Command } from 'commander';
import { HawserError } from '../base/errors.ts';
import { formatEndpoint } from '../config/address.ts';
import type { EndpointText } from '../config/config.ts';
import { endpointsOfInvitation, type Invitation, invitationFromLine } from '../config/invitation-line.ts';
import { formatKey, publicKeyOf } from '../config/keys.ts';
import { isName, nameWords } from '../config/names.ts';
import { buildObfuscation, type ObfuscationConfig, obfuscationSchema } from '../config/obfuscation.ts';
import { readProxyPassword } from '../config/tls-files.ts';
import { parseProxy } from '../config/tls-schema.ts';
import { parseDurationMs } from '../config/units.ts';
import { deriveInvitation } from '../crypto/invitation.ts';
import { checkHost } from '../io/preflight.ts';
import { loadAddon } from '../native/addon.ts';
import { Enrolment } from '../protocols/session/enrolment.ts';
import { type EnrolWelcome, enrolStatus, enrolStatusOf, enrolWelcome } from '../wire/enrol-frame.ts';
import { usageError } from './exit.ts';
import { findInitLinks, type InitLinks } from './init-links.ts';
import { askHub } from './join-call.ts';
import { checkFolder, findJoined, forgetPending, type JoinedInput, ownKey, writeJoined } from './join-files.ts';
import { startJoined } from './join-start.ts';
import type { ProxyWay } from './join-ways.ts';

interface JoinOptions {
  readonly name?: string;
  readonly interface?: string;
  readonly out: string;
  readonly runDirectory?: string;
  readonly stateDirectory?: string;
  readonly wait: string;
  readonly proxy?: string;
  readonly proxyPasswordFile?: string;
  readonly force?: true;
  readonly up: boolean;
  readonly json?: true;
}

const idBytes = 6;

export function addJoinCommand(program: Command): void {
  program
    .command('join')
    .description('become a client of a hub by the line that `hawser invite` printed there, and start the tunnel')
    .argument(
      '<invitation>',
      'what stands behind `hawser join` in that line; - reads it, so that no list of processes shows it',
    )
    .option('--name <name>', 'name of the instance (default: what the hub calls this client)')
    .option(
      '--interface <name>',
      'name of the tunnel interface (default: the first of hawser0, hawser1 … that no configuration there has)',
    )
    .option('--out <folder>', 'where to write', '/etc/hawser')
    .option('--run-directory <folder>', 'runtime.runDirectory of the configuration')
    .option('--state-directory <folder>', 'runtime.stateDirectory of the configuration')
    // Lost packets, a cookie, a slow disk at the hub.
    .option('--wait <duration>', 'how long to wait for the hub', '20s')
    .option('--proxy <url>', 'an HTTP proxy that TLS goes through, now and later: http://[user@]host:port')
    .option('--proxy-password-file <file>', "the password of the proxy's user, mode 0600")
    .option('--force', 'overwrite what is there')
    .option('--no-up', 'write the files, and start nothing')
    .option('--json', 'print JSON instead of text; starts nothing')
    .addHelpText(
      'after',
      `
Examples:
  hawser join hub.example.net:51820#AQx3…       # from: hawser invite van

The private key is made here and stays here. The links of this host are found by themselves. Where systemd has hawser@.service, the tunnel is
started by it, now and at each boot; elsewhere it runs in the foreground. Interrupted? The same line goes on where it was.
`,
    )
    .action(runJoin);
}

async function runJoin(line: string, options: JoinOptions): Promise<void> {
  const invitation = invitationFromLine(line === '-' ? readFileSync(0, 'utf8') : line);
  if (typeof invitation === 'string')
    throw usageError(`That is no invitation: ${invitation}`, 'copy the whole line that `hawser invite` printed');
  if (options.name !== undefined && !isName(options.name))
    throw usageError(`--name is "${options.name}", which is not ${nameWords.title}`, '--name home');
  const startsIt = options.up && options.json === undefined;
  patienceOf(options.wait);
  proxyOf(options);
  if (startsIt) checkHost();
  checkFolder(options.out);
  const joined = await join(invitation, options);
  if (options.json === true) process.stdout.write(`${JSON.stringify(joined, undefined, 2)}\n`);
  else process.stdout.write(`${joined.told.join('\n')}\n`);
  if (startsIt) await startJoined(joined, options.out);
  else if (options.json === undefined) process.stdout.write(`Next: hawser up ${joined.file}\n`);
}

interface Joined {
  readonly file: string;
  readonly name: string;
  readonly told: readonly string[];
}

async function join(invitation: Invitation, options: JoinOptions): Promise<Joined> {
  const { hubKey, secret } = invitation;
  const keys = deriveInvitation(hubKey, secret);
  const id = Buffer.from(publicKeyOf(keys.privateKey)).toString('hex', 0, idBytes);
  const before = findJoined(options.out, id);
  if (before !== undefined) {
    forgetPending(options.out, id);
    return { file: before, name: path.basename(before, '.yaml'), told: [`joined already: ${before}`] };
  }
  const endpoints = placesOf(invitation);
  if (options.proxy !== undefined && !endpoints.some(({ transport }) => transport === 'tls'))
    throw new HawserError(
      'NO_WAY',
      'This hub is not reached by TLS, and a proxy passes nothing else',
      "write listen.tls in the hub's file, and invite anew",
    );
  const links = findInitLinks('client');
  const privateKey = ownKey(options.out, id);
  const addon = loadAddon();
  const enrolment = new Enrolment({
    primitives: addon,
    ...keys,
    hubKey,
    ownKey: publicKeyOf(privateKey),
    nextIndex: () => randomBytes(4).readUInt32LE(),
  });
  const answer = await askHub(enrolment, {
    addon,
    endpoints,
    links: links.used.map((link) => link.interface),
    privateKey: keys.privateKey,
    hubKey,
    worn: wornIn(invitation),
    patienceMs: patienceOf(options.wait),
    proxy: proxyOf(options),
  });
  return write({ invitation, options, id, privateKey, links, welcome: welcomeOf(answer) });
}

/** Enough for a hub with several links of both families; a longer line would only keep this host from saying that nobody answers. */
const mostPlaces = 8;

/** Where the hub is called. Throws NO_WAY where this version knows none of them. */
function placesOf(invitation: Invitation): EndpointText[] {
  const places = endpointsOfInvitation(invitation).filter(({ transport }) => known.has(transport ?? 'udp'));
  if (places.length > 0) return places.slice(0, mostPlaces);
  throw new HawserError(
    'NO_WAY',
    'This version cannot call any of the places of this invitation',
    'update hawser here',
  );
}

const known: ReadonlySet<string> = new Set(['udp', 'faketcp', 'tls']);

function patienceOf(text: string): number {
  const patienceMs = parseDurationMs(text);
  if (patienceMs !== undefined && patienceMs >= 1000 && patienceMs <= 3_600_000) return patienceMs;
  throw usageError(`--wait is "${text}"`, '20s, or another time of 1s to 1h');
}

/** Throws a usage error, and what keeps the password from being read. */
function proxyOf({ proxy: url, proxyPasswordFile }: JoinOptions): ProxyWay | undefined {
  if (url === undefined) {
    if (proxyPasswordFile !== undefined)
      throw usageError('--proxy-password-file is whose?', '--proxy http://user@host:port');
    return undefined;
  }
  const proxy = parseProxy(url);
  if (proxy === undefined) throw usageError('--proxy is no http:// address', '--proxy http://proxy.example.net:3128');
  if (new URL(url).password !== '')
    throw usageError(
      '--proxy holds a password, which every list of processes shows',
      '--proxy-password-file FILE, of mode 0600',
    );
  const file = proxyPasswordFile === undefined ? undefined : path.resolve(proxyPasswordFile);
  if ((proxy.user === '') !== (file === undefined))
    throw usageError(
      'A user of a proxy has a password, and a password a user',
      '--proxy http://user@host:port --proxy-password-file FILE',
    );
  const password = (): string => readProxyPassword({ proxyPasswordFile: file });
  password();
  return { proxy, password };
}

/** Throws what an invitation of a later version may say. */
function wornIn({ obfuscation }: Invitation): ObfuscationConfig | undefined {
  const { data, error } = obfuscationSchema.safeParse(obfuscation);
  if (error === undefined) return buildObfuscation(data);
  throw usageError('The obfuscation of this invitation is none that this version knows', 'update hawser here');
}

interface Answered {
  readonly invitation: Invitation;
  readonly options: JoinOptions;
  readonly id: string;
  readonly privateKey: Uint8Array;
  readonly links: InitLinks;
  readonly welcome: EnrolWelcome;
}

function write({ invitation, options, id, privateKey, links, welcome }: Answered): Joined {
  const runtime = {
    ...(options.runDirectory === undefined ? {} : { runDirectory: options.runDirectory }),
    ...(options.stateDirectory === undefined ? {} : { stateDirectory: options.stateDirectory }),
  };
  const { file, name, written } = writeJoined({
    folder: options.out,
    id,
    name: options.name,
    interface: options.interface,
    runtime: Object.keys(runtime).length === 0 ? undefined : runtime,
    ...tlsOf(options),
    privateKey,
    hubKey: invitation.hubKey,
    endpoints: endpointsOfInvitation(invitation).map(formatEndpoint),
    obfuscation: invitation.obfuscation,
    links,
    welcome,
    force: options.force === true,
  });
  forgetPending(options.out, id);
  const told = [
    `${welcome.name}, a client of ${welcome.hubName}`,
    ...written.map((one) => `wrote ${one} (mode 0600)`),
    ...links.told,
    `public key: ${formatKey(publicKeyOf(privateKey))}`,
  ];
  return { file, name, told };
}

/** Of the configuration. */
function tlsOf({ proxy, proxyPasswordFile: file }: JoinOptions): Pick<JoinedInput, 'tls'> {
  if (proxy === undefined) return {};
  return { tls: { proxy, ...(file === undefined ? {} : { proxyPasswordFile: path.resolve(file) }) } };
}

/** Throws what the hub says instead. */
function welcomeOf(answer: Uint8Array): EnrolWelcome {
  const status = enrolStatusOf(answer, 0);
  const refusal = refusals[status];
  if (status !== enrolStatus.welcome) {
    const [message, remedy] = refusal ?? [`The hub refuses (${status})`, 'its events say why: hawser events'];
    throw new HawserError('REFUSED', message, remedy);
  }
  const welcome = enrolWelcome(answer, 0, answer.length);
  if (welcome === undefined)
    throw new HawserError('JOIN', 'The answer of the hub makes no sense', 'update hawser here');
  if (welcome.addresses.length === 0)
    throw new HawserError('REFUSED', 'The hub has given this client no address', 'ask there: hawser client list');
  return welcome;
}

const again = 'and then run the same line again';

const refusals: Readonly<Record<number, readonly [string, string]>> = {
  [enrolStatus.knownKey]: [
    'The hub knows the key of this machine as that of another client',
    'remove the join-*.key beside the configuration, and run the same line again',
  ],
  [enrolStatus.busy]: [
    'Another machine is joining with the same invitation, or has just done so',
    'ask for an invitation of its own; if that machine has given up, run the same line again in three minutes',
  ],
  [enrolStatus.full]: [
    'The hub has no room for another client',
    `have clients removed there, or the pool or server.limits.clients raised, ${again}`,
  ],
  [enrolStatus.unwritten]: [
    'The hub cannot write down a new client now: its disk may be full',
    `have that looked at, ${again}`,
  ],
  [enrolStatus.refused]: ['The hub cannot take this client', `its events say why (hawser events), ${again}`],
};
