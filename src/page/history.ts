/** Longer than the browser remembers: from the daemon's own history, where it keeps one. */
import { useEffect, useState } from 'preact/hooks';
import { ApiError, read } from './api.ts';
import { joined } from './history-lines.ts';
import type { Lines } from './series.ts';
import { hasHistory, series } from './state.ts';

const againMs = 30_000;

export interface History {
  /** Whether this instance keeps one. */
  readonly isThere: boolean;
  readonly lines: Lines | undefined;
}

/** `spanS`: undefined = nothing is asked for. */
export function useHistory(spanS: number | undefined): History {
  const [lines, setLines] = useState<Lines>();
  const isThere = hasHistory.value;
  useEffect(() => {
    setLines(undefined);
    if (spanS === undefined || !isThere) return undefined;
    let isOver = false;
    const ask = async (): Promise<void> => {
      const found = await linesSince(spanS);
      if (!isOver && found !== undefined) setLines(found);
    };
    void ask();
    const timer = setInterval(() => void ask(), againMs);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [spanS, isThere]);
  return { isThere, lines };
}

/** undefined = nobody answered. */
async function linesSince(spanS: number): Promise<Lines | undefined> {
  const from = Math.floor(Date.now() / 1000 - spanS);
  const { ways, colours } = series.lines(0);
  try {
    const answers = await Promise.all(ways.map((name) => read('history', { kind: 'link', name, from })));
    return joined(ways, colours, answers);
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
}
