/**
 * Reads the configuration's file for who asks from afar, judges a text that may take its place, and makes of it what the main thread applies.
 * The one place that decides what may come by HTTP. Loaded when it is needed: it brings the parser.
 */
import type { Calls } from '../base/calls.ts';
import { HawserError } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { maskSecrets, movedSecret, restoreSecrets } from '../config/kept-secrets.ts';
import { readKeys } from '../config/load-keys.ts';
import { parseConfig, placeFindings, readConfigText } from '../config/parse.ts';
import { ConfigError, type Finding, formatPath, type KeyPath, type Problem } from '../config/problems.ts';
import { reservedChanges, reservedKeys } from '../config/reserved-keys.ts';
import { revisionOf } from '../config/revision.ts';
import { configJsonSchema } from '../config/schema.ts';
import { deepBracket, YamlText } from '../config/yaml-text.ts';
import type { ConfigApplied, ConfigCheck, ConfigDiff, ConfigText } from './config-calls.ts';
import { configWarnings } from './config-check.ts';
import { diffLines } from './line-diff.ts';
import type { Caller } from './roles.ts';
import type { SupervisorApi } from './supervisor-api.ts';

type Asking = Calls<SupervisorApi>;

/** The file as it is now. */
interface Current {
  readonly file: string;
  readonly revision: string;
  /** Without secrets, and what was hidden. */
  readonly text: string;
  readonly secrets: readonly string[];
  /** What the text says, for who has to be held to it. */
  raw(): unknown;
}

/** A text that could be the configuration: with its secrets, and what it says. */
interface Fit {
  readonly text: string;
  readonly config: Config;
}

type Judged = { readonly problems: readonly Problem[]; readonly fit?: undefined } | { readonly fit: Fit };

export async function readConfig(supervisor: Asking): Promise<ConfigText> {
  const { trial } = await supervisor.request('instance');
  const { file, text, revision } = await currentOf(supervisor);
  return { file, text, revision, trial, reserved: reservedKeys };
}

export function readSchema(): object {
  return configJsonSchema();
}

export async function checkConfig(supervisor: Asking, text: string, caller: Caller): Promise<ConfigCheck> {
  const judged = judge(await currentOf(supervisor), text, caller);
  if (judged.fit === undefined) return { problems: judged.problems, warnings: [] };
  return { problems: [], warnings: configWarnings(judged.fit.config) };
}

/** Throws CONFIG with every problem of the text. */
export async function diffConfig(supervisor: Asking, text: string, caller: Caller): Promise<ConfigDiff> {
  const current = await currentOf(supervisor);
  const fit = fitOrThrow(current, text, caller);
  const { text: shown } = maskSecrets(fit.text, new YamlText(fit.text), current.secrets);
  return { ...(await supervisor.request('planConfig', fit.config)), lines: diffLines(current.text, shown) };
}

/** Throws CHANGED when the file is not the one that the text was made from, CONFIG with every problem. */
export async function applyConfig(
  supervisor: Asking,
  { text, revision, seconds }: { readonly text: string; readonly revision: string; readonly seconds: number },
  caller: Caller,
): Promise<ConfigApplied> {
  const current = await currentOf(supervisor);
  // Words for secrets mean those of the text that was read.
  if (current.revision !== revision) throw changedError(current.file);
  return await supervisor.request('applyConfig', fitOrThrow(current, text, caller).text, revision, seconds);
}

export function changedError(file: string): HawserError {
  const remedy = 'read it again, and put your change into that';
  return new HawserError('CHANGED', `${file} was changed by somebody else meanwhile`, remedy);
}

async function currentOf(supervisor: Asking): Promise<Current> {
  const { configPath: file } = await supervisor.request('instance');
  const text = readConfigText(file);
  const yaml = deepBracket(text) === undefined ? new YamlText(text) : undefined;
  if (yaml?.syntax().isReadable !== true || !yaml.isMap) {
    const remedy = '`hawser check` on the host names its faults; mend it there';
    throw new HawserError('CONFIG_FILE', `${file} is not YAML at the moment, and may hold secrets`, remedy);
  }
  const masked = maskSecrets(text, yaml);
  return { file, revision: revisionOf(text), ...masked, raw: () => rawOf(masked.text) };
}

function fitOrThrow(current: Current, text: string, caller: Caller): Fit {
  const judged = judge(current, text, caller);
  if (judged.fit !== undefined) return judged.fit;
  throw new ConfigError(current.file, judged.problems);
}

/**
 * Its problems first without the secrets, so that none of them says what a secret is; then with them, and with the files that it names, so
 * far as the caller may name any.
 */
function judge(current: Current, text: string, caller: Caller): Judged {
  const { file, secrets } = current;
  const restored = restoreSecrets(text, secrets);
  const shown = parseConfig(text, file);
  if (shown.config === undefined) return { problems: shown.problems };
  if (restored.unknown !== undefined) {
    const message = `${restored.unknown} stands for no secret of the file: read it again, or write the secret itself`;
    return { problems: [problemIn(text, restored.unknown, message)] };
  }
  const refused = caller === 'socket' ? [] : refusedByHttp(current, text);
  if (refused.length > 0) return { problems: refused };
  const { config } = restored.text === text ? shown : parseConfig(restored.text, file);
  if (config === undefined)
    return { problems: [problemIn(text, 'UNCHANGED-SECRET-', 'a secret does not fit where it would stand')] };
  try {
    readKeys(config, text, file).privateKey.fill(0);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { problems: error.problems };
  }
  return { fit: { text: restored.text, config } };
}

function rawOf(text: string): unknown {
  return new YamlText(text).toObject().raw;
}

function refusedByHttp(current: Current, after: string): Problem[] {
  const { text: before } = current;
  const [raw, said] = [current.raw(), rawOf(after)];
  const moved = movedSecret({ before, after }, { before: raw, after: said });
  if (moved !== undefined) {
    const message = `${moved} may stand only where it stood, in a line and a probe that are as they were: change this on the host`;
    return [problemIn(after, moved, message)];
  }
  return placeFindings(after, reservedChanges(raw, said).map(reservedFinding));
}

function reservedFinding(key: KeyPath): Finding {
  const message = `names files or what runs on this host, and is not changed by HTTP: use \`hawser config apply\` there (${formatPath(key)})`;
  return { path: key, at: 'value', message, allowed: [] };
}

function problemIn(text: string, word: string, message: string): Problem {
  const before = text.slice(0, Math.max(0, text.indexOf(word))).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1, path: '', message, allowed: [] };
}
