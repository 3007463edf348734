/** Whether the modules of `plugins` can be run: they are, by a user who owns nothing, and nobody but root may put others in their place. */
import { statSync } from 'node:fs';
import path from 'node:path';
import { inWords } from '../base/lasting-files.ts';
import type { PluginConfig } from './plugins-schema.ts';

/** What is wrong, by the place of the plugin. */
export function pluginFileFaults(plugins: readonly PluginConfig[]): ReadonlyMap<number, string> {
  const faults = new Map<number, string>();
  for (const [index, { file }] of plugins.entries()) {
    const fault = faultOf(file);
    if (fault !== undefined) faults.set(index, fault);
  }
  return faults;
}

function faultOf(file: string): string | undefined {
  try {
    const facts = statSync(file);
    if (!facts.isFile()) return `Plugin ${file} is no file`;
    if ((facts.mode & 0o022) !== 0) return `Plugin ${file} can be changed by others: chmod go-w '${file}'`;
    if ((facts.mode & 0o004) === 0)
      return `Plugin ${file} runs as a user of its own, who cannot read it: chmod o+r '${file}'`;
    return closedFolder(file);
  } catch (error) {
    return `Cannot read plugin ${file}: ${inWords(error)}`;
  }
}

function closedFolder(file: string): string | undefined {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const { mode } = statSync(folder);
    if ((mode & 0o001) === 0)
      return `Plugin ${file} runs as a user of its own, who cannot enter ${folder}: put it elsewhere (/usr/local/lib/hawser), or chmod o+x '${folder}'`;
    // Where everybody may write, others keep the files of their owner only by the sticky bit.
    if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0)
      return `Plugin ${file} can be replaced by others, who may write to ${folder}: chmod go-w '${folder}'`;
    if (folder === path.dirname(folder)) return undefined;
  }
}
