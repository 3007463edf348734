/**
 * What an operator may ask of a running instance: one table. The control socket looks requests up here and checks their parameters; the
 * CLI takes its types from here.
 */
import { z } from 'zod';
import type { Calls } from '../base/calls.ts';
import { HawserError } from '../base/errors.ts';
import { namePattern } from '../config/names.ts';
import {
  type ClientAnswers,
  type ClientSession,
  type ClientVerb,
  clientParams,
  type NewClientAnswer,
} from './client-calls.ts';
import { sessionsOf } from './client-sessions.ts';
import { configOperations } from './config-operations.ts';
import type { Choice } from './crowd.ts';
import { explain } from './explain.ts';
import type { HistoryAnswer, HistoryInfo } from './history.ts';
import { historyParams } from './history-params.ts';
import { natStatusOf } from './nat-rows.ts';
import { type Operation, type OperationContext, operation } from './operation.ts';
import type { PluginStatus } from './plugins.ts';
import { type Caller, checkRole, roles } from './roles.ts';
import type { Snapshot } from './snapshot.ts';
import { statusOf, topOf } from './status.ts';
import type { SupervisorApi } from './supervisor-api.ts';
import type { WebhookStatus, WebhookTest } from './webhooks.ts';

/** The supervisor answers a question for events at the latest after this: well within the control-server's patience with it. */
const followWaitMs = 5_000;

const nothing = z.strictObject({});
/** Of thousands of peers the busiest, as many of those that something is wrong with, and some by name. */
const some = z.strictObject({
  most: z.number().int().min(0).max(1000).default(50),
  peers: z.array(z.string().min(1)).max(20).default([]),
});
/** One screen does not say more of them. */
const ofStatus: Choice = { most: 20, peers: [] };
/** Whose sessions; without it all. */
const ofClients = z.strictObject({ clients: z.array(z.string().min(1)).min(1).max(100).exactOptional() });
const since = z.strictObject({ since: z.number().int().nonnegative().default(0) });
const named = z.strictObject({ name: z.string() });
const actor = z.strictObject({ id: z.string() });
/** The values are checked as those of the file are, by the supervisor, in its words; what stands here of them is for who reads the API's document. */
const newLink = z.strictObject({
  name: z.string().meta({ pattern: namePattern }),
  interface: z.string().meta({ minLength: 1, maxLength: 15 }).exactOptional(),
  priority: z.number().meta({ type: 'integer', minimum: 0, maximum: 255 }).exactOptional(),
  rate: z.union([z.number(), z.literal('auto')]).exactOptional(),
  weight: z.number().meta({ type: 'integer', minimum: 1, maximum: 1000 }).exactOptional(),
  role: z
    .string()
    .meta({ enum: ['always', 'backup', 'metered'] })
    .exactOptional(),
});

export const operations = {
  status: operation('reads', 'viewer', nothing, async ({ snapshot }) => statusOf(await snapshot(ofStatus))),
  peers: reads((snapshot) => snapshot.peers),
  paths: reads((snapshot) => snapshot.paths),
  links: reads((snapshot) => snapshot.links),
  health: reads((snapshot) => snapshot.health),
  explain: readsSome(explain),
  actors: reads((snapshot) => snapshot.actors),
  rings: reads((snapshot) => snapshot.rings),
  top: readsSome(topOf),
  /** `mappings`: every one of them too; `client`: of this one alone. */
  nat: operation(
    'reads',
    'viewer',
    z.strictObject({ mappings: z.boolean().default(false), client: z.string().exactOptional() }),
    async ({ nat }, params) => natStatusOf(await nat(), Date.now(), params),
  ),
  events: operation('reads', 'viewer', since, ({ supervisor }, params) => supervisor.request('events', params.since)),
  follow: operation('follows', 'viewer', since, ({ supervisor }, params) =>
    supervisor.request('nextEvents', params.since, followWaitMs),
  ),
  history: operation(
    'reads',
    'viewer',
    historyParams.read,
    async ({ supervisor }, params): Promise<HistoryAnswer> =>
      (await supervisor.request('history', 'read', params)) as HistoryAnswer,
  ),
  'history.info': operation(
    'reads',
    'viewer',
    historyParams.info,
    async ({ supervisor }): Promise<HistoryInfo> => (await supervisor.request('history', 'info', {})) as HistoryInfo,
  ),
  'webhook.list': operation(
    'reads',
    'operator',
    nothing,
    async ({ supervisor }): Promise<readonly WebhookStatus[]> =>
      (await supervisor.request('webhooks', 'list', {})) as readonly WebhookStatus[],
  ),
  /** Without a target all of them. */
  'webhook.test': operation(
    'changes',
    'operator',
    z.strictObject({ target: z.string().exactOptional() }),
    async ({ supervisor }, params): Promise<readonly WebhookTest[]> =>
      (await supervisor.request('webhooks', 'test', params)) as readonly WebhookTest[],
  ),
  'plugin.list': operation(
    'reads',
    'operator',
    nothing,
    async ({ supervisor }): Promise<readonly PluginStatus[]> =>
      (await supervisor.request('plugins', 'list', {})) as readonly PluginStatus[],
  ),
  /** Stacks name files of the host. */
  errors: operation('reads', 'operator', nothing, ({ supervisor }) => supervisor.request('errors')),
  'actor.kill': onActor('killActor', 'admin'),
  'actor.restart': onActor('restartActor', 'operator'),
  'actor.hang': onActor('hangActor', 'admin'),
  'link.add': operation('changes', 'admin', newLink, ({ supervisor }, params) => supervisor.request('addLink', params)),
  'link.remove': operation('changes', 'admin', named, ({ supervisor }, { name }) =>
    supervisor.request('removeLink', name),
  ),
  'link.enable': operation('changes', 'operator', named, ({ supervisor }, { name }) =>
    supervisor.request('enableLink', name, true),
  ),
  'link.disable': operation('changes', 'operator', named, ({ supervisor }, { name }) =>
    supervisor.request('enableLink', name, false),
  ),
  /** Without a link the mode decides again. */
  failover: operation(
    'changes',
    'operator',
    z.strictObject({ link: z.string().exactOptional() }),
    ({ supervisor }, { link }) => supervisor.request('forceLink', link),
  ),
  /** Of several by one link the first that works carries. */
  'transport.order': operation(
    'changes',
    'operator',
    z.strictObject({ order: z.array(z.string()).min(1).max(8) }),
    ({ supervisor }, { order }) => supervisor.request('orderTransports', order),
  ),
  /** Without a transport it is as configured again, the order too. */
  'transport.force': operation(
    'changes',
    'operator',
    z.strictObject({ transport: z.string().exactOptional() }),
    ({ supervisor }, { transport }) => supervisor.request('forceTransport', transport),
  ),
  'peer.forget-clock': operation('changes', 'admin', named, ({ supervisor }, { name }) =>
    supervisor.request('forgetPeerClock', name),
  ),
  'peer.rekey': operation('changes', 'operator', named, ({ supervisor }, { name }) =>
    supervisor.request('rekeyPeer', name),
  ),
  /** The private key stays with who asks; answered with all that the client has to know. */
  'client.add': operation(
    'changes',
    'admin',
    clientParams.add,
    async ({ supervisor }, params) => (await supervisor.request('clients', 'add', params)) as NewClientAnswer,
  ),
  'client.device.add': operation(
    'changes',
    'admin',
    clientParams.addDevice,
    async ({ supervisor }, params) => (await supervisor.request('clients', 'addDevice', params)) as NewClientAnswer,
  ),
  'client.device.remove': onClients('removeDevice', 'changes', 'admin', clientParams.removeDevice),
  /** With preshared keys. */
  'client.export': onClients('export', 'reads', 'socket', clientParams.export),
  'client.import': onClients('import', 'changes', 'admin', clientParams.import),
  'client.usage': onClients('usage', 'reads', 'viewer', clientParams.usage),
  sessions: operation('reads', 'viewer', ofClients, async ({ supervisor, snapshot }, { clients }) => {
    const all = (await supervisor.request('clients', 'sessions', {})) as readonly ClientSession[];
    const sessions = clients === undefined ? all : all.filter(({ client }) => clients.includes(client));
    return sessionsOf(sessions, (await snapshot({ most: 0, peers: sessions.map(({ peer }) => peer) })).peers);
  }),
  'client.list': onClients('list', 'reads', 'viewer', clientParams.list),
  'client.find': onClients('find', 'reads', 'viewer', clientParams.find),
  'client.show': onClients('show', 'reads', 'viewer', clientParams.show, { revision: 'told' }),
  'client.set': onClients('set', 'changes', 'admin', clientParams.set, { revision: 'wanted' }),
  'client.enable': onClients('enable', 'changes', 'operator', clientParams.enable),
  'client.disable': onClients('disable', 'changes', 'operator', clientParams.disable),
  'client.remove': onClients('remove', 'changes', 'admin', clientParams.remove, { revision: 'wanted' }),
  'client.rename': onClients('rename', 'changes', 'admin', clientParams.rename, { revision: 'wanted' }),
  'client.kick': onClients('kick', 'changes', 'operator', clientParams.kick),
  'client.forward': onClients('forward', 'changes', 'admin', clientParams.forward),
  /** What clients are told of this hub. */
  hub: operation('reads', 'operator', nothing, ({ supervisor }) => supervisor.request('hubFacts')),
  'invite.add': onClients('invite', 'changes', 'admin', clientParams.invite),
  'invite.list': onClients('invitations', 'reads', 'viewer', clientParams.invitations),
  'invite.revoke': onClients('revoke', 'changes', 'admin', clientParams.revoke),
  ...configOperations,
  /** A login for one browser, as the address of the page. */
  'login.open': operation(
    'changes',
    'socket',
    z.strictObject({ role: z.enum(roles).default('admin') }),
    ({ supervisor }, { role }) => supervisor.request('openLogin', role),
  ),
  reload: operation('changes', 'admin', nothing, ({ supervisor }) => supervisor.request('reload')),
  stop: operation('changes', 'admin', nothing, ({ supervisor }) => supervisor.request('stop')),
} as const;

export type OperationName = keyof typeof operations;
export type ParamsOf<Name extends OperationName> = z.input<(typeof operations)[Name]['params']>;
export type ResultOf<Name extends OperationName> = Awaited<ReturnType<(typeof operations)[Name]['run']>>;

export function isOperationName(name: unknown): name is OperationName {
  return typeof name === 'string' && Object.hasOwn(operations, name);
}

/** Throws PARAMS when the operation does not take them. */
export function checkParams(name: OperationName, params: unknown): unknown {
  const { data, error } = operations[name].params.safeParse(params);
  if (error === undefined) return data;
  const faults = error.issues.map((issue) => [...issue.path.map(String), issue.message].join(': '));
  throw new HawserError('PARAMS', `Operation "${name}" does not take these parameters: ${faults.join('; ')}`);
}

/** `params`: as `checkParams` returned them. Rejects with FORBIDDEN when it is not for the caller. */
export async function perform(
  context: OperationContext,
  caller: Caller,
  name: OperationName,
  params: unknown,
): Promise<unknown> {
  const chosen: Operation<z.ZodType, unknown> = operations[name];
  checkRole(caller, chosen.who, name);
  return await chosen.run(context, params, caller);
}

function reads<Result>(read: (snapshot: Snapshot) => Result): Operation<typeof nothing, Result> {
  return operation('reads', 'viewer', nothing, async (context) => read(await context.snapshot()));
}

function readsSome<Result>(read: (snapshot: Snapshot) => Result): Operation<typeof some, Result> {
  return operation('reads', 'viewer', some, async (context, choice) => read(await context.snapshot(choice)));
}

function onClients<Schema extends z.ZodType, V extends ClientVerb>(
  verb: V,
  effect: 'reads' | 'changes',
  who: Caller,
  params: Schema,
  more: Pick<Operation<Schema, unknown>, 'revision'> = {},
): Operation<Schema, ClientAnswers[V]> {
  return operation(
    effect,
    who,
    params,
    async ({ supervisor }, given) => (await supervisor.request('clients', verb, given)) as ClientAnswers[V],
    more,
  );
}

/** Resolves to the id of the actor that `id` is, or is the beginning of. */
function onActor(method: 'killActor' | 'restartActor' | 'hangActor', who: Caller): Operation<typeof actor, string> {
  return operation('changes', who, actor, async ({ supervisor }, { id }) => {
    const meant = await actorMeant(supervisor, id);
    await supervisor.request(method, meant);
    return meant;
  });
}

async function actorMeant(supervisor: Calls<SupervisorApi>, asked: string): Promise<string> {
  const ids = (await supervisor.request('actors')).map((row) => row.id);
  const begun = ids.filter((id) => id.startsWith(asked));
  if (ids.includes(asked) || begun.length === 0) return asked;
  if (begun.length === 1) return begun[0] ?? asked;
  throw new HawserError('AMBIGUOUS', `"${asked}" is the beginning of several actors`, begun.join(', '));
}
