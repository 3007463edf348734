/** What the page knows, as signals; who writes them stands at each. */
import { computed, signal } from '@preact/signals';
import type { ClientUsage, FoundClients, InvitationRow } from '../control/client-calls.ts';
import type { SessionStatus } from '../control/client-sessions.ts';
import type { EventRecord } from '../control/events.ts';
import type { Explanation } from '../control/explain.ts';
import type { Top } from '../control/rows.ts';
import type { Me, Role } from './api.ts';
import { Series } from './series.ts';
import { type Verdict, verdictOf } from './verdict.ts';

/** undefined = not known yet; null = nobody is logged in. (session.ts) */
export const me = signal<Me | null | undefined>(undefined);
/** The version that this page was loaded with. (session.ts) */
export const firstVersion = signal<string | undefined>(undefined);

/** (live.ts) */
export const top = signal<Top | undefined>(undefined);
export const explanations = signal<readonly Explanation[]>([]);
/** Oldest first, the last 1,000. */
export const events = signal<readonly EventRecord[]>([]);
/** Since when the daemon is silent, Date.now(); undefined = it speaks. */
export const silentSinceMs = signal<number | undefined>(undefined);
/** Date.now(), each second. */
export const nowMs = signal(Date.now());
export const series = new Series();

/** (client-state.ts) Those that are on the screen; undefined = not asked yet. */
export const clients = signal<FoundClients | undefined>(undefined);
export const sessions = signal<readonly SessionStatus[]>([]);
export const invitations = signal<readonly InvitationRow[]>([]);
export const usage = signal<ReadonlyMap<string, ClientUsage>>(new Map());

/** What was done, for eyes and screen readers. (parts.tsx) */
export const notice = signal<{ readonly text: string; readonly isBad: boolean } | undefined>(undefined);

/** Whether the instance has a part: what it does not have is not asked for. */
function hasActor(role: string): () => boolean {
  return () => top.value?.actors.some((actor) => actor.role === role) === true;
}
export const hasClients = computed(hasActor('client-store'));
export const hasHistory = computed(hasActor('history-keeper'));

export const verdict = computed((): Verdict => {
  const since = silentSinceMs.value;
  const silentMs = since === undefined ? undefined : Math.max(0, nowMs.value - since);
  return verdictOf({ top: top.value, explanations: explanations.value, silentMs });
});

const order: readonly Role[] = ['viewer', 'operator', 'admin'];

/** Hides what the server would refuse; the server refuses all the same. */
export function may(least: Role): boolean {
  const role = me.value?.role;
  return role !== undefined && order.indexOf(role) >= order.indexOf(least);
}
