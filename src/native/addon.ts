/** The only loader of the C++ addon: finds it, and refuses to run when its layout differs from `contract/all.ts`. */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { HawserError } from '../base/errors.ts';
import type { CryptoApi } from './crypto-api.ts';
import type { DataApi } from './data-api.ts';
import type { FakeTcpApi } from './faketcp-api.ts';
import type { NetworkApi } from './network-api.ts';
import type { TcpApi } from './tcp-api.ts';

export interface Addon extends DataApi, CryptoApi, FakeTcpApi, NetworkApi, TcpApi {
  /** The offsets the addon was built with, `ring.tailAt` → 128. */
  readonly layout: Readonly<Record<string, number>>;
}

/** Names and values of one group of `contract/all.ts`. */
export type LayoutGroups = Readonly<Record<string, Readonly<Record<string, number>>>>;

let loaded: Addon | undefined;

/** Loads the addon of this package (once a thread). Throws with the remedy when it was not built. */
export function loadAddon(): Addon {
  if (loaded !== undefined) return loaded;
  const require = createRequire(import.meta.url);
  const native = path.join(findPackageRoot(import.meta.dirname), 'src/native');
  const built = path.join(native, 'build/Release/hawser.node');
  try {
    // node-gyp-build looks there first, too; without its search each of nine threads starts 2 ms of CPU time sooner.
    loaded = existsSync(built)
      ? (require(built) as Addon)
      : (require('node-gyp-build') as (folder: string) => Addon)(native);
  } catch (error) {
    throw new HawserError('ADDON', `Cannot load the addon: ${String(error)}`, remedyFor(native));
  }
  return loaded;
}

/** A package that was installed from an archive has no sources of the addon. */
function remedyFor(native: string): string {
  if (existsSync(path.join(native, 'binding.gyp'))) return 'npm run build:native';
  const has = existsSync(path.join(native, 'prebuilds'))
    ? readdirSync(path.join(native, 'prebuilds')).join(', ')
    : 'none';
  return `this archive holds it for glibc and ${has}, this is ${process.platform}-${process.arch}: pack it from the sources here`;
}

function findPackageRoot(from: string): string {
  let folder = from;
  while (!existsSync(path.join(folder, 'package.json'))) {
    const parent = path.dirname(folder);
    if (parent === folder) throw new HawserError('ADDON', `Cannot find the package root above ${from}`);
    folder = parent;
  }
  return folder;
}

/** Throws at the first number that the two sides do not share. */
export function assertLayout(addon: Addon, groups: LayoutGroups): void {
  for (const [name, value] of Object.entries(addon.layout)) {
    const [group = '', key = ''] = name.split('.');
    const ours = groups[group]?.[key];
    if (ours !== value) {
      throw new HawserError('LAYOUT', `The addon's ${name} is ${value}, src/contract says ${ours}`, 'npm run build');
    }
  }
}
