/** From what is measured each second to what is kept: seconds as they are, minutes made of them. The clock is an argument. */
import type { HistoryConfig } from '../../config/history-schema.ts';
import { historyColumns } from '../../control/history.ts';
import type { Archive } from './archive.ts';
import { keyOf, type SeriesName } from './archive-file.ts';
import { mergePoints, minuteLevel, type Point } from './points.ts';
import type { Second } from './recent-file.ts';

export interface Sample {
  readonly series: SeriesName;
  readonly point: Point;
}

/** The minute that a series is in, and what it measured of it. */
interface Gathered {
  readonly series: SeriesName;
  minute: number;
  points: Point[];
}

export type GatherState = readonly Gathered[];

/** No Hawser ran before: a host whose clock says so has none, and the right time comes later. */
const leastTimeS = Date.UTC(2024, 0, 1) / 1000;

export class Recorder {
  readonly #archive: Archive;
  readonly #keepsSeconds: boolean;
  readonly #gathered = new Map<string, Gathered>();
  #seconds: Second[] = [];
  #minute = -1;

  constructor(archive: Archive, keep: HistoryConfig['keep']) {
    this.#archive = archive;
    this.#keepsSeconds = keep.secondS > 0;
  }

  /** False while the clock cannot be right: nothing is kept then. */
  take(nowS: number, samples: readonly Sample[]): boolean {
    if (nowS < leastTimeS) return false;
    const minute = Math.floor(nowS / minuteLevel.stepS);
    if (minute !== this.#minute) this.#endMinutes(minute);
    this.#minute = minute;
    for (const { series, point } of samples) {
      this.#gather(series, minute, point);
      if (this.#keepsSeconds && series.kind !== 'client') this.#seconds.push({ series, atS: Math.floor(nowS), point });
    }
    return true;
  }

  /** Seconds that have not been asked for yet. */
  takeSeconds(): Second[] {
    const taken = this.#seconds;
    this.#seconds = [];
    return taken;
  }

  /** Puts back what could not be written, the latest `most` of it. */
  giveBack(seconds: readonly Second[], most: number): void {
    this.#seconds = [...seconds, ...this.#seconds].slice(-most);
  }

  state(): GatherState {
    return [...this.#gathered.values()];
  }

  restore(state: GatherState): void {
    for (const one of state) {
      this.#gathered.set(keyOf(one.series), { series: one.series, minute: one.minute, points: [...one.points] });
      this.#archive.reopen(one.series, one.minute);
    }
  }

  /** Puts the minutes under way as they are so far; they may be put again. */
  flush(): void {
    for (const gathered of this.#gathered.values()) this.#put(gathered);
  }

  #gather(series: SeriesName, minute: number, point: Point): void {
    const key = keyOf(series);
    const known = this.#gathered.get(key);
    if (known === undefined) this.#gathered.set(key, { series, minute, points: [point] });
    else known.points.push(point);
  }

  /** Those of another minute than `minute`, earlier or, after the clock went back, later. */
  #endMinutes(minute: number): void {
    for (const [key, gathered] of this.#gathered) {
      if (gathered.minute === minute) continue;
      this.#put(gathered);
      this.#gathered.delete(key);
    }
  }

  #put({ series, minute, points }: Gathered): void {
    this.#archive.put(series, minute, mergePoints(historyColumns[series.kind], points));
  }
}
