/** What may be asked about plugins, how the plugin-host answers, and what other parts ask plugins by it. */

/** What a plugin is for; `docs/operating/plugins.md` says what each is asked and answers. */
export const pluginHooks = ['events', 'webhook', 'authorise', 'health', 'bonding'] as const;
export type PluginHook = (typeof pluginHooks)[number];

/** `waiting`: it has ended and is begun again in `againInMs`. `refused`: it cannot be run on this host as it must be. */
export type PluginState = 'starting' | 'running' | 'waiting' | 'given-up' | 'refused';

export interface PluginStatus {
  readonly plugin: string;
  readonly file: string;
  readonly state: PluginState;
  /** As it said; empty before. */
  readonly hooks: readonly PluginHook[];
  /** Since the plugin-host began. */
  readonly restarts: number;
  /** undefined = there is no process now. */
  readonly pid: number | undefined;
  /** The user that it runs as. */
  readonly uid: number | undefined;
  readonly memoryBytes: number | undefined;
  /** Of one processor, over the last seconds. */
  readonly processorPercent: number | undefined;
  readonly sinceMs: number | undefined;
  /** Questions that it answered, and those to which nothing right came in time. */
  readonly answers: number;
  readonly failures: number;
  /** Events that it was too slow for. */
  readonly leftOut: number;
  /** What is wrong, or was last; '' = nothing ever was. */
  readonly reason: string;
  readonly againInMs: number | undefined;
  /** The last that it wrote to its standard output or error. */
  readonly lastWords: string;
}

/** Of one link; what is left out is as configured. */
export interface LinkSuggestion {
  readonly link: string;
  readonly weight?: number | undefined;
  readonly role?: 'always' | 'backup' | 'metered' | undefined;
}

/** Served by the instance. */
export interface PluginSourceApi {
  /** Takes the place of what was suggested before, within what the configuration says, for `holdMs`. */
  suggestLinks(plugin: string, suggestions: readonly LinkSuggestion[], holdMs: number): void | Promise<void>;
}

export interface PluginAnswers {
  readonly list: readonly PluginStatus[];
}

export type PluginVerb = keyof PluginAnswers;
