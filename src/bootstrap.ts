/**
 * main() of a running instance. Threads take longest to start, so they are begun first, with nothing loaded but what they need;
 * meanwhile this thread loads the rest of the program and reads the configuration.
 */
import type { Role } from './actors/kit/contract.ts';
import { formatKey } from './config/keys.ts';
import { recallConfig, type StartConfig } from './config/recall.ts';
import { assertLayout, loadAddon } from './native/addon.ts';
import * as layout from './rings/layout.ts';
import { WorkerPool } from './supervisor/worker-pool.ts';

/** What packets need under every configuration. The control-server is started when these run. */
const commonRoles: readonly Role[] = ['session-manager', 'wan-link', 'sealer', 'opener', 'tun-reader', 'tun-writer'];

/** Runs the instance of `configPath` until it is told to stop; resolves to the exit code. Throws when it cannot start. */
export async function runInstance(configPath: string): Promise<number> {
  const addon = loadAddon();
  assertLayout(addon, layout);
  const pool = new WorkerPool(addon, {});
  for (const role of commonRoles) pool.prepare([role]);
  try {
    const [{ Instance }, start] = await Promise.all([import('./instance.ts'), loadStart(configPath)]);
    const instance = new Instance(configPath, start, addon, pool);
    await instance.run();
    return await instance.ended;
  } finally {
    await pool.close();
  }
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
