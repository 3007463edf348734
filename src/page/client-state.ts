/** The clients of a hub, asked for now and then and after each change; an instance without a store of them is not asked. */
import { effect, signal } from '@preact/signals';
import type { ClientRow, ClientUsage } from '../control/client-calls.ts';
import { ApiError, read } from './api.ts';
import { clients, hasClients, invitations, sessions, usage } from './state.ts';

const [everyMs, sessionsEveryMs, usageEveryMs] = [10_000, 2_000, 30_000];
export const pageRows = 25;
/** Between two letters of a word that is searched for. */
const typingMs = 200;

export type Order = 'name' | 'used' | 'active' | 'created';

/** Which clients shall be on the screen. */
export const wanted = signal<{ readonly match: string; readonly order: Order; readonly from: number }>({
  match: '',
  order: 'name',
  from: 0,
});

/** The view is open, and whose usage is looked at now. */
let isOpen = false;
let watched: readonly string[] = [];
let usageAtMs = 0;
let sinceMs = 0;
let typing: ReturnType<typeof setTimeout> | undefined;
/** Of questions for a page of clients: an answer to an older one is dropped. */
let asking = 0;

/** Returns what ends it. */
export function keepClients(): () => void {
  let isOver = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const turn = async (): Promise<void> => {
    if (document.visibilityState === 'visible' && hasClients.peek() && isOpen) {
      const nowMs = Date.now();
      if (nowMs - sinceMs >= everyMs) await refreshClients();
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

/** Nothing is asked for a view that nobody sees. Returns what ends it. */
export function openClients(): () => void {
  isOpen = true;
  void refreshClients();
  return () => {
    isOpen = false;
    watchUsage([]);
  };
}

/** Of another word or order the first page. */
export function want(change: { readonly match?: string; readonly order?: Order; readonly from?: number }): void {
  wanted.value = { ...wanted.peek(), from: 0, ...change };
  clearTimeout(typing);
  typing = setTimeout(() => void refreshClients(), change.match === undefined ? 0 : typingMs);
}

export async function refreshClients(): Promise<void> {
  sinceMs = Date.now();
  asking += 1;
  const own = asking;
  const answer = await asked(() => read('client.find', { ...wanted.peek(), most: pageRows }));
  if (own === asking && answer !== undefined) {
    clients.value = answer;
    // Some have gone since, and with them this page.
    if (answer.clients.length === 0 && answer.found > 0) want({ from: 0 });
  }
  invitations.value = (await asked(() => read('invite.list'))) ?? invitations.peek();
}

async function refreshSessions(): Promise<void> {
  sessions.value = (await asked(() => read('sessions', { clients: watched }))) ?? sessions.peek();
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
  const { total, found, clients: rows } = clients.peek() ?? { total: 0, found: 0, clients: [] };
  const isKnown = rows.some(({ name }) => name === row.name);
  const more = isKnown ? 0 : 1;
  const shown = isKnown ? rows.map((one) => (one.name === row.name ? row : one)) : [...rows, row];
  clients.value = { total: total + more, found: found + more, clients: shown };
}

export function drop(name: string): void {
  const { total, found, clients: rows } = clients.peek() ?? { total: 1, found: 1, clients: [] };
  clients.value = { total: total - 1, found: found - 1, clients: rows.filter((one) => one.name !== name) };
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
