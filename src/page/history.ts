/** Longer than the browser remembers: from the daemon's own history, where it keeps one. */
import { useEffect, useState } from 'preact/hooks';
import type { EventRecord } from '../control/events.ts';
import { ApiError, read } from './api.ts';
import { joined } from './history-lines.ts';
import type { Lines } from './series.ts';
import { hasHistory, series, top } from './state.ts';

const againMs = 30_000;

export interface History {
  /** Whether this instance keeps one. */
  readonly isThere: boolean;
  readonly lines: Lines | undefined;
  readonly events: readonly EventRecord[];
}

/** `spanS`: undefined = nothing is asked for. */
export function useHistory(spanS: number | undefined): History {
  const [found, setFound] = useState<Found>();
  const isThere = hasHistory.value;
  useEffect(() => {
    setFound(undefined);
    if (spanS === undefined || !isThere) return undefined;
    let isOver = false;
    const ask = async (): Promise<void> => {
      const answer = await since(spanS);
      if (!isOver && answer !== undefined) setFound(answer);
    };
    void ask();
    const timer = setInterval(() => void ask(), againMs);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [spanS, isThere]);
  return { isThere, lines: found?.lines, events: found?.events ?? [] };
}

interface Found {
  readonly lines: Lines;
  readonly events: readonly EventRecord[];
}

/** By link; undefined = nobody answered. */
async function since(spanS: number): Promise<Found | undefined> {
  const from = Math.floor(Date.now() / 1000 - spanS);
  const names = (top.peek()?.status.links ?? []).map(({ name }) => name);
  try {
    const answers = await Promise.all(names.map((name) => read('history', { kind: 'link', name, from })));
    const colours = names.map((name, index) => series.colourOf(name) ?? index);
    const events = new Map(
      answers.flatMap((answer) => answer.events.map((event) => [`${event.timeMs} ${event.id}`, event])),
    );
    return {
      lines: joined(names, colours, answers),
      events: [...events.values()].sort((a, b) => a.timeMs - b.timeMs),
    };
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
}
