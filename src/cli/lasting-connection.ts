/** A connection that outlives the control-server at its other end: the commands that watch go on when it was restarted. */
import { setTimeout as sleep } from 'node:timers/promises';
import { HawserError } from '../base/errors.ts';
import { ControlConnection, type InstanceChoice } from './control-client.ts';

/** A control-server is back within a second, an instance that is restarted within some. */
const patienceMs = 10_000;
const retryMs = 200;
/** Codes of `control-client.ts` that another try may mend. */
const passing: readonly string[] = ['CLOSED', 'NOT_RUNNING', 'CONTROL', 'RPC_CLOSED', 'RPC_DEADLINE'];

/**
 * Calls `use` with a connection, and again with another each time it was lost, until `use` resolves. Rejects when `use` failed for
 * another reason, when the first connection did, and when none could be had again for 10 s or until `signal`.
 */
export async function overConnections<T>(
  choice: InstanceChoice,
  use: (connection: ControlConnection) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  let connection = await ControlConnection.open(choice);
  for (;;) {
    const { name } = connection;
    const used = await use(connection).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    connection.close();
    if ('value' in used) return used.value;
    connection = await reopen({ ...choice, name }, used.error, signal);
  }
}

async function reopen(choice: InstanceChoice, lost: unknown, signal?: AbortSignal): Promise<ControlConnection> {
  const untilMs = performance.now() + patienceMs;
  let last = lost;
  while (isPassing(last) && performance.now() < untilMs && signal?.aborted !== true) {
    await sleep(retryMs);
    try {
      return await ControlConnection.open(choice);
    } catch (error) {
      last = error;
    }
  }
  throw lost;
}

function isPassing(error: unknown): boolean {
  return error instanceof HawserError && passing.includes(error.code);
}
