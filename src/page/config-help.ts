/** Which key of a configuration the cursor is at, and what the schema says of it. Pure. */

/** One node of the JSON Schema, as far as it helps. */
export interface SchemaNode {
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly examples?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly items?: SchemaNode;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
}

/** By indentation; of a map in braces the last key before the cursor. `[peers, endpoints]`: what is in a list goes without its number. */
export function keyPathAt(text: string, at: number): string[] {
  const end = text.indexOf('\n', at);
  const lines = text.slice(0, end < 0 ? text.length : end).split('\n');
  const inLine = at - (text.lastIndexOf('\n', at - 1) + 1);
  const [, inner] = /[{,]\s*["']?(\w+)["']?\s*:[^{},]*$/.exec((lines.at(-1) ?? '').slice(0, inLine)) ?? [];
  const path = inner === undefined ? [] : [inner];
  let limit = Number.POSITIVE_INFINITY;
  for (const line of lines.reverse()) {
    const [, before = '', key] = /^(\s*(?:- +)*)["']?(\w+)["']?\s*:/.exec(line) ?? [];
    if (key === undefined || before.length >= limit) continue;
    path.unshift(key);
    limit = before.length;
  }
  return path;
}

/** undefined = the schema knows no such key. */
export function nodeAt(schema: SchemaNode, path: readonly string[]): SchemaNode | undefined {
  let node: SchemaNode | undefined = schema;
  for (const key of path) node = node && propertyOf(node, key);
  return node;
}

function propertyOf(node: SchemaNode, key: string): SchemaNode | undefined {
  const { properties = {}, items, anyOf = [], oneOf = [] } = node;
  if (Object.hasOwn(properties, key)) return properties[key];
  for (const inner of [...(items ? [items] : []), ...anyOf, ...oneOf]) {
    const found = propertyOf(inner, key);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What it is for, what it may be, what it is without. */
export function helpOf(node: SchemaNode): string[] {
  const { description, title, minimum, maximum, examples } = node;
  const all = [node, ...(node.anyOf ?? [])];
  const words = all.flatMap((one) => one.enum ?? []);
  const limits = all.find((one) => one.maximum !== undefined);
  const known = [
    description,
    title,
    words.length > 0 ? `One of ${words.join(', ')}` : undefined,
    limits && `${limits.minimum ?? minimum ?? ''} to ${limits.maximum ?? maximum}`,
    examples && `Such as ${examples.join(', ')}`,
    node.default !== undefined && typeof node.default !== 'object' ? `Without it ${node.default}` : undefined,
    node.properties && `Keys: ${Object.keys(node.properties).join(', ')}`,
    node.items?.properties && `Keys of each: ${Object.keys(node.items.properties).join(', ')}`,
  ];
  return known.filter((one) => one !== undefined && one !== '') as string[];
}
