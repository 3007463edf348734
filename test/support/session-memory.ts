/** A session table whose slots tests write themselves, without a `SlotBook` that would count them. */
import { createSessionMemory, SessionTable } from '../../src/rings/session-table.ts';

/** All of its slots count as used. */
export function usedSessionMemory(slots: number, windowBits: number): SharedArrayBuffer {
  const memory = createSessionMemory(slots, windowBits);
  new SessionTable(memory).setUsed(slots);
  return memory;
}
