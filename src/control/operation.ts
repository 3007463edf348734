/** What an operation is: an entry of the table in `operations.ts`. */
import type * as z from 'zod';
import type { Calls } from '../base/calls.ts';
import type { Choice } from './crowd.ts';
import type { NatView } from './nat-rows.ts';
import type { Caller } from './roles.ts';
import type { Snapshot } from './snapshot.ts';
import type { SupervisorApi } from './supervisor-api.ts';

export interface OperationContext {
  readonly supervisor: Calls<SupervisorApi>;
  /** Without a choice all rows. */
  snapshot(choice?: Choice): Promise<Snapshot>;
  /** undefined = addresses of clients are not translated. */
  nat(): Promise<NatView | undefined>;
}

export interface Operation<Schema extends z.ZodType, Result> {
  /**
   * `follows`: what `run` resolves to is one part of an answer that goes on; it is asked again with the number of the last event. `judges`:
   * it changes nothing, and what it is asked about is longer than an address may be.
   */
  readonly effect: 'reads' | 'follows' | 'judges' | 'changes';
  /** The least that may call it. */
  readonly who: Caller;
  readonly params: Schema;
  /**
   * What there is of it has revisions. `told`: the answer says which one in `revision`; `wanted`: who changes it says which one he has seen,
   * by HTTP he must.
   */
  readonly revision?: 'told' | 'wanted' | undefined;
  /** Most bytes of parameters; undefined = as of any other. */
  readonly mostBytes?: number | undefined;
  /** Rejects with a HawserError, or with what the supervisor says. */
  run(context: OperationContext, params: z.output<Schema>, caller: Caller): Promise<Result>;
}

type More = Pick<Operation<z.ZodType, unknown>, 'revision' | 'mostBytes'>;

export function operation<Schema extends z.ZodType, Result>(
  effect: Operation<Schema, Result>['effect'],
  who: Caller,
  params: Schema,
  run: Operation<Schema, Result>['run'],
  more: More = {},
): Operation<Schema, Result> {
  return { effect, who, params, run, ...more };
}
