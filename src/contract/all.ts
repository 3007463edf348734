/**
 * Every number that TypeScript and the addon share. The addon holds the same in `native/sys/layout.h`, which tools/layout-header.mjs
 * writes, and exports them; `native/addon.ts` compares the two when the daemon starts, and it does not run on a difference.
 */
export * from './columns.ts';
export * from './errnos.ts';
export * from './flows.ts';
export * from './frames.ts';
export * from './link-tables.ts';
export * from './obfuscation.ts';
export * from './peer-tables.ts';
export * from './records.ts';
export * from './rings.ts';
