/** What an operator may ask about the configuration of a running instance, and what is answered. */
import * as z from 'zod';
import type { Config } from '../config/config.ts';
import type { Problem } from '../config/problems.ts';
import type { Warning } from '../config/warnings.ts';
import type { DiffLine } from './line-diff.ts';

/**
 * A longer one is for an editor and `hawser reload`: 10,000 peers are a megabyte and more. As JSON, in which a character may take six bytes,
 * it fits into `maxRequestBytes` (protocol.ts).
 */
const mostConfigCharacters = 320 * 1024;
/** The shortest is for tests, and for who knows what he does. */
const trialSeconds = { least: 1, usual: 60, most: 3600 } as const;

const text = z.string().max(mostConfigCharacters);
/** Of the text that the change is made from, or that is on trial. */
const revision = z.string().regex(/^[0-9a-f]{32}$/);

/** Parameters by verb. */
export const configParams = {
  read: z.strictObject({}),
  schema: z.strictObject({}),
  check: z.strictObject({ text }),
  diff: z.strictObject({ text }),
  apply: z.strictObject({
    text,
    revision,
    /** So long it is on trial, and is taken back then unless it was confirmed. */
    seconds: z.int().min(trialSeconds.least).max(trialSeconds.most).default(trialSeconds.usual),
  }),
  confirm: z.strictObject({ revision }),
  revert: z.strictObject({ revision }),
} as const;

/** A configuration that runs, and is not in the file yet. */
export interface ConfigTrial {
  readonly revision: string;
  /** Then it is taken back. */
  readonly leftMs: number;
}

export interface ConfigText {
  /** Where it stands on the host. */
  readonly file: string;
  /** With `UNCHANGED-SECRET-N` in the place of secrets; what comes back with such a word keeps them. */
  readonly text: string;
  readonly revision: string;
  readonly trial: ConfigTrial | undefined;
  /** Keys that change by the socket alone, `[]` for each entry of a list. */
  readonly reserved: readonly string[];
}

export interface ConfigCheck {
  /** Empty = it can be applied. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly Warning[];
}

/** What a text would change in what runs. */
export interface ConfigPlan {
  /** One sentence for each thing; empty = the text says what already runs. */
  readonly changes: readonly string[];
  /** Threads that are started anew (5 to 10 ms each), that come, and that go. */
  readonly renewed: readonly string[];
  readonly started: readonly string[];
  readonly ended: readonly string[];
}

export interface ConfigDiff extends ConfigPlan {
  /** Compared with the file, with secrets hidden: what differs, and three lines around it. */
  readonly lines: readonly DiffLine[];
}

export interface ConfigApplied extends ConfigTrial {
  readonly changes: readonly string[];
}

/** What the main thread answers; texts have their secrets here. */
export interface ConfigApi {
  /** Throws CONFIG for what a running instance has no room for. */
  planConfig(config: Config): ConfigPlan | Promise<ConfigPlan>;
  /** Rejects with TRIAL, CHANGED, CONFIG, CONFIG_FILE, and with what the kernel refuses: then all is as it was. */
  applyConfig(text: string, revision: string, seconds: number): Promise<ConfigApplied>;
  /** Both reject with NO_TRIAL when that is not on trial. */
  confirmConfig(revision: string): Promise<void>;
  revertConfig(revision: string): Promise<void>;
}
