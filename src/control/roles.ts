/** Who may call what: each operation names the least that may, and here is the only place that compares. */
import { HawserError } from '../base/errors.ts';

/** What a token or a login of the HTTP API is good for, the least first. */
export const roles = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

/** `socket`: whoever may open the instance's UNIX socket, which is root; it may call everything. */
export type Caller = Role | 'socket';

const order: readonly Caller[] = [...roles, 'socket'];

export function mayCall(caller: Caller, least: Caller): boolean {
  return order.indexOf(caller) >= order.indexOf(least);
}

/** Throws FORBIDDEN, with who may. */
export function checkRole(caller: Caller, least: Caller, operation: string): void {
  if (mayCall(caller, least)) return;
  const message = `Operation "${operation}" is not for a token of the role ${caller}`;
  const remedy = least === 'socket' ? 'use the command on the host itself' : `use a token of the role ${least}`;
  throw new HawserError('FORBIDDEN', message, remedy);
}

export function isRole(text: unknown): text is Role {
  return (roles as readonly unknown[]).includes(text);
}
