/** What the store keeps of a client or an invitation is a text of JSON: read here, judged by whose it is. Pure. */

export type StoredMap = Readonly<Record<string, unknown>>;

export function isMap(value: unknown): value is StoredMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** undefined = no map: the file was written by something else, or is damaged. */
export function mapFromText(text: string): StoredMap | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isMap(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
