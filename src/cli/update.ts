/** `hawser update`: newer versions from an index that the operator names, signed by a key that the operator knows. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { Argument, type Command } from 'commander';
import { HawserError, messageOf } from '../base/errors.ts';
import { packageRoot } from '../base/package-info.ts';
import { loadConfig } from '../config/parse.ts';
import { parseDurationMs } from '../config/units.ts';
import { lockInstance } from '../instance/instance-lock.ts';
import { applyOffer, findOffer, type Offer, type UpdateSource } from '../io/update/apply.ts';
import { findInstallation, type Installation, sweep } from '../io/update/versions.ts';
import { usageError } from './exit.ts';

interface UpdateOptions {
  readonly config?: string;
  readonly installation?: string;
  readonly ready: string;
  readonly idle: string;
  readonly again?: true;
  readonly json?: true;
}

const configFolder = '/etc/hawser';
const verbs = ['check', 'apply'] as const;

export function addUpdateCommand(program: Command): void {
  program
    .command('update')
    .description('look for a newer version in the signed index that a configuration names (`update`), or install it')
    .addArgument(new Argument('<verb>', 'what to do').choices(verbs))
    .option('--config <file>', `the configuration that has \`update\` (default: those in ${configFolder})`)
    .option('--installation <folder>', 'the folder with the versions (default: where this program lies)')
    .option('--ready <duration>', 'apply: how long a service may take until it is ready', '30s')
    .option('--idle <duration>', 'how long the server may be silent', '30s')
    .option('--again', 'apply: also a version that did not get ready here before')
    .option('--json', 'print JSON instead of text')
    .addHelpText(
      'after',
      `
Examples:
  hawser update check
  hawser update apply

\`apply\` checks signature, size and digest of what it gets, tries the new version, and touches nothing before. Then it restarts the services
one after another; when one does not get ready, all go back to the old version.
`,
    )
    .action(runUpdate);
}

async function runUpdate(verb: (typeof verbs)[number], options: UpdateOptions): Promise<void> {
  const [readyMs, idleMs] = [durationOf('--ready', options.ready), durationOf('--idle', options.idle)];
  const source = findSource(options.config);
  const installation = findInstallation(packageRoot(), options.installation);
  if (verb === 'check') {
    print(options, installation, await findOffer(source, installation.version, idleMs));
    return;
  }
  // A terminal that goes away, perhaps with the tunnel, ends no update half-way; neither does who reads its words.
  process.on('SIGHUP', () => undefined);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const lock = lockUpdates(installation.folder);
  try {
    const offer = await findOffer(source, installation.version, idleMs);
    if (offer.file === undefined) {
      print(options, installation, offer);
      return;
    }
    const tell = (line: string): void => void (options.json === true ? undefined : process.stdout.write(`${line}\n`));
    const folder = options.config === undefined ? configFolder : path.dirname(path.resolve(options.config));
    const again = options.again === true;
    const all = { installation, source, offer, configFolder: folder, readyMs, idleMs, again, tell };
    const services = await applyOffer(all, offer.file);
    if (options.json === true) print(options, installation, offer, services);
    else process.stdout.write(`hawser ${offer.index.version} is installed; ${describeServices(services)}\n`);
  } finally {
    sweep(installation.folder);
    lock.release();
  }
}

function describeServices(services: Readonly<Record<string, number>>): string {
  const names = Object.keys(services);
  if (names.length > 0) return `${names.join(', ')} restarted`;
  return 'no service of systemd runs it: what else does has to be restarted';
}

function durationOf(option: string, input: string): number {
  const valueMs = parseDurationMs(input);
  if (valueMs === undefined || valueMs < 1) throw usageError(`${option} is no duration: ${input}`, 'such as 30s');
  return valueMs;
}

function lockUpdates(folder: string): { release(): void } {
  try {
    return lockInstance(folder, '.update');
  } catch (error) {
    if (!(error instanceof HawserError) || error.code !== 'LOCKED') throw error;
    throw new HawserError('LOCKED', 'Another `hawser update apply` is at work here', 'wait for it');
  }
}

/** What `update` of the configurations says, which may be one thing only. */
function findSource(given: string | undefined): UpdateSource {
  const sources = new Map<string, UpdateSource>();
  for (const file of given === undefined ? configFiles() : [given]) {
    const source = sourceOf(file, given !== undefined);
    if (source !== undefined) sources.set(`${source.index} ${source.key}`, source);
  }
  const [only] = sources.values();
  if (only === undefined) {
    const message = `No update was set up: ${given ?? `no configuration in ${configFolder}`} has \`update\``;
    throw usageError(message, 'update: { index: "https://…", key: "…" }; docs/operating/updating.md');
  }
  if (sources.size > 1)
    throw usageError(`The configurations in ${configFolder} name several indexes`, 'choose one with --config');
  return only;
}

function configFiles(): string[] {
  if (!existsSync(configFolder)) return [];
  return readdirSync(configFolder)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => path.join(configFolder, name));
}

function sourceOf(file: string, isGiven: boolean): UpdateSource | undefined {
  try {
    const { update, runtime } = loadConfig(file);
    return update === undefined ? undefined : { ...update, stateDirectory: runtime.stateDirectory };
  } catch (error) {
    if (isGiven) throw error;
    // Another instance's file must not keep this host from a version that may mend it.
    process.stderr.write(`hawser: ${file} is passed over: ${messageOf(error).split('\n')[0]}\n`);
    return undefined;
  }
}

function print(options: UpdateOptions, { version }: Installation, { index, file }: Offer, services?: object): void {
  const date = new Date(index.date).toISOString();
  const expires = new Date(index.expires).toISOString();
  if (options.json === true) {
    const facts = {
      installed: version,
      offered: index.version,
      isNewer: file !== undefined,
      serial: index.serial,
      date,
      expires,
    };
    process.stdout.write(`${JSON.stringify(services === undefined ? facts : { ...facts, services }, undefined, 2)}\n`);
  } else if (file === undefined) {
    process.stdout.write(`hawser ${version} is the newest (index ${index.serial} offers ${index.version})\n`);
  } else {
    const size = (file.size / 1e6).toFixed(1);
    process.stdout.write(
      `hawser ${index.version} of ${date.slice(0, 10)} is there (${size} MB), ${version} is installed: hawser update apply\n`,
    );
  }
}
