/** What the section `plugins` and the places that name plugins must agree about. Works on the raw object, as `cross-checks.ts` does. */
import { isName } from './names.ts';
import { nameOfModule } from './plugins-schema.ts';
import type { Finding, KeyPath } from './problems.ts';
import { showValue } from './show.ts';

type RawMap = Readonly<Record<string, unknown>>;

export function pluginFindings(root: RawMap): Finding[] {
  const names = asList(root.plugins).map(nameOf);
  return [
    ...names.flatMap((name, index) => nameFindings(name, index, names)),
    ...namedPlaces(root).flatMap(({ path, name }) => strangers(path, name, names)),
  ];
}

function nameFindings(name: string | undefined, index: number, names: readonly (string | undefined)[]): Finding[] {
  if (name === undefined) return [];
  const first = names.indexOf(name);
  if (first < index) {
    const message = `is called ${showValue(name)} as plugins[${first}] is: give one of them a \`name\``;
    return [finding(['plugins', index], message, [])];
  }
  if (isName(name)) return [];
  const message = `is called ${showValue(name)} after its file, which is no name of 1 to 32 letters, digits, "-" or "_": give it a \`name\``;
  return [finding(['plugins', index], message, [])];
}

/** Where a plugin is named, and which. */
function namedPlaces(root: RawMap): { readonly path: KeyPath; readonly name: unknown }[] {
  return [
    { path: ['server', 'authorise'], name: asMap(root.server).authorise },
    { path: ['bonding', 'suggestions'], name: asMap(root.bonding).suggestions },
    ...asList(root.webhooks).map((one, index) => ({ path: ['webhooks', index, 'format'], name: asMap(one).format })),
    ...asList(root.links).flatMap((link, at) =>
      asList(asMap(asMap(link).health).checks).map((check, index) => ({
        path: ['links', at, 'health', 'checks', index, 'plugin'],
        name: asMap(check).plugin,
      })),
    ),
  ];
}

function strangers(path: KeyPath, name: unknown, names: readonly (string | undefined)[]): Finding[] {
  if (typeof name !== 'string' || names.includes(name)) return [];
  const known = names.flatMap((one) => one ?? []);
  return [finding(path, `${showValue(name)} is no plugin of this file (plugins)`, known)];
}

function nameOf(plugin: unknown): string | undefined {
  if (typeof plugin === 'string') return nameOfModule(plugin);
  const { name, file } = asMap(plugin);
  if (typeof name === 'string') return name;
  return typeof file === 'string' ? nameOfModule(file) : undefined;
}

function finding(path: KeyPath, message: string, allowed: readonly string[]): Finding {
  return { path, at: 'value', message, allowed: [...allowed] };
}

function asMap(value: unknown): RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as RawMap) : {};
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
