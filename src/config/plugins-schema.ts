/** `plugins`: programs of the operator's that are asked and told, each in a process of its own. */
import path from 'node:path';
import * as z from 'zod';
import { text, when } from './leaves.ts';
import { isName, nameWords } from './names.ts';
import { mayHoldKey } from './show.ts';
import { parseSizeBytes } from './units.ts';

export interface PluginConfig {
  readonly name: string;
  /** Absolute. */
  readonly file: string;
  /** Handed to it as it stands in the file. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** What it may use beside what Node itself needs. */
  readonly memoryBytes: number;
  /** Of one processor, over half a minute. */
  readonly processorPercent: number;
}

/** More are refused: each is a process of some 40 MB. */
const mostPlugins = 16;
const mostSettingsBytes = 16_384;
const memoryLimits = { least: 32 << 20, most: 2048 * 2 ** 20 } as const;

const isModule = (input: string): boolean =>
  /^\/.*\.mjs$/.test(input) && !input.includes('\0') && !mayHoldKey(input) && input.length <= 4096;

function parseMemory(input: string): number | undefined {
  const bytes = parseSizeBytes(input);
  return bytes === undefined || bytes < memoryLimits.least || bytes > memoryLimits.most ? undefined : bytes;
}

const file = text(when(isModule), {
  title: 'an absolute path of a module (.mjs)',
  examples: ['/usr/local/lib/hawser/chat.mjs'],
});

export const pluginName = text(when(isName), { ...nameWords, examples: ['chat'] });

const full = z.strictObject({
  file,
  name: pluginName.optional().describe('Without it the base name of the file.'),
  settings: z
    .record(z.string(), z.unknown())
    .refine((value) => Buffer.byteLength(JSON.stringify(value)) <= mostSettingsBytes, {
      error: `is longer than ${mostSettingsBytes} bytes`,
    })
    .default({})
    .describe('Handed to the plugin as it stands here.'),
  memory: text(parseMemory, { title: 'a size of 32MiB to 2048MiB', examples: ['64MiB', '256MiB'] })
    .prefault('64MiB')
    .describe('What it may use beside what Node itself needs.'),
  processor: z
    .int()
    .min(1)
    .max(400)
    .default(50)
    .describe('Per cent of one processor that it may use, over half a minute.'),
});

export const pluginsSchema = z.array(z.union([file, full])).max(mostPlugins);

const usual = { settings: {}, memoryBytes: 64 << 20, processorPercent: 50 } as const;

export function buildPlugins(input: z.output<typeof pluginsSchema>): PluginConfig[] {
  return input.map((one) => {
    if (typeof one === 'string') return { ...usual, name: nameOfModule(one), file: one };
    const { name, settings, memory, processor } = one;
    return {
      name: name ?? nameOfModule(one.file),
      file: one.file,
      settings,
      memoryBytes: memory,
      processorPercent: processor,
    };
  });
}

export function nameOfModule(modulePath: string): string {
  return path.basename(modulePath, '.mjs');
}
