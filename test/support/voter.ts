/** Stands in for a sealer that elects: the real election over the rows of a path table, whose lives a test writes. */
import { type Candidate, Election } from '../../src/bonding/life/election.ts';
import { lifeState } from '../../src/bonding/life/path-life-states.ts';
import { path, pathOrigin, pathState, pathVote } from '../../src/contract/peer-tables.ts';
import { linkOf, transportOf } from '../../src/rings/carriers.ts';
import { RowChanges } from '../../src/rings/row-changes.ts';
import type { RowTable } from '../../src/rings/table.ts';

/** Every path answers what it is asked, as long as its row says that it lives. */
function candidateOf(table: RowTable, row: number): Candidate {
  const state = table.int(row, path.lifeAt);
  const stateOfRow = table.int(row, path.stateAt);
  const vote = table.int(row, path.voteAt);
  const carrier = table.int(row, path.carrierAt);
  const isLive = state === lifeState.live;
  return {
    port: carrier,
    transport: transportOf(carrier),
    way: table.int(row, path.originAt) === pathOrigin.learnt ? -1 : linkOf(carrier),
    handicap: 0,
    worth: 1,
    origin: table.int(row, path.originAt),
    wish: table.int(row, path.wishAt),
    wishUs: table.number(row, path.wishUsAt),
    isProbed: stateOfRow === pathState.up || stateOfRow === pathState.standby,
    life: {
      state,
      isDoubtful: state === lifeState.suspect,
      isTrusted: isLive,
      askedUs: 0,
      answeredUs: isLive ? 0 : Number.NEGATIVE_INFINITY,
      provenUs: isLive ? 0 : Number.NEGATIVE_INFINITY,
      provenTripUs: 0,
      isOverdue: false,
      probedFromUs: () => Number.NEGATIVE_INFINITY,
      handleOutlived: () => undefined,
      doubt: () => undefined,
    },
    distanceUs: table.number(row, path.smoothedRttUsAt),
    isChosen: (vote & pathVote.chosen) !== 0,
    carries: (vote & pathVote.carries) !== 0,
  };
}

/** Elects again when the table says that a row has changed: who writes one tells. */
export class Voter {
  readonly #table: RowTable;
  readonly #changes: RowChanges;

  constructor(table: RowTable) {
    this.#table = table;
    this.#changes = new RowChanges(table);
  }

  /** Returns the peers of which a row is another. */
  vote(): ReadonlySet<number> {
    if (this.#changes.areNone) return new Set();
    this.#changes.read(
      () => undefined,
      () => undefined,
    );
    return voteIn(this.#table);
  }
}

/** Elects among the paths of each peer; those that are proven and were never judged live. */
function voteIn(table: RowTable): ReadonlySet<number> {
  const rows = Array.from({ length: table.used() }, (_, row) => row).filter(
    (row) => table.int(row, path.stateAt) !== pathState.free,
  );
  for (const row of rows) {
    if (table.number(row, path.changedUsAt) > 0 || table.int(row, path.stateAt) === pathState.unproven) continue;
    if (table.int(row, path.lifeAt) === lifeState.unproven) table.setInt(row, path.lifeAt, lifeState.live);
    table.setNumber(row, path.changedUsAt, 1);
  }
  const changed = new Set<number>();
  for (const peerRow of new Set(rows.map((row) => table.int(row, path.peerAt)))) {
    const own = rows.filter((row) => table.int(row, path.peerAt) === peerRow);
    const candidates = own.map((row) => candidateOf(table, row));
    new Election('off').run(candidates, 1e6);
    for (const [index, row] of own.entries()) {
      const { carries, isChosen } = candidates[index] as Candidate;
      const outcome = (carries ? pathVote.carries : 0) | (isChosen ? pathVote.chosen : 0);
      if (table.int(row, path.voteAt) !== outcome) changed.add(peerRow);
      table.setInt(row, path.voteAt, outcome);
    }
  }
  return changed;
}
