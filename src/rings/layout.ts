/**
 * Every offset that TypeScript and the addon share, from `contract/`. The addon holds the same numbers in `native/sys/layout.h`, which
 * tools/layout-header.mjs writes, and exports them; `native/addon.ts` compares the two when it loads and refuses to run on a difference.
 */
export * from '../contract/columns.ts';
export * from '../contract/errnos.ts';
export * from '../contract/frames.ts';
export * from '../contract/link-tables.ts';
export * from '../contract/peer-tables.ts';
export * from '../contract/records.ts';
export * from '../contract/rings.ts';
