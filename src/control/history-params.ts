/** Parameters of questions about the history. */
import * as z from 'zod';
import { historyKinds } from './history.ts';

const unixS = z.number().int().nonnegative();

export const historyParams = {
  /** `from`, `to`: seconds since 1970; without them the last day. `step`: seconds between two rows; without it what suits the span. */
  read: z.strictObject({
    kind: z.enum(historyKinds).default('link'),
    name: z.string().max(256),
    from: unixS.exactOptional(),
    to: unixS.exactOptional(),
    step: z.number().int().positive().exactOptional(),
  }),
  info: z.strictObject({}),
};
