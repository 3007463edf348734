/** Whether what a web server answered is what a check wants; pure. */
import type { ProbeVerdict } from './verdict.ts';

export interface HttpExpectation {
  readonly statuses: readonly { readonly from: number; readonly to: number }[];
  readonly contains: string | undefined;
  /** Regular expression. */
  readonly matches: string | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  /** Where a redirect leads. */
  readonly location: string | undefined;
  /** As far as it was read. */
  readonly body: string;
}

/** Tries an expression on a text; undefined = it took too long to say. */
export type MatchPattern = (pattern: string, text: string) => boolean | undefined;

/** The status first: a portal's page is not worth comparing. */
export function judgeHttp(expected: HttpExpectation, answer: HttpAnswer, match: MatchPattern): ProbeVerdict {
  const { status, location } = answer;
  if (!expected.statuses.some(({ from, to }) => status >= from && status <= to)) {
    const where = location === undefined ? '' : ` to ${location}`;
    // RFC 6585 section 6, and what portals did before it.
    const isPortal = location !== undefined || status === 511;
    const doubt = isPortal ? ': a captive portal?' : '';
    return { answered: false, detail: `status ${status}${where}, expected ${wanted(expected)}${doubt}` };
  }
  if (expected.contains !== undefined && !answer.body.includes(expected.contains))
    return { answered: false, detail: `status ${status}, but the body does not hold "${expected.contains}"` };
  if (expected.matches !== undefined) {
    const isMatch = match(expected.matches, answer.body);
    if (isMatch === undefined) return { answered: false, detail: `the expression ${expected.matches} takes too long` };
    if (!isMatch)
      return { answered: false, detail: `status ${status}, but the body does not match ${expected.matches}` };
  }
  return { answered: true, detail: `status ${status}` };
}

function wanted({ statuses }: HttpExpectation): string {
  return statuses.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(', ');
}
