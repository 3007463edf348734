/** An error a person can act on: active voice, the value, the remedy in `remedy`. `code` is an errno name or our own. */
export class HawserError extends Error {
  override readonly name = 'HawserError';
  readonly code: string;
  readonly remedy: string;
  /** The message without the remedy. */
  readonly fault: string;

  constructor(code: string, message: string, remedy = '') {
    super(remedy === '' ? message : `${message} (${remedy})`);
    this.code = code;
    this.fault = message;
    this.remedy = remedy;
  }
}

/** sysexits.h EX_CONFIG: what `hawser check` and `hawser up` exit with on a bad configuration. */
export const exitConfig = 78;

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
