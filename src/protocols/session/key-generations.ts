/**
 * The three generations of keys with one peer (WireGuard whitepaper 6.3). Slots are handles: their keys lie in shared memory.
 *
 * | event                             | previous | current | next | falls out           |
 * | --------------------------------- | -------- | ------- | ---- | ------------------- |
 * | derived as initiator, no next     | current  | new     | –    | previous            |
 * | derived as initiator, next waits  | next     | new     | –    | previous, current   |
 * | derived as responder              | –        | current | new  | previous, next      |
 * | first packet received under next  | current  | next    | –    | previous            |
 *
 * A responder must not send under its new keys before that packet: the initiator may never have got the response.
 */
export interface KeySlot {
  /** Row of the session table. */
  readonly slot: number;
  readonly isInitiator: boolean;
  readonly birthUs: number;
}

export class KeyGenerations {
  #previous: KeySlot | undefined;
  #current: KeySlot | undefined;
  #next: KeySlot | undefined;

  get previous(): KeySlot | undefined {
    return this.#previous;
  }

  /** What we seal under. */
  get current(): KeySlot | undefined {
    return this.#current;
  }

  /** Keys we answered with, and have heard nothing under yet. */
  get next(): KeySlot | undefined {
    return this.#next;
  }

  all(): KeySlot[] {
    return [this.#previous, this.#current, this.#next].filter((one) => one !== undefined);
  }

  /** Takes in the keys of a finished handshake; returns those that fell out. */
  handleDerived(key: KeySlot): KeySlot[] {
    const [previous, current, next] = [this.#previous, this.#current, this.#next];
    if (key.isInitiator) {
      this.#previous = next ?? current;
      this.#current = key;
      this.#next = undefined;
      return known(previous, next === undefined ? undefined : current);
    }
    this.#previous = undefined;
    this.#next = key;
    return known(previous, next);
  }

  /** The peer has sealed under `next`; returns what fell out. */
  handleConfirmed(): KeySlot[] {
    if (this.#next === undefined) return [];
    const out = known(this.#previous);
    this.#previous = this.#current;
    this.#current = this.#next;
    this.#next = undefined;
    return out;
  }

  /** A key that is too old, or was taken away. */
  handleGone(slot: number): void {
    if (this.#previous?.slot === slot) this.#previous = undefined;
    if (this.#current?.slot === slot) this.#current = undefined;
    if (this.#next?.slot === slot) this.#next = undefined;
  }

  /** What a predecessor left in the session table. */
  restore(previous: KeySlot | undefined, current: KeySlot | undefined, next: KeySlot | undefined): void {
    this.#previous = previous;
    this.#current = current;
    this.#next = next;
  }
}

function known(...keys: (KeySlot | undefined)[]): KeySlot[] {
  return keys.filter((key) => key !== undefined);
}
