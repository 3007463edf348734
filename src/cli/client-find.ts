/** `hawser client list --match … --order …`: some of thousands of clients. */
import { clientOrders, type FoundClients } from '../control/client-calls.ts';
import type { ParamsOf } from '../control/operations.ts';
import { clientLines } from './client-lines.ts';
import { usageError } from './exit.ts';

export interface FindOptions {
  readonly match?: string;
  readonly order?: string;
  readonly most?: string;
}

/** Of `client.find`; undefined = nothing of it was asked for. */
export function findOfOptions({ match, order, most }: FindOptions): ParamsOf<'client.find'> | undefined {
  if (match === undefined && order === undefined && most === undefined) return undefined;
  const known = clientOrders.find((one) => one === order);
  if (order !== undefined && known === undefined)
    throw usageError(`--order is "${order}"`, `one of ${clientOrders.join(', ')}`);
  const count = most === undefined ? undefined : Number(most);
  if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= 500))
    throw usageError(`--most is "${most}"`, '1 to 500');
  return {
    ...(match === undefined ? {} : { match }),
    ...(known === undefined ? {} : { order: known }),
    ...(count === undefined ? {} : { most: count }),
  };
}

export function foundLines({ total, found, clients }: FoundClients): string[] {
  if (clients.length === 0) return [`None of ${total} clients is meant.`];
  const left = found - clients.length;
  return [...clientLines(clients), ...(left > 0 ? [`… ${left} more (--most shows up to 500)`] : [])];
}
