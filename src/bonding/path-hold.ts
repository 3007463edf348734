/** Why a path that lives carries nothing: numbers for shared memory, and names for whoever explains it to people (`control/explain-paths.ts`). */

export const pathHold = {
  /** Nothing keeps it from carrying. */
  none: 0,
  /** It is farther than the paths in use, and nothing waits for long enough to make up for that. */
  far: 1,
  /** It was used, and what was sent fitted the others: it is not tried again for a while. */
  unneeded: 2,
  /** One of a better role lives. */
  role: 3,
  /** Bad (`PathQuality`), while one that is not lives. */
  trip: 4,
  jitter: 5,
  loss: 6,
  /** It is not known to take packets as long as another one takes. */
  size: 7,
  /** The operator has put all data on another link. */
  forced: 8,
} as const;

/** By number. */
export const pathHoldNames: readonly string[] = Object.keys(pathHold);
