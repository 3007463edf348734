/** Finds the module of a role: a thread imports the files of the roles that it hosts, and no others. */
import { HawserError, messageOf } from '../base/errors.ts';
import type { ActorDefinition, ActorModule, Role } from './kit/contract.ts';
import type { ModuleUrls } from './kit/messages.ts';

/** Imports (once a thread) the file of `role`. `modules` names files for roles of tests. */
export async function loadRole(role: Role, modules: ModuleUrls = {}): Promise<ActorDefinition> {
  const file = modules[role] ?? new URL(`./${role}.js`, import.meta.url).href;
  let module: ActorModule;
  try {
    module = await import(file);
  } catch (error) {
    throw new HawserError('ROLE', `Cannot load the actor "${role}": ${messageOf(error)}`);
  }
  return module.definition;
}
