/** The services of systemd that run hawser: which there are, and whether one has come back after a restart. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** One that is ready and ends soon after was not. */
const steadyMs = 3000;
const lookMs = 100;
/** A first start that fails may be a port that the old process held for a moment; more of them are no accident. */
const mostRestarts = 1;

function systemctl(...args: readonly string[]): { readonly isGood: boolean; readonly text: string } {
  const { status, stdout, stderr, error } = spawnSync('systemctl', args, { encoding: 'utf8', timeout: 20_000 });
  return { isGood: error === undefined && status === 0, text: status === 0 ? stdout : `${stderr ?? ''}` };
}

/** `hawser@home.service`, …: those that run or try to. Empty where there is no systemd. */
export function runningServices(): readonly string[] {
  const states = '--state=active,activating,reloading';
  const { isGood, text } = systemctl(
    'list-units',
    '--type=service',
    states,
    '--plain',
    '--no-legend',
    '--no-pager',
    'hawser@*.service',
  );
  if (!isGood) return [];
  return text.split('\n').flatMap((line) => line.trim().split(/\s+/)[0] || []);
}

/** Name of its configuration, as `%i` of the unit. */
export const configNameOf = (service: string): string => service.replace(/^hawser@/, '').replace(/\.service$/, '');

/** Actors that a service says it runs without. */
export const lackingIn = (service: string): readonly string[] => namedIn(stateOf(service).status, 'failed');

/** Of a service's STATUS= (`describeUp` of instance/service-manager.ts). */
function namedIn(status: string, word: 'starting' | 'failed'): readonly string[] {
  const [, names] = new RegExp(`; ${word}: ([^;]*)`).exec(status) ?? [];
  return names === undefined ? [] : names.trim().split(', ');
}

/**
 * undefined = it is ready and stays so; otherwise why it is not. Waits `readyMs` at most until it is ready; not for the actors in `lacking`, which
 * did not run before either.
 */
export async function restartService(
  service: string,
  readyMs: number,
  lacking: readonly string[],
): Promise<string | undefined> {
  let countedFrom = stateOf(service).restarts;
  // Without waiting: systemctl would wait for a start that never ends.
  const asked = systemctl('restart', '--no-block', service);
  if (!asked.isGood) return asked.text.trim();
  const deadlineMs = performance.now() + readyMs;
  let readySinceMs: number | undefined;
  for (;;) {
    await sleep(lookMs);
    const state = stateOf(service);
    const nowMs = performance.now();
    // systemd counts on over some restarts by hand, and from 0 over others.
    countedFrom = Math.min(countedFrom, state.restarts);
    const ends = state.restarts - countedFrom;
    if (ends > mostRestarts) return `it ended ${ends} times while it started`;
    if (state.active === 'failed') return `it failed (${state.result})`;
    const isUp = state.active === 'active' && state.job === '';
    // Before that it may be the word of the one that ended.
    const [failed, starting] = (['failed', 'starting'] as const).map((word) =>
      isUp ? namedIn(state.status, word).filter((id) => !lacking.includes(id)) : [],
    ) as [string[], string[]];
    if (failed.length > 0) return `it runs without ${failed.join(', ')}`;
    if (isUp && starting.length === 0) {
      readySinceMs ??= nowMs;
      if (nowMs - readySinceMs >= Math.min(steadyMs, readyMs)) return undefined;
    } else {
      if (readySinceMs !== undefined && ends > 0) return 'it ended soon after it was ready';
      readySinceMs = undefined;
      if (nowMs > deadlineMs) return `it is not ready after ${readyMs / 1000} s`;
    }
  }
}

interface ServiceState {
  readonly active: string;
  /** What it says itself (`describeUp` of instance/service-manager.ts): a version is whole when all its actors run. */
  readonly status: string;
  readonly result: string;
  /** Starts that systemd made by itself. */
  readonly restarts: number;
  /** Of a restart that is still under way. */
  readonly job: string;
}

function stateOf(service: string): ServiceState {
  const { text } = systemctl('show', '--property=ActiveState,StatusText,Result,NRestarts,Job', service);
  const values = new Map(text.split('\n').map((line) => line.split('=', 2) as [string, string | undefined]));
  const job = values.get('Job') ?? '';
  return {
    active: values.get('ActiveState') ?? '',
    status: values.get('StatusText') ?? '',
    result: values.get('Result') ?? '',
    restarts: Number(values.get('NRestarts') ?? 0),
    job: job === '0' ? '' : job,
  };
}
