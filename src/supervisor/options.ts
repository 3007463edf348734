/** What the supervisor can be told, and what it asks of the process around it. */
import type { MessagePort } from 'node:worker_threads';
import type { MovePortRequest, Role } from '../actors/kit/contract.ts';
import type { ModuleUrls } from '../actors/kit/messages.ts';
import type { Intensity } from './restart-window.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface SupervisorOptions {
  /** More restarts of one child than this end the process. */
  readonly intensity: Intensity;
  /** A start that takes longer has failed. */
  readonly startLimitMs: number;
  /** A thread that was cut and does not exit within this ends the process at once. */
  readonly terminateLimitMs: number;
  readonly tickMs: number;
  /** A tick that comes this late says that the whole process was paused. */
  readonly lateTickMs: number;
  /** Failed starts in a row after which a child is given up. */
  readonly failedStartLimit: number;
  /** A child that no packet needs and that ends sooner has failed to start. */
  readonly besideSteadyMs: number;
  /** Between two tries of a child that no packet needs, when it was given up. */
  readonly besideRetryMs: number;
  /** How long after the start the first warm spare is begun. */
  readonly firstSpareMs: number;
  /** Modules of roles that the registry does not know (tests). */
  readonly modules: ModuleUrls;
}

export const supervisorDefaults: SupervisorOptions = {
  intensity: { count: 20, periodMs: 10_000 },
  startLimitMs: 20_000,
  terminateLimitMs: 2000,
  tickMs: 50,
  lateTickMs: 250,
  failedStartLimit: 6,
  besideSteadyMs: 10_000,
  besideRetryMs: 60_000,
  firstSpareMs: 500,
  modules: {},
};

export interface SupervisorHooks {
  log(level: LogLevel, fields: Readonly<Record<string, unknown>>, message: string): void;
  /** The process must end: in order if `orderly`, otherwise at once (a thread that cannot be ended may still write). */
  onFatal(reason: string, orderly: boolean): void;
  /** An actor cannot be kept that no packet needs; it is tried again later. */
  onGivenUp(actorId: string): void;
  /** A thread has ended by itself, or was cut; the states of its actors say what comes of it. */
  onEnded(): void;
  /** An actor runs that did not before: for the first time, or in another thread. */
  onStarted(actorId: string): void;
  /** By an actor's word: a carrier shall send by another port. */
  onMovePort(request: MovePortRequest): void;
  /** Serves the supervisor's RPC on this port, to an actor of one of `servedRoles`. */
  serve(port: MessagePort): void;
  readonly servedRoles: readonly Role[];
}
