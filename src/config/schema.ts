/**
 * Shape, defaults and limits of the configuration file, and the JSON Schema for editors. `title` of a leaf completes the
 * sentence "… is not ___" in problems; `examples` are shown as its allowed values.
 */
import * as z from 'zod';
import { shards } from '../contract/peer-tables.ts';
import { isInterfaceName, parseCidr, parsePeerEndpoint } from './address.ts';
import { apiSchema } from './api-schema.ts';
import { bondingSchema, healthSchema, transportsSchema } from './bonding-schema.ts';
import { historySchema } from './history-schema.ts';
import { parseKey } from './keys.ts';
import { isDomain, isPath, text, when } from './leaves.ts';
import { limitsSchema } from './limits-schema.ts';
import { isName, nameWords } from './names.ts';
import { obfuscationSchema } from './obfuscation.ts';
import { pluginsSchema } from './plugins-schema.ts';
import { serverSchema } from './server-schema.ts';
import { offersTestTransport } from './test-transport.ts';
import { tlsSchema } from './tls-schema.ts';
import { parseDurationMs, parseSizeBytes } from './units.ts';
import { updateSchema } from './update-schema.ts';
import { webhooksSchema } from './webhooks-schema.ts';

const interfaceName = (examples: string[]) =>
  text(when(isInterfaceName), {
    title: 'an interface name of 1 to 15 bytes without spaces, "/", ":" and "%"',
    examples,
  });

/** A key that was pasted in place of its file would stand in a message about a file that is missing. */
const isKeyPath = (input: string): boolean => isPath(input) && parseKey(input) === undefined;
const keyPath = (example: string, description: string) =>
  text(when(isKeyPath), {
    title: 'a file path (the key itself stands in that file)',
    examples: [example],
    description,
  });
const absolutePath = (input: string): boolean => isPath(input) && input.startsWith('/');
const folder = (examples: string[]) => text(when(absolutePath), { title: 'an absolute path', examples });

const isPublicKey = (input: string): boolean => parseKey(input)?.some((byte) => byte !== 0) === true;

/** From one packet every 100 ms to what a stock peer stores (16 bits of seconds). */
const keepaliveLimitsMs = { least: 100, most: 65_535_000 } as const;

function parseKeepaliveMs(input: string): number | undefined {
  if (input === 'off') return 0;
  const valueMs = parseDurationMs(input);
  if (valueMs === undefined || valueMs < keepaliveLimitsMs.least || valueMs > keepaliveLimitsMs.most) return undefined;
  return valueMs;
}

/** A call takes seconds to be given up, and the connection before it lingers. */
const rotateLimitsMs = { least: 10_000, most: 24 * 3_600_000 } as const;

function parseRotateMs(input: string): number | undefined {
  if (input === 'off') return 0;
  const valueMs = parseDurationMs(input);
  return valueMs === undefined || valueMs < rotateLimitsMs.least || valueMs > rotateLimitsMs.most ? undefined : valueMs;
}

/** The log is a circular arena addressed by masking, so its size is a power of two. */
function parseLogBytes(input: string): number | undefined {
  const value = parseSizeBytes(input);
  if (value === undefined || value < 2 ** 20 || value > 2 ** 30 || (value & (value - 1)) !== 0) return undefined;
  return value;
}

function parseServer(input: string): string | undefined {
  return input.includes('/') ? undefined : parseCidr(input)?.address;
}

const cidr = text(parseCidr, { title: 'an address with a prefix length', examples: ['10.9.0.2/24', 'fd00:9::2/64'] });

const identity = z.strictObject({
  privateKeyFile: keyPath('/etc/hawser/home.key', 'Private key, mode 0600; relative to the folder of this file.'),
});

const tunnel = z.strictObject({
  interface: interfaceName(['hawser0']).prefault('hawser0'),
  addresses: z
    .array(cidr)
    .min(1)
    .meta({ title: 'a list of addresses', examples: ['[10.9.0.2/24, "fd00:9::2/64"]'] }),
  // 576: RFC 791's datagram that every host takes. 65456: 65535 less what UDP over IPv6 and the data message add.
  dns: z
    .strictObject({
      servers: z
        .array(text(parseServer, { title: 'the address of a name server', examples: ['10.9.0.1', 'fd00:9::1'] }))
        .min(1)
        .max(8),
      search: z
        .array(text(when(isDomain), { title: 'a domain', examples: ['corp.example'] }))
        .max(32)
        .default([])
        .describe('Tried behind names without a dot.'),
      names: z
        .enum(['all', 'search'])
        .default('all')
        .describe('all = the host asks these servers for every name; search = for names below `search` alone.'),
    })
    .optional()
    .describe('Name servers of the host while the tunnel is up, by systemd-resolved or resolvconf.'),
  mtu: z
    .union([z.literal('auto'), z.int().min(576).max(65456)])
    .default('auto')
    .describe(
      'Of the interface; auto = 1420, or 1380 when bonding.fec is not off. Paths that take less are found out.',
    ),
  fragment: z
    .enum(['auto', 'never', 'always'])
    .default('auto')
    .describe('Whether packets that a stock WireGuard peer cannot get whole may leave in fragments.'),
});

/** UDP on a port of its own, as a transport of its own: docs/adding-a-transport.md. */
const withTest = { test: z.int().min(0).max(65535).optional() };
const testListen = offersTestTransport() ? withTest : ({} as typeof withTest);

/** More are refused: each has a thread and two sockets of its own. */
export const mostLinks = 16;

export const linkSchema = z.strictObject({
  name: text(when(isName), { ...nameWords, examples: ['fibre', 'lte'] }),
  interface: interfaceName(['eth0']).optional(),
  priority: z.int().min(0).max(255).default(0).describe('0 is the most preferred.'),
  rate: z
    .union([z.literal('auto'), z.number().min(0.1).max(400_000)])
    .default('auto')
    .describe('Mbit/s the link carries at most; auto = learnt.'),
  weight: z.int().min(1).max(1000).optional().describe('Share in mode weighted; without it the measured rate.'),
  role: z
    .enum(['always', 'backup', 'metered'])
    .default('always')
    .describe('backup = carries data only while no always link does; metered = only while no backup link does either.'),
  health: healthSchema.prefault({}),
});

const peer = z.strictObject({
  name: text(when(isName), { ...nameWords, examples: ['hub'] }),
  publicKey: text(when(isPublicKey), {
    title: 'a public key: 32 bytes as canonical base64',
    examples: ['44 characters as `hawser keygen --public FILE` prints them'],
  }),
  presharedKeyFile: keyPath('/etc/hawser/hub.psk', 'Preshared key, mode 0600, the same on both sides.').optional(),
  allowedIPs: z
    .array(cidr)
    .default([])
    .describe('What the peer may send from; also routed to it. The longest prefix wins.'),
  endpoints: z
    .array(
      text(parsePeerEndpoint, {
        title: 'an endpoint (host:port)',
        examples: [
          '203.0.113.1:51820',
          '"[2001:db8::1]:51820"',
          '"[fe80::1%eth0]:51820"',
          'hub.example.net:51820',
          'tls://hub.example.net:443',
        ],
      }),
    )
    .max(16)
    .default([]),
  keepalive: text(parseKeepaliveMs, {
    title: 'a duration of 100ms to 65535s, or off',
    examples: ['25s', '500ms', 'off'],
  }).prefault('off'),
  cipher: z.enum(['auto', 'chacha20-poly1305', 'aes-256-gcm']).default('auto'),
  obfuscation: obfuscationSchema,
  limits: limitsSchema.prefault({}).describe('How fast the peer may send and be sent to.'),
});

const runtime = z.strictObject({
  placement: z
    .enum(['auto', 'dedicated', 'compact'])
    .default('auto')
    .describe(
      'dedicated = a thread per actor; compact = several actors a thread; auto = compact with fewer than four processors.',
    ),
  shards: z
    .union([z.literal('auto'), z.int().min(1).max(shards.most)])
    .default('auto')
    .describe(
      'Pairs of sealer and opener over which peers are spread; auto = 1, on a host with server one for each four processors.',
    ),
  sealedLog: text(parseLogBytes, {
    title: 'a power of two from 1MiB to 1GiB',
    examples: ['16MiB', '32MiB', '64MiB'],
  }).prefault('32MiB'),
  replayWindow: z.int().min(64).max(1_048_576).multipleOf(64).default(65_536),
  restartLimit: z
    .int()
    .min(0)
    .max(1000)
    .default(20)
    .describe('More restarts of one actor within 10 s end the process, with the reason.'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  logFormat: z
    .enum(['auto', 'pretty', 'json'])
    .default('auto')
    .describe('auto = text on a terminal and under journald, otherwise one JSON object a line.'),
  runDirectory: folder(['/run/hawser']).prefault('/run/hawser'),
  stateDirectory: folder(['/var/lib/hawser']).prefault('/var/lib/hawser'),
});

const routing = z.strictObject({
  fwmark: z
    .union([z.literal('auto'), z.int().min(1).max(0xffff_ffff)])
    .default('auto')
    .describe("Mark of the daemon's own packets, which stay outside the tunnel."),
  table: z
    .union([z.enum(['auto', 'main', 'off']), z.int().min(1).max(0xffff_ffff)])
    .default('auto')
    .describe(
      'Where the routes of allowedIPs go: auto = tables of our own that the daemon does not see; main = there, wide ones as auto; ' +
        'a number = that table, no rules; off = none are made.',
    ),
  onExit: z
    .enum(['open', 'closed'])
    .default('open')
    .describe('open = traffic returns to the ordinary routes when hawser stops; closed = it is blocked.'),
});

export const schema = z.strictObject({
  name: text(when(isName), nameWords).optional().describe("Name of the instance; without it the file's base name."),
  identity,
  tunnel,
  links: z.array(linkSchema).max(mostLinks).default([]).describe('None = the routing of the kernel chooses.'),
  listen: z
    .strictObject({
      udp: z.int().min(0).max(65535).default(0).describe('0 = any free port.'),
      faketcp: z
        .int()
        .min(1)
        .max(65535)
        .optional()
        .describe('A TCP port, for peers whose UDP is blocked; without it nobody can call by FakeTCP.'),
      tls: z
        .int()
        .min(1)
        .max(65535)
        .optional()
        .describe('A TCP port (443), for peers that nothing but the web lets out; everybody else sees tls.site there.'),
      ...testListen,
    })
    .prefault({}),
  peers: z.array(peer).default([]),
  server: serverSchema
    .optional()
    .describe('A hub whose clients are kept by `hawser client`, beside the peers of this file.'),
  bonding: bondingSchema.prefault({}),
  transports: transportsSchema.prefault({}),
  obfuscation: obfuscationSchema,
  faketcp: z
    .strictObject({
      style: z
        .enum(['linux', 'phantun'])
        .default('linux')
        .describe("What our segments look like: Linux's, or those of phantun, which are 12 bytes shorter."),
      rotate: text(parseRotateMs, { title: 'a duration of 10s to 24h, or off', examples: ['10m', 'off'] }).prefault(
        'off',
      ),
      handshakePacket: keyPath(
        '/etc/hawser/hello.bin',
        'What is sent first by each connection that we call for, as it is, at most 1400 bytes.',
      ).optional(),
    })
    .prefault({}),
  tls: tlsSchema.prefault({}),
  history: historySchema.optional().describe('What links, paths and clients carried, kept; without it nothing is.'),
  webhooks: webhooksSchema.default([]).describe('Who is told of events by signed HTTP requests.'),
  plugins: pluginsSchema
    .default([])
    .describe('Programs of your own that are asked and told, each in a process of its own.'),
  api: apiSchema
    .optional()
    .describe('An HTTP API for programs, browsers and Prometheus; without this section nothing listens.'),
  runtime: runtime.prefault({}),
  routing: routing.prefault({}),
  update: updateSchema
    .optional()
    .describe('Where `hawser update` looks; without it nothing is asked and nothing comes.'),
});

/** What the file may hold, as an object. */
export type ConfigInput = z.input<typeof schema>;
export type ConfigOutput = z.output<typeof schema>;

/** One node of the JSON Schema, as far as problems need it. */
export interface SchemaNode {
  readonly title?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly examples?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly multipleOf?: number;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
}

/** JSON Schema (draft 2020-12) of the file, for editors and for `hawser schema`. */
export function configJsonSchema(): Record<string, unknown> {
  return {
    ...z.toJSONSchema(schema, { io: 'input' }),
    $id: 'urn:hawser:configuration',
    title: 'Hawser configuration',
  };
}
