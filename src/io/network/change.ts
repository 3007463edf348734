/** A change of the kernel's network in steps, that can be taken back as a whole. */
import { HawserError } from '../../base/errors.ts';
import type { Netlink, NetlinkRequest } from '../netlink.ts';

/** `whole`: all or nothing, for a change that can be refused. `most`: whatever can be done, for a start, which cannot. */
export type ApplyMode = 'whole' | 'most';

export class NetworkChange {
  count = 0;
  /** Whole sentences; empty unless the mode is `most`. */
  readonly refusals: string[] = [];
  readonly #netlink: Netlink;
  readonly #mode: ApplyMode;
  readonly #done: NetlinkRequest[] = [];
  readonly #refused = new Set<string>();

  constructor(netlink: Netlink, mode: ApplyMode) {
    this.#netlink = netlink;
    this.#mode = mode;
  }

  /** False when there was nothing to do that was not refused before. */
  apply(requests: readonly NetlinkRequest[]): boolean {
    const fresh = this.#refused.size === 0 ? requests : requests.filter(({ what }) => !this.#refused.has(what));
    const refusals = this.#netlink.apply(fresh);
    const refused = new Set(refusals.map(({ request }) => request));
    for (const request of fresh) if (!refused.has(request)) this.#done.push(request);
    this.count += fresh.length - refusals.length;
    for (const { what } of refused) this.#refused.add(what);
    if (refusals.length > 0 && this.#mode === 'whole') this.#takeBack(refusals.map(({ error }) => error));
    this.refusals.push(...refusals.map(({ error }) => error.message));
    return fresh.length > 0;
  }

  #takeBack(errors: readonly HawserError[]): never {
    this.#netlink.apply(this.#done.reverse().flatMap(({ undo }) => undo?.() ?? []));
    throw joined(errors);
  }
}

function joined([first, ...others]: readonly HawserError[]): HawserError {
  const message = first?.message ?? '';
  return new HawserError(
    first?.code ?? '',
    others.length === 0 ? message : `${message}, and ${others.length} more were refused`,
  );
}
