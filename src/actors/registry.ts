/** Finds the module of a role: a thread imports the files of the roles that it hosts, and no others. */
import { HawserError, messageOf } from '../base/errors.ts';
import type { ActorDefinition, ActorModule, Role } from './kit/contract.ts';
import type { ModuleUrls } from './kit/messages.ts';

const loaders: Readonly<Partial<Record<Role, () => Promise<ActorModule>>>> = {
  'tun-reader': () => import('./tun-reader.ts'),
  'tun-writer': () => import('./tun-writer.ts'),
  sealer: () => import('./sealer.ts'),
  opener: () => import('./opener.ts'),
  'wan-link': () => import('./wan-link.ts'),
  'faketcp-stack': () => import('./faketcp-stack.ts'),
  'tls-link': () => import('./tls-link.ts'),
  'session-manager': () => import('./session-manager.ts'),
  'health-checker': () => import('./health-checker.ts'),
  'client-store': () => import('./client-store.ts'),
  'webhook-sender': () => import('./webhook-sender.ts'),
  'plugin-host': () => import('./plugin-host.ts'),
  'history-keeper': () => import('./history-keeper.ts'),
  'control-server': () => import('./control-server.ts'),
  'api-server': () => import('./api-server.ts'),
};

/** Imports (once a thread) the file of `role`. `modules` names files that take the place of roles, for tests. */
export async function loadRole(role: Role, modules: ModuleUrls = {}): Promise<ActorDefinition> {
  const file = modules[role];
  const load = file === undefined ? loaders[role] : (): Promise<ActorModule> => import(file);
  if (load === undefined) throw new HawserError('ROLE', `There is no actor of the role "${role}"`);
  try {
    return (await load()).definition;
  } catch (error) {
    throw new HawserError('ROLE', `Cannot load the actor "${role}": ${messageOf(error)}`);
  }
}
