/** The clients of a hub, asked for now and then and after each change; an instance without a store of them is not asked. */
import { effect } from '@preact/signals';
import type { ClientRow, ClientUsage } from '../control/client-calls.ts';
import { ApiError, read } from './api.ts';
import { clients, hasClients, invitations, sessions, usage } from './state.ts';

const [everyMs, sessionsEveryMs, usageEveryMs] = [10_000, 2_000, 30_000];

/** Whose usage is looked at now. */
let watched: readonly string[] = [];
let usageAtMs = 0;

/** Returns what ends it. */
export function keepClients(): () => void {
  let isOver = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let sinceMs = 0;
  const turn = async (): Promise<void> => {
    if (document.visibilityState === 'visible' && hasClients.peek()) {
      const nowMs = Date.now();
      if (nowMs - sinceMs >= everyMs) {
        sinceMs = nowMs;
        await refreshClients();
      }
      if (watched.length > 0) await refreshSessions();
      if (nowMs - usageAtMs > usageEveryMs) await refreshUsage();
    }
    if (!isOver) timer = setTimeout(() => void turn(), sessionsEveryMs);
  };
  const ended = effect(() => {
    if (!hasClients.value) return;
    clearTimeout(timer);
    void turn();
  });
  return () => {
    isOver = true;
    ended();
    clearTimeout(timer);
  };
}

export async function refreshClients(): Promise<void> {
  clients.value = (await asked(() => read('client.list'))) ?? clients.peek();
  invitations.value = (await asked(() => read('invite.list'))) ?? invitations.peek();
}

async function refreshSessions(): Promise<void> {
  sessions.value = (await asked(() => read('sessions'))) ?? sessions.peek();
}

/** Those that are on the screen; nothing is asked of ten thousand others. */
export function watchUsage(names: readonly string[]): void {
  if (names.join('\n') === watched.join('\n')) return;
  watched = names;
  if (names.length > 0) void refreshUsage();
}

export async function refreshUsage(): Promise<void> {
  usageAtMs = Date.now();
  const found = new Map<string, ClientUsage>();
  for (const name of watched) {
    const one = await asked(() => read('client.usage', { name }));
    if (one !== undefined) found.set(name, one);
  }
  if (found.size > 0) usage.value = new Map([...usage.peek(), ...found]);
}

/** Shows at once what the answer to a change says. */
export function put(row: ClientRow): void {
  const rows = clients.peek() ?? [];
  const isKnown = rows.some(({ name }) => name === row.name);
  clients.value = isKnown ? rows.map((one) => (one.name === row.name ? row : one)) : [...rows, row];
}

export function drop(name: string): void {
  clients.value = (clients.peek() ?? []).filter((one) => one.name !== name);
}

/** undefined = nobody answered, or would not. */
async function asked<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
}
