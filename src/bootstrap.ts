/**
 * main() of a running instance. Threads take longest to start, so they are begun first, with nothing loaded but what they need;
 * meanwhile this thread loads the rest of the program and reads the configuration.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Role } from './actors/kit/contract.ts';
import { HawserError } from './base/errors.ts';
import { formatKey } from './config/keys.ts';
import { recallConfig, type StartConfig } from './config/recall.ts';
import * as contract from './contract/all.ts';
import { makeAllPatient } from './io/thread-slices.ts';
import { assertLayout, loadAddon } from './native/addon.ts';
import { WorkerPool } from './supervisor/worker-pool.ts';
import { choosePlacement, groupRoles } from './topology/placement.ts';

/** What packets need under every configuration; in threads as this host's processors suggest. The control-server is started when these run. */
const commonRoles: readonly Role[] = ['session-manager', 'wan-link', 'sealer', 'opener', 'tun-reader', 'tun-writer'];

const pauseMs = 2000;

/** Runs the instance of `configPath` until it is told to stop; resolves to the exit code. Throws when it cannot start. */
export async function runInstance(configPath: string): Promise<number> {
  // Node writes its warnings to stderr as they come; the instance takes them into its log.
  process.removeAllListeners('warning');
  const addon = loadAddon();
  assertLayout(addon, contract);
  makeAllPatient(addon);
  const pool = new WorkerPool(addon, {});
  const { kind } = choosePlacement('auto', availableParallelism());
  for (const roles of groupRoles(kind, commonRoles)) pool.prepare(roles);
  try {
    const [{ Instance }, start] = await Promise.all([import('./instance.ts'), loadStart(configPath)]);
    const instance = new Instance(configPath, start, addon, pool);
    await instance.run();
    return await instance.ended;
  } catch (error) {
    await pauseBeforeRestart(error);
    throw error;
  } finally {
    await pool.close();
  }
}

/**
 * A port that is taken, a device that is not there yet: the service manager starts us again 100 ms after the end, for ever, and a
 * start costs half a second of CPU time. A wrong configuration is not tried again (packaging/hawser@.service).
 */
async function pauseBeforeRestart(error: unknown): Promise<void> {
  const isFinal = error instanceof HawserError && error.code === 'CONFIG';
  if (process.env.NOTIFY_SOCKET === undefined || isFinal) return;
  // A stop meanwhile ends the process as it ends any other.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.removeAllListeners(signal);
  await sleep(pauseMs);
}

/** What an earlier run of the same file has left in memory, or the file itself, whose parser is loaded only then. */
async function loadStart(configPath: string): Promise<StartConfig> {
  const recalled = recallConfig(configPath);
  if (recalled !== undefined) return recalled;
  const { loadConfigWithKeys } = await import('./config/load-keys.ts');
  const { config, privateKey, publicKey } = loadConfigWithKeys(configPath);
  privateKey.fill(0);
  return { config, publicKey: formatKey(publicKey), isRecalled: false };
}
