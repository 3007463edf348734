/** `hawser init`: a commented configuration and a key for this side, and word for word what belongs on the other. */
import path from 'node:path';
import type { Command } from 'commander';
import { formatCidr, maskCidr, parseCidr } from '../config/address.ts';
import { generateConfig } from '../config/generate.ts';
import { formatKey, newPrivateKey, publicKeyOf } from '../config/keys.ts';
import { parseConfig } from '../config/parse.ts';
import { formatProblem } from '../config/problems.ts';
import type { ConfigInput } from '../config/schema.ts';
import { showValue } from '../config/show.ts';
import { usageError } from './exit.ts';
import { findInitLinks, type InitLinks } from './init-links.ts';
import { endpointsOf, firewallAdvice, type InitTransports, listenOf, parseTransports } from './init-transports.ts';
import { writeNewFiles } from './new-files.ts';

interface InitOptions {
  readonly role: string;
  readonly name?: string;
  readonly address?: readonly string[];
  readonly interface: string;
  readonly listen?: string;
  readonly endpoint?: readonly string[];
  readonly transports?: string;
  readonly peerName?: string;
  readonly peerKey?: string;
  readonly allowed?: readonly string[];
  readonly out: string;
  readonly force?: true;
}

export type Role = 'server' | 'client';

const defaults = {
  server: { name: 'hub', peerName: 'home', address: '10.9.0.1/24', listen: 51_820 },
  client: { name: 'home', peerName: 'hub', address: '10.9.0.2/24', listen: 0 },
} as const;

export function addInitCommand(program: Command): void {
  program
    .command('init')
    .description(
      'write a commented configuration with the links of this host and a key, and say what belongs on the other side',
    )
    .requiredOption('--role <role>', 'server (others reach it) or client (it reaches a server)')
    .option('--name <name>', 'name of this instance (default: hub or home)')
    .option('--address <cidr...>', 'addresses of this host in the tunnel (default: 10.9.0.1/24 or 10.9.0.2/24)')
    .option('--interface <name>', 'name of the tunnel interface', 'hawser0')
    .option('--listen <port>', 'port to listen on, of UDP and FakeTCP (default: 51820 on a server, any on a client)')
    .option('--endpoint <host:port...>', 'where the server is reached; on a server only printed for the other side')
    .option(
      '--transports <names>',
      'udp,faketcp,tls or some of them, the most preferred first: each host:port is reached by all of them, by TLS at 443 (default: udp)',
    )
    .option('--peer-name <name>', 'what to call the other side (default: home or hub)')
    .option('--peer-key <key>', 'public key of the other side')
    .option('--allowed <cidr...>', "what is routed to the other side (default on a client: the tunnel's networks)")
    .option('--out <folder>', 'where to write', '/etc/hawser')
    .option('--force', 'overwrite what is there')
    .addHelpText(
      'after',
      `
Examples:
  hawser init --role server --endpoint hub.example.net:51820
  hawser init --role client --endpoint hub.example.net:51820 --peer-key KEY_OF_THE_SERVER
  hawser init --role server --endpoint hub.example.net:51820 --transports udp,faketcp,tls
  hawser init --role client --endpoint 203.0.113.1:51820 --peer-key KEY --allowed 0.0.0.0/0 ::/0
`,
    )
    .action(runInit);
}

function runInit(options: InitOptions): void {
  const role = options.role;
  if (role !== 'server' && role !== 'client') throw usageError(`--role is "${role}"`, 'server or client');
  const name = options.name ?? defaults[role].name;
  const transports = parseTransports(options.transports);
  // Also what a server only prints.
  endpointsOf(transports, options.endpoint ?? []);
  const links = findInitLinks(role);
  const input = buildInput(role, name, options, links, transports);
  const configFile = path.join(options.out, `${name}.yaml`);
  const yaml = generateConfig(input, {}, links.spare);
  const { problems } = parseConfig(yaml, configFile);
  if (problems.length > 0) {
    throw usageError(`These options make no configuration:\n${problems.map((p) => formatProblem(name, p)).join('\n')}`);
  }
  const key = newPrivateKey();
  const keyFile = path.join(options.out, `${name}.key`);
  const files = [
    { file: configFile, content: yaml },
    { file: keyFile, content: `${formatKey(key)}\n` },
  ] as const;
  writeNewFiles(files, options.force === true);
  const publicKey = formatKey(publicKeyOf(key));
  key.fill(0);
  const other =
    role === 'server' ? adviceForClient(input, options, publicKey, transports) : adviceForServer(input, publicKey);
  const lines = [
    `wrote ${configFile}`,
    `wrote ${keyFile} (mode 0600)`,
    ...links.told,
    ...(role === 'server' ? firewallAdvice(input.listen ?? {}) : []),
    `public key: ${publicKey}`,
    '',
    ...other,
  ];
  process.stdout.write(`${[...lines, '', `Then here: hawser up ${configFile}`].join('\n')}\n`);
}

function buildInput(
  role: Role,
  name: string,
  options: InitOptions,
  links: InitLinks,
  transports: InitTransports,
): ConfigInput {
  const addresses = [...(options.address ?? [defaults[role].address])];
  const port = options.listen === undefined ? defaults[role].listen : parsePort(options.listen);
  return {
    name,
    identity: { privateKeyFile: `${name}.key` },
    tunnel: { interface: options.interface, addresses, mtu: 'auto' },
    ...(links.used.length === 0 ? {} : { links: [...links.used] }),
    listen: role === 'server' ? listenOf(transports, port) : { udp: port },
    peers: role === 'server' ? serverPeers(options) : [clientPeer(options, addresses, transports)],
    ...(role === 'server' ? serverSection(options, addresses) : {}),
    ...(transports.isNamed ? { transports: { order: [...transports.names] } } : {}),
    routing: { onExit: 'open' },
  };
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw usageError(`--listen is ${showValue(text)}`, 'a port from 0 (any) to 65535');
}

function serverPeers(options: InitOptions): NonNullable<ConfigInput['peers']> {
  if (options.peerKey === undefined) return [];
  if (options.allowed === undefined) {
    throw usageError('--peer-key on a server needs the addresses of that peer', '--allowed 10.9.0.2/32');
  }
  const name = options.peerName ?? defaults.server.peerName;
  return [{ name, publicKey: options.peerKey, allowedIPs: [...options.allowed] }];
}

/** Clients get the rest of this host's networks in the tunnel. An address alone has none. */
function serverSection(options: InitOptions, addresses: readonly string[]): Pick<ConfigInput, 'server'> {
  const networks = addresses.flatMap((text) => parseCidr(text) ?? []).map(maskCidr);
  const pool = networks.find(({ family, prefix }) => family === 4 && prefix >= 8 && prefix <= 30);
  const pool6 = networks.find(({ family, prefix }) => family === 6 && prefix >= 32 && prefix <= 126);
  if (pool === undefined && pool6 === undefined) return {};
  const endpoint = options.endpoint?.find((text) => !text.includes('://'));
  return {
    server: {
      ...(pool === undefined ? {} : { pool: formatCidr(pool) }),
      ...(pool6 === undefined ? {} : { pool6: formatCidr(pool6) }),
      ...(endpoint === undefined ? {} : { endpoint: serverEndpoint(endpoint, options.listen) }),
    },
  };
}

/** Without the port that is listened on: it follows `listen` then. */
function serverEndpoint(text: string, listen: string | undefined): string {
  const port = listen ?? String(defaults.server.listen);
  return text.endsWith(`:${port}`) ? text.slice(0, -port.length - 1).replace(/^\[(.*)\]$/, '$1') : text;
}

function clientPeer(
  options: InitOptions,
  addresses: readonly string[],
  transports: InitTransports,
): NonNullable<ConfigInput['peers']>[number] {
  if (options.peerKey === undefined || options.endpoint === undefined) {
    const missing = options.peerKey === undefined ? '--peer-key' : '--endpoint';
    throw usageError(`A client needs ${missing}`, '`hawser init --role server` on the other side prints both');
  }
  const networks = addresses.flatMap((text) => parseCidr(text) ?? []).map((cidr) => formatCidr(maskCidr(cidr)));
  return {
    name: options.peerName ?? defaults.client.peerName,
    publicKey: options.peerKey,
    allowedIPs: [...(options.allowed ?? networks)],
    endpoints: endpointsOf(transports, options.endpoint),
    keepalive: '25s',
  };
}

/** After `init --role server`: the client's whole command. Its addresses are the next ones of our networks. */
function adviceForClient(
  input: ConfigInput,
  options: InitOptions,
  publicKey: string,
  { names, isNamed }: InitTransports,
): string[] {
  const { udp, faketcp, tls } = input.listen ?? {};
  const endpoint = options.endpoint?.join(' ') ?? `ADDRESS_OF_THIS_HOST:${faketcp ?? (udp || tls)}`;
  const command = [
    'hawser init --role client',
    `--address ${input.tunnel.addresses.map(nextAddress).join(' ')}`,
    `--endpoint ${endpoint}`,
    ...(isNamed ? [`--transports ${names.join(',')}`] : []),
    `--peer-name ${input.name}`,
    `--peer-key ${publicKey}`,
  ];
  const isSaid = input.server?.endpoint !== undefined || input.server === undefined;
  return [
    ...(isSaid
      ? []
      : [
          'Clients have to be told where this host is: write that into the file first, in the section server:',
          '  endpoint: ADDRESS_OF_THIS_HOST',
        ]),
    'Clients (phones, other Hawsers) are added while this host runs, and the file stays as it is:',
    '  hawser client add NAME              # the code for the WireGuard app, and its file',
    '  hawser client add NAME --hawser     # a file for `hawser import`',
    'A peer that shall stand in the file runs (each with an address of its own)',
    `  ${command.join(' ')}`,
    'and what that prints belongs below `peers:` here.',
  ];
}

/** After `init --role client`: the entry for the server's `peers:`. */
function adviceForServer(input: ConfigInput, publicKey: string): string[] {
  const hosts = input.tunnel.addresses.flatMap((text) => parseCidr(text) ?? []);
  const allowed = hosts.map((cidr) => `"${cidr.address}/${cidr.family === 4 ? 32 : 128}"`).join(', ');
  return [
    'On the other side put below `peers:` (in place of `[]`), and reload it (systemctl reload hawser@NAME):',
    `  - name: ${input.name}`,
    `    publicKey: "${publicKey}"`,
    `    allowedIPs: [${allowed}]`,
  ];
}

/** 10.9.0.1/24 → 10.9.0.2/24 */
function nextAddress(text: string): string {
  const cidr = parseCidr(text);
  if (cidr === undefined) return text;
  const next = (BigInt(`0x${cidr.addressHex}`) + 1n).toString(16).padStart(cidr.addressHex.length, '0');
  const groups = cidr.family === 4 ? next.match(/../g)?.map((byte) => Number.parseInt(byte, 16)) : next.match(/..../g);
  const address = parseCidr(groups?.join(cidr.family === 4 ? '.' : ':') ?? '');
  return address === undefined ? text : `${address.address}/${cidr.prefix}`;
}
