/** What came of one question. */
export interface ProbeVerdict {
  readonly answered: boolean;
  /** What was answered, or why that is no answer. */
  readonly detail: string;
}
