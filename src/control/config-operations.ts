/** Operations about the configuration of an instance: a part of the table in `operations.ts`. */
import {
  type ConfigApplied,
  type ConfigCheck,
  type ConfigDiff,
  type ConfigText,
  configParams,
} from './config-calls.ts';
import { operation } from './operation.ts';
import { maxRequestBytes } from './protocol.ts';

/** A text of the greatest length as JSON. */
const mostTextBytes = maxRequestBytes;

/** It brings the parser of configurations, which the CLI has to do without. */
const configDesk = () => import('./config-desk.ts');

export const configOperations = {
  /** Its file, for who may change it, without secrets. */
  'config.read': operation(
    'reads',
    'admin',
    configParams.read,
    async ({ supervisor }): Promise<ConfigText> => await (await configDesk()).readConfig(supervisor),
    { revision: 'told' },
  ),
  'config.schema': operation(
    'reads',
    'admin',
    configParams.schema,
    async (): Promise<object> => (await configDesk()).readSchema(),
  ),
  'config.check': operation(
    'judges',
    'admin',
    configParams.check,
    async ({ supervisor }, { text }, caller): Promise<ConfigCheck> =>
      await (await configDesk()).checkConfig(supervisor, text, caller),
    { mostBytes: mostTextBytes },
  ),
  'config.diff': operation(
    'judges',
    'admin',
    configParams.diff,
    async ({ supervisor }, { text }, caller): Promise<ConfigDiff> =>
      await (await configDesk()).diffConfig(supervisor, text, caller),
    { mostBytes: mostTextBytes },
  ),
  /** Runs at once, and is in the file when it was confirmed. */
  'config.apply': operation(
    'changes',
    'admin',
    configParams.apply,
    async ({ supervisor }, params, caller): Promise<ConfigApplied> =>
      await (await configDesk()).applyConfig(supervisor, params, caller),
    { revision: 'wanted', mostBytes: mostTextBytes },
  ),
  'config.confirm': operation(
    'changes',
    'admin',
    configParams.confirm,
    ({ supervisor }, { revision }) => supervisor.request('confirmConfig', revision),
    { revision: 'wanted' },
  ),
  'config.revert': operation(
    'changes',
    'admin',
    configParams.revert,
    ({ supervisor }, { revision }) => supervisor.request('revertConfig', revision),
    { revision: 'wanted' },
  ),
} as const;
