/** A preshared key on its way to another thread: no JSON shows it, so that no log line and no answer can hold one by accident. */

/** `text`: base64. A buffer of its own: one of Node's pool would take its neighbours along. */
export function secretOf(text: string): ArrayBuffer {
  const key = new Uint8Array(32);
  key.set(Buffer.from(text, 'base64'));
  return key.buffer;
}
