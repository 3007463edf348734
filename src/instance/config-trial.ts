/**
 * A configuration on trial: it runs, and the file is the old one until somebody confirms it. Nobody does within the time (the change may have
 * cut off who made it), the daemon ends, is killed, or loses power: then the old one runs again.
 */
import { performance } from 'node:perf_hooks';
import { HawserError, messageOf } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { revisionOf } from '../config/revision.ts';
import type { ConfigApplied, ConfigTrial as TrialStatus } from '../control/config-calls.ts';
import type { InstanceEvent } from '../control/events.ts';
import { ConfigFile } from './config-file.ts';

export interface TrialParts {
  readonly configPath: string;
  /** One change at a time. */
  exclusively<T>(change: () => Promise<T>): Promise<T>;
  /** What runs. */
  running(): Config;
  /** As a reload does it; resolves to what was changed, in words. What failed may have been applied in part. */
  apply(config: Config): Promise<readonly string[]>;
  /** Throws a ConfigError with every problem. */
  parse(text: string, file: string): Promise<Config>;
  /** The file says this now. */
  remember(config: Config): void;
  note(event: InstanceEvent): void;
  isStopped(): boolean;
}

interface Running {
  readonly revision: string;
  /** Of the file that it was made from. */
  readonly baseRevision: string;
  readonly text: string;
  readonly wanted: Config;
  readonly before: Config;
  readonly endsMs: number;
}

/** What could not be taken back is tried again: a port that somebody took meanwhile may be free then. */
const retryMs = 5_000;

export class ConfigTrial {
  readonly #parts: TrialParts;
  readonly #file: ConfigFile;
  #trial: Running | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: TrialParts) {
    this.#parts = parts;
    this.#file = new ConfigFile(parts.configPath);
  }

  get status(): TrialStatus | undefined {
    const trial = this.#trial;
    return trial && { revision: trial.revision, leftMs: Math.max(0, Math.round(trial.endsMs - performance.now())) };
  }

  /** Throws TRIAL while one goes on: what else changes would be taken back with it. */
  refuseOthers(): void {
    const { status } = this;
    if (status === undefined) return;
    const message = `Another configuration is on trial, and taken back in ${Math.ceil(status.leftMs / 1000)} s`;
    throw new HawserError('TRIAL', message, '`hawser config confirm` keeps it, `hawser config revert` ends it now');
  }

  /** An earlier process has ended in the middle of one. */
  handleStart(): void {
    if (!this.#file.withdraw()) return;
    this.#parts.note({ kind: 'config-taken-back', reason: 'the daemon ended before anybody confirmed it' });
  }

  apply(text: string, revision: string, seconds: number): Promise<ConfigApplied> {
    return this.#parts.exclusively(async () => {
      this.refuseOthers();
      if (this.#parts.isStopped()) throw new HawserError('STOPPING', 'The instance is about to end');
      const { configPath, parse, running, note } = this.#parts;
      this.#checkFile(revision);
      const wanted = await parse(text, configPath);
      this.#file.propose(text);
      const before = running();
      const changes = await this.#try(wanted, before);
      const trial = { revision: revisionOf(text), baseRevision: revision, text, wanted, before };
      this.#trial = { ...trial, endsMs: performance.now() + seconds * 1000 };
      this.#takeBackAfter(seconds * 1000, `nobody confirmed it within ${seconds} s`);
      note({ kind: 'config-applied', revision: trial.revision, seconds, changes });
      return { revision: trial.revision, leftMs: seconds * 1000, changes };
    });
  }

  confirm(revision: string): Promise<void> {
    return this.#parts.exclusively(async () => {
      const trial = this.#find(revision);
      this.#checkFile(trial.baseRevision);
      this.#file.propose(trial.text);
      this.#file.accept();
      this.#end();
      this.#parts.remember(trial.wanted);
      this.#parts.note({ kind: 'config-confirmed', revision });
    });
  }

  revert(revision: string): Promise<void> {
    return this.#parts.exclusively(async () => {
      const trial = this.#find(revision);
      await this.#takeBack(trial, 'an operator took it back');
    });
  }

  /** The instance ends: the next one begins with the file. */
  close(): void {
    if (this.#trial === undefined) return;
    this.#end();
    this.#file.withdraw();
    this.#parts.note({ kind: 'config-taken-back', reason: 'the daemon was stopped before anybody confirmed it' });
  }

  /** Whatever failed, the old one runs before this throws, or it is told why not. Rejects with the first failure. */
  async #try(wanted: Config, before: Config): Promise<readonly string[]> {
    const { apply, running, note } = this.#parts;
    try {
      return await apply(wanted);
    } catch (error) {
      this.#file.withdraw();
      const why = `it could not be applied: ${messageOf(error)}`;
      try {
        if (running() !== before) await apply(before);
        note({ kind: 'config-taken-back', reason: why });
      } catch (another) {
        const text = `The old configuration could not be taken back whole: ${messageOf(another)} (of the new one: ${why})`;
        note({ kind: 'reload-failed', reason: text });
      }
      throw error;
    }
  }

  #takeBackAfter(ms: number, reason: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#parts.exclusively(() => this.#handleTime(reason)), ms);
  }

  /** Never rejects. */
  async #handleTime(reason: string): Promise<void> {
    const trial = this.#trial;
    if (trial === undefined || this.#parts.isStopped()) return;
    try {
      await this.#takeBack(trial, reason);
    } catch (error) {
      const again = `it is tried again every ${retryMs / 1000} s, and a restart of the instance begins with the old one`;
      const text = `The configuration on trial cannot be taken back: ${messageOf(error)} (${again})`;
      this.#parts.note({ kind: 'reload-failed', reason: text });
      this.#takeBackAfter(retryMs, reason);
    }
  }

  async #takeBack({ before, revision }: Running, reason: string): Promise<void> {
    await this.#parts.apply(before);
    this.#end();
    this.#file.withdraw();
    this.#parts.note({ kind: 'config-taken-back', revision, reason });
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#trial = undefined;
  }

  #find(revision: string): Running {
    const trial = this.#trial;
    if (trial?.revision === revision) return trial;
    const why = trial === undefined ? 'none is' : 'another one is';
    const message = `That configuration is not on trial: ${why}`;
    throw new HawserError('NO_TRIAL', message, '`hawser events` says what was confirmed or taken back, and when');
  }

  /** Throws CHANGED when the file is not the one that was read. */
  #checkFile(revision: string): void {
    if (revisionOf(this.#file.read()) === revision) return;
    const message = `${this.#parts.configPath} was changed by somebody else meanwhile`;
    const remedy =
      this.#trial === undefined
        ? 'read it again, and put your change into that'
        : '`hawser config revert`, read it again, and put your change into that';
    throw new HawserError('CHANGED', message, remedy);
  }
}
