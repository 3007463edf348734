/**
 * Settings under /proc/sys that belong to the whole host and that several instances may need: who changes one notes the value that was
 * there and that it needs the new one; who needs it last puts the old one back, also after a SIGKILL (`hawser release`, or the next
 * run). The notes lie in the run directory, which a restart of the host empties as it resets the settings.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { isCode, replaceFile } from '../../base/lasting-files.ts';

export interface HostSetting {
  /** Below /proc/sys, with slashes: `net/ipv4/ip_forward`. */
  readonly key: string;
  readonly value: string;
}

const root = '/proc/sys';

/** As sysctl(8) calls it. */
export function sysctlName(key: string): string {
  return key.replaceAll('/', '.');
}

export function readSetting(key: string): string {
  return readFileSync(path.join(root, key), 'utf8').trim();
}

/** Sets it for `name`, unless it is as wanted already by somebody else's doing. Throws what the kernel says. */
export function holdSetting(runDirectory: string, name: string, { key, value }: HostSetting): void {
  const files = new Notes(runDirectory, key);
  const present = readSetting(key);
  if (present === value) {
    if (files.isHeld) files.add(name);
    return;
  }
  files.begin(present, name);
  writeFileSync(path.join(root, key), value);
}

export interface GiveBackOptions {
  /** Of what `name` holds; all without it. */
  readonly only?: readonly string[];
  /** Why it had better stay as it is: somebody came to need it meanwhile. */
  readonly keeps?: (key: string) => string | undefined;
}

/** Gives back what `name` holds and nobody else does. Returns warnings. */
export function giveBackSettings(runDirectory: string, name: string, options: GiveBackOptions = {}): readonly string[] {
  const held = heldBy(runDirectory, name).filter((key) => options.only?.includes(key) ?? true);
  return held.flatMap((key) => {
    const files = new Notes(runDirectory, key);
    const old = files.end(name);
    if (old === undefined) return [];
    const reason = options.keeps?.(key);
    if (reason !== undefined) return [`${sysctlName(key)} stays ${readOr(key)}, and was ${old}: ${reason}`];
    try {
      writeFileSync(path.join(root, key), old);
    } catch (error) {
      // With its interface a setting has gone.
      if (isCode(error, 'ENOENT')) return [];
      return [`Cannot restore ${sysctlName(key)} to ${old}: ${messageOf(error)}`];
    }
    return [];
  });
}

/** Keys that `name` holds. */
export function heldBy(runDirectory: string, name: string): string[] {
  if (!existsSync(runDirectory)) return [];
  const end = `.${namespace()}.by.${name}`;
  return readdirSync(runDirectory)
    .filter((file) => file.startsWith(prefix) && file.endsWith(end))
    .map((file) => keyOf(file.slice(prefix.length, -end.length)));
}

function readOr(key: string): string {
  try {
    return readSetting(key);
  } catch (error) {
    return messageOf(error);
  }
}

const prefix = 'sysctl.';

/** A value belongs to one network namespace; its inode number names it. */
function namespace(): string {
  return /\d+/.exec(readlinkSync('/proc/self/ns/net'))?.[0] ?? '0';
}

/** An interface's name may hold dots, and no spaces. */
function keyOf(text: string): string {
  return text.replaceAll(' ', '/');
}

/** `sysctl.KEY.NAMESPACE` holds the old value, an empty `….by.NAME` says who needs the new one. */
class Notes {
  readonly #folder: string;
  readonly #file: string;

  constructor(folder: string, key: string) {
    this.#folder = folder;
    this.#file = `${prefix}${key.replaceAll('/', ' ')}.${namespace()}`;
  }

  get isHeld(): boolean {
    return existsSync(path.join(this.#folder, this.#file));
  }

  add(name: string): void {
    writeFileSync(this.#by(name), '', { mode: 0o644 });
  }

  begin(old: string, name: string): void {
    mkdirSync(this.#folder, { recursive: true });
    // What a first holder noted is the value of before; somebody else has changed it since.
    if (!this.isHeld) replaceFile(path.join(this.#folder, this.#file), `${old}\n`, 0o644);
    this.add(name);
  }

  /** The value of before, when nobody needs another any more. */
  end(name: string): string | undefined {
    rmSync(this.#by(name), { force: true });
    const file = path.join(this.#folder, this.#file);
    if (readdirSync(this.#folder).some((one) => one.startsWith(`${this.#file}.by.`))) return undefined;
    if (!existsSync(file)) return undefined;
    const old = readFileSync(file, 'utf8').trim();
    rmSync(file);
    return old;
  }

  #by(name: string): string {
    return path.join(this.#folder, `${this.#file}.by.${name}`);
  }
}
