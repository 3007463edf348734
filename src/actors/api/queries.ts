/** The query of a URL → the parameters of an operation, with the types that its schema names; the schema itself is checked later. */
import * as z from 'zod';

type Node = Readonly<{ type?: string; anyOf?: readonly Node[]; properties?: Readonly<Record<string, Node>> }>;

export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

const known = new WeakMap<z.ZodType, Node>();

/** What is not of the type that is wanted stays as it is, and is refused with its name by the schema. */
export function paramsOfQuery(schema: z.ZodType, query: Query): Record<string, unknown> {
  const { properties = {} } = nodeOf(schema);
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => [
      name,
      Object.hasOwn(properties, name) ? typed(properties[name] ?? {}, value) : value,
    ]),
  );
}

function nodeOf(schema: z.ZodType): Node {
  const node = known.get(schema) ?? (z.toJSONSchema(schema, { io: 'input' }) as Node);
  known.set(schema, node);
  return node;
}

function typed(node: Node, value: unknown): unknown {
  const types = typesOf(node);
  if (types.has('array')) return Array.isArray(value) ? value : [value];
  if (typeof value !== 'string') return value;
  if (types.has('boolean') && (value === 'true' || value === 'false')) return value === 'true';
  const isNumber = /^-?\d+(\.\d+)?$/.test(value);
  if ((types.has('number') || types.has('integer')) && isNumber) return Number(value);
  return value;
}

function typesOf({ type, anyOf = [] }: Node): ReadonlySet<string> {
  return new Set([...(type === undefined ? [] : [type]), ...anyOf.flatMap((one) => [...typesOf(one)])]);
}
