/**
 * Keeps what links, paths and clients carried, and what happened, for as long as configured. Evented, in a thread of its own: it reads the
 * shared tables once a second, and waits for the disk where nobody waits for it.
 */
import path from 'node:path';
import { HawserError, messageOf } from '../base/errors.ts';
import { inWords, makeFolder, readSmallFile } from '../base/lasting-files.ts';
import type { HistoryConfig } from '../config/history-schema.ts';
import type { EventRecord } from '../control/events.ts';
import type { HistoryAnswers, HistoryInfo, HistoryQuestion, HistoryVerb } from '../control/history.ts';
import type { InstanceInfo, SupervisorApi } from '../control/supervisor-api.ts';
import { Archive, type UnwrittenState } from './history/archive.ts';
import { type ArchiveFile, mostBytesOf, openArchive } from './history/archive-file.ts';
import { answerHistory } from './history/query.ts';
import { RecentFile } from './history/recent-file.ts';
import { type GatherState, Recorder } from './history/recorder.ts';
import { Sampler } from './history/sampler.ts';
import { type ActorCall, type CallSourceApi, performCall } from './kit/actor-calls.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { DiskTrouble } from './kit/disk-trouble.ts';
import { RpcClient } from './kit/rpc.ts';

export interface HistoryKeeperSettings {
  /** Of the instance: its files lie in folders of that name. */
  readonly name: string;
  readonly stateDirectory: string;
  readonly runDirectory: string;
  readonly history: HistoryConfig;
}

/** What is left in memory for a successor. */
interface State {
  /** Of the process that the events were of, and the last of them that was taken. */
  readonly process: number;
  readonly lastEvent: number;
  readonly gathered: GatherState;
  readonly unwritten: UnwrittenState;
}

const deadlineMs = 10_000;
/** After a reload the names of rows may be old for so long. */
const learnEverySeconds = 5;
/** What a process that is killed loses at most, and a host without power. */
const saveEverySeconds = 5;
const writeEverySeconds = 600;
/** A file that could not be opened or written is tried again. */
const retryEverySeconds = 30;
const followWaitMs = 5000;

export const definition: ActorDefinition = {
  role: 'history-keeper',
  turn: 'evented',
  isPatient: true,
  async start(context: ActorContext): Promise<Actor> {
    if (context.supervisor === undefined)
      throw new HawserError('RPC', 'The history-keeper was given no supervisor port');
    const keeper = new HistoryKeeper(
      context,
      new RpcClient<SupervisorApi & CallSourceApi>(context.supervisor, deadlineMs),
    );
    keeper.begun.catch((error: unknown) => keeper.fail(error));
    return keeper;
  },
};

class HistoryKeeper implements Actor {
  readonly #context: ActorContext;
  readonly #settings: HistoryKeeperSettings;
  readonly #instance: RpcClient<SupervisorApi & CallSourceApi>;
  readonly #archive: Archive;
  readonly #recorder: Recorder;
  readonly #clients = new Set<string>();
  readonly #files: { readonly archive: string; readonly recent: string };
  #file: ArchiveFile | undefined;
  #recent: RecentFile | undefined;
  #sampler: Sampler | undefined;
  #info: InstanceInfo | undefined;
  #timer: NodeJS.Timeout | undefined;
  #seconds = 0;
  #writeAt = writeEverySeconds;
  #lastEvent = 0;
  #process = 0;
  readonly #disk: DiskTrouble;
  #isClockWrong = false;
  #isClosed = false;
  #isBegun = false;
  #told = new Set<string>();
  /** Questions wait for it. */
  readonly begun: Promise<void>;
  readonly #startedAtMs = Date.now();
  #writtenBytes = 0;

  constructor(context: ActorContext, instance: RpcClient<SupervisorApi & CallSourceApi>) {
    this.#context = context;
    this.#settings = context.spec.settings as HistoryKeeperSettings;
    this.#instance = instance;
    const { name, stateDirectory, runDirectory, history } = this.#settings;
    this.#files = {
      archive: path.join(stateDirectory, `${name}.history`, 'history.db'),
      recent: path.join(runDirectory, `${name}.history`, 'recent.db'),
    };
    this.#archive = new Archive(history.keep);
    this.#recorder = new Recorder(this.#archive, history.keep);
    // Longer than to the next try.
    this.#disk = new DiskTrouble(1.5 * retryEverySeconds * 1000, (reason) => this.#tellDisk(reason));
    this.begun = this.#begin();
  }

  /** An instance is up before its history is opened, which reads the whole file once. */
  async #begin(): Promise<void> {
    const { startedAtMs } = await this.#instance.request('instance');
    if (this.#isClosed) return;
    this.#openRecent();
    this.#openArchive();
    this.#process = startedAtMs;
    this.#restore(this.#recent?.state() as State | undefined);
    this.#isBegun = true;
    void this.#follow();
    this.#wait();
    this.#learnSoon();
  }

  /** The thread ends, and another one begins. */
  fail(error: unknown): void {
    if (!this.#isClosed) throw error;
  }

  work(): number {
    return 0;
  }

  onCommand(command: Command): void {
    if (command.kind !== 'actor-call') return;
    void performCall(this.#instance, command as ActorCall, (verb, params) =>
      this.#answer(verb as HistoryVerb, params),
    ).catch((error: unknown) => this.#warn(messageOf(error)));
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    // Before it knows what its predecessor left it would write over it.
    if (this.#isBegun) this.#finish();
    this.#disk.close();
    this.#instance.close();
    this.#file?.close();
    this.#recent?.close();
  }

  #finish(): void {
    this.#recorder.flush();
    this.#write();
    this.#save();
  }

  /** Once each second of the clock, soon after it has begun. */
  #wait(): void {
    const delayMs = 1000 - (Date.now() % 1000) + 5;
    this.#timer = setTimeout(() => {
      this.#tick();
      if (!this.#isClosed) this.#wait();
    }, delayMs).unref();
  }

  #tick(): void {
    this.#seconds += 1;
    if (this.#seconds % learnEverySeconds === 0) this.#learnSoon();
    const { history } = this.#settings;
    if (this.#sampler !== undefined && this.#info !== undefined) {
      const samples = this.#sampler.sample(this.#info, this.#context.addon.nowUs());
      this.#noteClock(this.#recorder.take(Date.now() / 1000, samples));
    }
    if (this.#seconds % saveEverySeconds === 0) this.#save();
    if (this.#seconds < this.#writeAt) return;
    if (this.#file === undefined) this.#openArchive();
    this.#write();
    this.#writeAt = this.#seconds + (this.#disk.reason === undefined ? writeEverySeconds : retryEverySeconds);
    if (this.#archive.leftOut > 0)
      this.#warn(
        `History: ${this.#archive.leftOut} pieces were left out (too many names, or the disk was full for days)`,
      );
    this.#archive.leftOut = 0;
    if (this.#clients.size >= history.clients && history.clients > 0)
      this.#warnOnce(`History: ${history.clients} clients have one, more are left out (history.clients)`);
  }

  #noteClock(isRight: boolean): void {
    if (isRight === !this.#isClockWrong) return;
    this.#isClockWrong = !isRight;
    if (!isRight) this.#warn('History: the clock of this host is wrong (before 2024): nothing is kept until it is set');
  }

  /** What fails is asked for again in a few seconds. */
  #learnSoon(): void {
    this.#learn().catch((error: unknown) => {
      if (!this.#isClosed) this.#warnOnce(messageOf(error));
    });
  }

  async #learn(): Promise<void> {
    const facts = await this.#instance.request('instance');
    const known = this.#info;
    const isSame = known?.peersVersion === facts.peersVersion;
    const peers = isSame ? known?.peers : undefined;
    const info = { ...facts, peers: peers ?? (await this.#instance.request('peerNames')) };
    if (this.#sampler === undefined || known?.topologyVersion !== info.topologyVersion)
      this.#sampler = new Sampler(
        await this.#instance.request('memory'),
        this.#settings.history.clients,
        this.#clients,
      );
    if (!isSame || known?.topologyVersion !== info.topologyVersion) this.#info = info;
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) {
      try {
        for (const event of await this.#instance.request('nextEvents', this.#lastEvent, followWaitMs))
          this.#takeEvent(event);
      } catch (error) {
        if (this.#isClosed) return;
        this.#warnOnce(messageOf(error));
        await new Promise((resolve) => setTimeout(resolve, 1000).unref());
      }
    }
  }

  #takeEvent(event: EventRecord): void {
    this.#lastEvent = event.id;
    this.#archive.addEvent(event);
  }

  #restore(state: State | undefined): void {
    if (state === undefined) return;
    try {
      this.#archive.restore(state.unwritten);
      this.#recorder.restore(state.gathered);
      if (state.process === this.#process) this.#lastEvent = state.lastEvent;
      for (const { series } of state.gathered) if (series.kind === 'client') this.#clients.add(series.name);
    } catch (error) {
      // Of another version.
      this.#warn(`History: what was not written yet cannot be read (${messageOf(error)})`);
    }
  }

  #openRecent(): void {
    try {
      makeFolder('runtime.runDirectory', path.dirname(this.#files.recent), 0o700);
      this.#recent = new RecentFile(this.#files.recent, (reason) =>
        this.#warn(`History: ${this.#files.recent} was damaged (${reason}), and is begun anew`),
      );
    } catch (error) {
      this.#warnOnce(`History: ${this.#files.recent} cannot be opened: ${inWords(error)}`);
    }
  }

  /** Without it what is measured stays in memory for two days, and it is tried again. */
  #openArchive(): void {
    try {
      makeFolder('runtime.stateDirectory', path.dirname(this.#files.archive), 0o700);
      const stamp = new Date().toISOString().replaceAll(':', '-');
      const { archive, told } = openArchive(this.#files.archive, this.#settings.history.keep, stamp);
      this.#file = archive;
      this.#archive.file = archive;
      if (told !== '') this.#warn(told);
      for (const { kind, name } of archive.series())
        if (kind === 'client' && this.#clients.size < this.#settings.history.clients) this.#clients.add(name);
      this.#disk.take();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#disk.refuse(inWords(error));
      this.#writeAt = this.#seconds + retryEverySeconds;
    }
  }

  #write(): void {
    try {
      if (!this.#archive.hasUnwritten) return;
      const before = bytesWritten();
      this.#archive.write();
      this.#writtenBytes += bytesWritten() - before;
      if (this.#file !== undefined) this.#disk.take();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#disk.refuse(inWords(error));
    }
  }

  #save(): void {
    const { secondS } = this.#settings.history.keep;
    const seconds = this.#recorder.takeSeconds();
    const state: State = {
      process: this.#process,
      lastEvent: this.#lastEvent,
      gathered: this.#recorder.state(),
      unwritten: this.#archive.unwritten(),
    };
    try {
      if (this.#recent === undefined && this.#seconds % retryEverySeconds === 0) this.#openRecent();
      this.#recent?.write(seconds, state, secondS);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#recorder.giveBack(seconds, 1000);
      this.#warnOnce(`History: ${this.#files.recent} cannot be written: ${inWords(error)}`);
    }
  }

  #tellDisk(reason: string | undefined): void {
    const file = this.#files.archive;
    if (reason === undefined) this.#context.emit({ kind: 'state-file', file, message: 'can be written again' });
    else
      this.#context.emit({
        kind: 'state-file',
        file,
        message: `cannot be written: ${reason}`,
        remedy: 'make room in runtime.stateDirectory; what is measured is kept in memory for two days',
      });
  }

  async #answer<V extends HistoryVerb>(verb: V, params: unknown): Promise<HistoryAnswers[V]> {
    await this.begun;
    if (verb === 'info') return this.#describe() as HistoryAnswers[V];
    // A question about now sees now.
    this.#save();
    this.#recorder.flush();
    const { keep } = this.#settings.history;
    const sources = { archive: this.#archive, recent: this.#recent, keep, nowS: Date.now() / 1000 };
    return answerHistory(sources, params as HistoryQuestion) as HistoryAnswers[V];
  }

  #describe(): HistoryInfo {
    const { keep, clients } = this.#settings.history;
    const series = this.#archive.series();
    const count = (kind: string): number => series.filter((one) => one.kind === kind).length;
    const seconds = (Date.now() - this.#startedAtMs) / 1000;
    return {
      file: this.#files.archive,
      recentFile: this.#files.recent,
      fileBytes: this.#file?.bytes() ?? 0,
      recentBytes: this.#recent?.bytes() ?? 0,
      promisedBytes: mostBytesOf(keep, { link: count('link'), path: count('path'), client: count('client') }),
      mostBytes: mostBytesOf(keep, { link: 16, path: 32, client: clients }),
      writtenBytes: this.#writtenBytes,
      writtenBytesPerDay: seconds < 3600 ? undefined : (this.#writtenBytes * 86_400) / seconds,
      keepS: { second: keep.secondS, minute: keep.minuteS, hour: keep.hourS },
      events: this.#file?.eventCount() ?? 0,
      series,
      trouble: this.#disk.reason,
    };
  }

  #warn(message: string): void {
    this.#context.emit({ kind: 'warning', message });
  }

  #warnOnce(message: string): void {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#warn(message);
  }
}

/** By this thread, ever (proc(5), /proc/PID/io); 0 = the kernel does not say. */
function bytesWritten(): number {
  try {
    return Number(/^wchar: (\d+)$/m.exec(readSmallFile('/proc/thread-self/io', 4096))?.[1] ?? 0);
  } catch (error) {
    if (error instanceof Error) return 0;
    throw error;
  }
}
