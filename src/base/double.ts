/**
 * What a field that holds fractions, or times and counts beyond 2^31, begins with. V8 keeps a field that begins with 0 as a small integer;
 * with its first other value the object gets another hidden class, and all code that was optimised for the old one is thrown away ("wrong
 * map"): a bond did that to itself in the first minute of its traffic, again and again. These two are doubles from the start.
 */

/** Equal to 0 for all but `Object.is` and a division by it. */
export const doubleZero = -0;

/** A time before all others: nothing of the kind has happened. */
export const never = Number.NEGATIVE_INFINITY;
