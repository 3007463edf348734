/** What the readers of shared tables have in common: names of constants, ages, units. */

/** The key under which a constant of `contract/` stands. */
export function nameOf(
  group: Readonly<Record<string, number>>,
  value: number,
  words: Readonly<Record<string, string>> = {},
): string | undefined {
  const key = Object.keys(group).find((name) => group[name] === value);
  return key === undefined ? undefined : (words[key] ?? key);
}

/** 0 in a table means "never". */
export function ageMs(atUs: number, nowUs: number): number | undefined {
  return atUs === 0 ? undefined : Math.max(0, (nowUs - atUs) / 1000);
}

/** Microseconds of a table, where 0 means "unknown". */
export function knownMs(valueUs: number): number | undefined {
  return valueUs === 0 ? undefined : Math.round(valueUs) / 1000;
}

export function known(value: number): number | undefined {
  return value === 0 ? undefined : value;
}

/** 0 to 1 → 0 to 100, three places. */
export function percent(share: number): number {
  return Math.round(share * 1e5) / 1000;
}
