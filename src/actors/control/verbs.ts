/** What an operator asks to be done: the request's words → the supervisor. */
import { HawserError } from '../../base/errors.ts';
import { actorVerbs, linkVerbs, peerVerbs, type Request } from '../../control/protocol.ts';
import type { NewLink, SupervisorApi } from '../../control/supervisor-api.ts';
import type { RpcClient } from '../kit/rpc.ts';

type Supervisor = RpcClient<SupervisorApi>;

/** Rejects with VERB when there is no such one. */
export function obey(supervisor: Supervisor, { method, params }: Request): Promise<unknown> {
  if (method === 'events') return supervisor.request('events', typeof params.since === 'number' ? params.since : 0);
  if (method === 'errors') return supervisor.request('errors');
  if (method === 'reload') return supervisor.request('reload');
  if (method === 'stop') return supervisor.request('stop');
  if (method === 'failover') {
    return supervisor.request('forceLink', typeof params.link === 'string' ? params.link : undefined);
  }
  if (method === 'link') return linkVerb(supervisor, String(params.verb), String(params.name), params.link);
  if (method === 'peer') return peerVerb(supervisor, String(params.verb), String(params.name));
  return actorVerb(supervisor, String(params.verb), String(params.id));
}

async function peerVerb(supervisor: Supervisor, verb: string, name: string): Promise<void> {
  if (verb === 'forget-clock') return supervisor.request('forgetPeerClock', name);
  if (verb === 'rekey') return supervisor.request('rekeyPeer', name);
  throw new HawserError('VERB', `There is no verb "${verb}" for peers`, peerVerbs.join(', '));
}

async function linkVerb(supervisor: Supervisor, verb: string, name: string, link: unknown): Promise<unknown> {
  if (verb === 'enable' || verb === 'disable') return supervisor.request('enableLink', name, verb === 'enable');
  if (verb === 'remove') return supervisor.request('removeLink', name);
  // The supervisor checks it as it checks the file.
  if (verb === 'add')
    return supervisor.request('addLink', { ...(typeof link === 'object' ? link : {}), name } as NewLink);
  throw new HawserError('VERB', `There is no verb "${verb}" for links`, linkVerbs.join(', '));
}

/** Resolves to the id of the actor that `asked` is, or is the beginning of. */
async function actorVerb(supervisor: Supervisor, verb: string, asked: string): Promise<string> {
  const id = await actorMeant(supervisor, asked);
  await command(supervisor, verb, id);
  return id;
}

async function actorMeant(supervisor: Supervisor, asked: string): Promise<string> {
  const ids = (await supervisor.request('actors')).map((row) => row.id);
  const begun = ids.filter((id) => id.startsWith(asked));
  if (ids.includes(asked) || begun.length === 0) return asked;
  if (begun.length === 1) return begun[0] ?? asked;
  throw new HawserError('AMBIGUOUS', `"${asked}" is the beginning of several actors`, begun.join(', '));
}

async function command(supervisor: Supervisor, verb: string, id: string): Promise<void> {
  if (verb === 'kill') return supervisor.request('killActor', id);
  if (verb === 'restart') return supervisor.request('restartActor', id);
  if (verb === 'hang') return supervisor.request('hangActor', id);
  throw new HawserError('VERB', `There is no verb "${verb}" for actors`, actorVerbs.join(', '));
}
