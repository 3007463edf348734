/**
 * What may be sent to an address that nobody has proven: three times the bytes that came from there (RFC 9000 section 8.1), all of them
 * counted as they are on the wire.
 */
const factor = 3;

export class AddressCredit {
  #spentBytes = 0;

  /** `heardBytes`: all that ever came from there. */
  allows(bytes: number, heardBytes: number): boolean {
    return this.#spentBytes + bytes <= factor * heardBytes;
  }

  spend(bytes: number): void {
    this.#spentBytes += bytes;
  }
}
