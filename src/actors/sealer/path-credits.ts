/** The credit of every path: joins `bonding/path-credit.ts` to the shared tables that say what was sealed, sent and still waits. */
import { PathCredit } from '../../bonding/path-credit.ts';
import { link, path } from '../../rings/layout.ts';
import { linkTable, pathTable, type RowTable } from '../../rings/table.ts';
import type { ActorContext } from '../kit/contract.ts';
import { memoryOf } from '../kit/ports.ts';

export class PathCredits {
  readonly #context: ActorContext;
  readonly #paths: RowTable;
  readonly #links: RowTable;
  readonly #rates: ReadonlyMap<number, number>;
  readonly #credits: PathCredit[] = [];

  /** `ratesBps`: configured rate of each link by row, 0 = none. */
  constructor(context: ActorContext, ratesBps: ReadonlyMap<number, number>) {
    this.#context = context;
    this.#paths = pathTable(memoryOf(context.spec, 'paths'));
    this.#links = linkTable(memoryOf(context.spec, 'links'));
    this.#rates = ratesBps;
  }

  linkOf(pathRow: number): number {
    return this.#paths.int(pathRow, path.linkAt);
  }

  /** Bytes that may be sealed for the path now; when there are none a turn is asked for at the time there may be. */
  allowed(pathRow: number, nowUs: number): number {
    const linkRow = this.linkOf(pathRow);
    let credit = this.#credits[pathRow];
    if (credit === undefined) {
      credit = new PathCredit(this.#rates.get(linkRow) ?? 0);
      this.#credits[pathRow] = credit;
    }
    const drained =
      this.#paths.number(pathRow, path.sentBytesAt) +
      this.#paths.number(pathRow, path.lateBytesAt) +
      this.#paths.number(pathRow, path.refusedBytesAt);
    const sealed = this.#paths.number(pathRow, path.sealedBytesAt);
    const allowed = credit.allowed(nowUs, sealed, drained, this.#links.int(linkRow, link.outqBytesAt));
    if (allowed <= 0) this.#context.wakeAt(nowUs + credit.retryUs());
    return allowed;
  }

  /** Whether the path could take more, and only this machine's own threads are behind (`PathCredit.isPathLimited`). */
  isMerelyBehind(pathRow: number): boolean {
    return this.#credits[pathRow]?.isPathLimited === false;
  }

  /** Books what was sealed for the path. */
  spend(pathRow: number, bytes: number): void {
    this.#paths.addNumber(pathRow, path.sealedBytesAt, bytes);
    this.#credits[pathRow]?.spend(bytes);
  }
}
