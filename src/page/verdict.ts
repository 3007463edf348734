/** "Is it well?" in one line, from what the daemon says of itself and whether it says anything. Pure. */
import type { Explanation } from '../control/explain.ts';
import { humanDuration } from '../control/human-numbers.ts';
import type { Top } from '../control/rows.ts';

export type Health = 'well' | 'hurt' | 'down' | 'unknown';

export interface Verdict {
  readonly health: Health;
  readonly headline: string;
  /** What to look at, the worst first. */
  readonly problems: readonly Explanation[];
  /** What bounds the speed, and what is worth knowing. */
  readonly limits: readonly Explanation[];
  readonly notes: readonly Explanation[];
}

interface Seen {
  readonly top: Top | undefined;
  readonly explanations: readonly Explanation[];
  /** Since the daemon fell silent; undefined = it has not. */
  readonly silentMs: number | undefined;
}

export function verdictOf({ top, explanations, silentMs }: Seen): Verdict {
  const of = (severity: Explanation['severity']): Explanation[] =>
    explanations.filter((one) => one.severity === severity);
  const [limits, notes] = [of('limit'), of('note')];
  if (top === undefined || silentMs !== undefined) {
    const headline =
      silentMs === undefined ? 'Asking the daemon …' : `No answer from the daemon for ${humanDuration(silentMs)}`;
    return { health: 'unknown', headline, problems: of('problem'), limits, notes };
  }
  const problems = withWarnings(of('problem'), top);
  const lost = top.peers.filter(({ state, isWanted }) => isWanted && state !== 'connected');
  const cut = lost.length === 0 ? top.peers.filter(({ state }) => state === 'cut off') : lost;
  const common = { problems, limits, notes };
  const count = lost.length > 0 ? top.status.peersLost : top.status.peersCutOff;
  const isWhole = top.status.peersConnected === 0 || lost.length > 0;
  if (cut.length > 0 && isWhole) return { ...common, health: 'down', headline: cutHeadline(cut[0]?.name, count) };
  const halted = top.actors.filter(({ state }) => state === 'failed');
  if (halted.length > 0) return { ...common, health: 'down', headline: `${halted[0]?.id} has failed` };
  if (problems.length > 0) return { ...common, health: 'hurt', headline: hurtHeadline(top, problems.length) };
  return { ...common, health: 'well', headline: 'All is well' };
}

/** Warnings that stand in the status and not among the explanations, which are asked for a little later. */
function withWarnings(problems: readonly Explanation[], { status }: Top): Explanation[] {
  const known = new Set(problems.map(({ text }) => withoutNumbers(text)));
  const more = status.warnings.filter((text) => !known.has(withoutNumbers(text)));
  return [...problems, ...more.map((text): Explanation => ({ severity: 'problem', text }))];
}

function withoutNumbers(text: string): string {
  return text.replace(/[0-9.]+ ?(ms|s|min|h|%)?/g, '#');
}

/** Of thousands not each has a row. */
function cutHeadline(name: string | undefined, count: number): string {
  return `Cut off from ${count === 1 ? name : `${count} peers`}`;
}

function hurtHeadline({ status }: Top, count: number): string {
  const dead = status.links.filter(({ state, isEnabled }) => isEnabled && state !== 'up' && state !== 'degraded');
  const flows = status.peersConnected > 0 ? 'Traffic flows' : 'Running';
  if (dead.length > 0) return `${flows} without ${dead.map(({ name }) => name).join(' and ')}`;
  return `${flows}, with ${count === 1 ? 'one thing' : `${count} things`} to look at`;
}
