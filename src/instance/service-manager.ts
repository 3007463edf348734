/** What systemd is told (sd_notify(3)): ready, reloading, stopping, and the watchdog's ping while the main thread turns. */
import type { ActorRow } from '../control/supervisor-api.ts';
import type { NetworkApi } from '../native/network-api.ts';

/** Says which actors of a ready instance do not run; `io/update/services.ts` reads it in whatever version it is. */
export function describeUp(name: string, actors: readonly Pick<ActorRow, 'id' | 'state'>[]): string {
  const named = (word: string, ...states: readonly ActorRow['state'][]): string => {
    const ids = actors.flatMap(({ id, state }) => (states.includes(state) ? [id] : []));
    return ids.length === 0 ? '' : `; ${word}: ${ids.join(', ')}`;
  };
  return `${name} is up${named('starting', 'starting', 'restarting')}${named('failed', 'failed')}`;
}

export class ServiceManager {
  readonly #addon: Pick<NetworkApi, 'sdNotify'>;
  readonly #socketPath: string | undefined;
  readonly #watchdogUs: number;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(addon: Pick<NetworkApi, 'sdNotify'>, env: NodeJS.ProcessEnv) {
    this.#addon = addon;
    this.#socketPath = env.NOTIFY_SOCKET;
    const isOurs = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === process.pid;
    this.#watchdogUs = isOurs ? Number(env.WATCHDOG_USEC ?? 0) : 0;
  }

  ready(status: string): void {
    this.#notify(`READY=1\nSTATUS=${status}`);
    // sd_watchdog_enabled(3) recommends half the interval.
    if (this.#watchdogUs > 0) this.#watchdog ??= setInterval(() => this.#notify('WATCHDOG=1'), this.#watchdogUs / 2000);
  }

  /** What it does now, for people and for `hawser update`. */
  status(status: string): void {
    this.#notify(`STATUS=${status}`);
  }

  /** `Type=notify-reload` wants the monotonic time of the reload with it. */
  reloading(): void {
    this.#notify(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  stopping(status: string): void {
    clearInterval(this.#watchdog);
    this.#notify(`STOPPING=1\nSTATUS=${status}`);
  }

  #notify(message: string): void {
    if (this.#socketPath !== undefined && this.#socketPath !== '') this.#addon.sdNotify(this.#socketPath, message);
  }
}
