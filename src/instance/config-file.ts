/**
 * The configuration's file, which is its operator's: another text takes its place whole or not at all, under the same mode and owner. Until
 * then it lies beside it (`home.yaml.trial`); what was not kept stays there too (`home.yaml.taken-back`), so that nobody's work is lost.
 */
import {
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { HawserError } from '../base/errors.ts';
import { inWords, isCode, makeDurable } from '../base/lasting-files.ts';

export class ConfigFile {
  readonly #path: string;

  constructor(file: string) {
    this.#path = path.resolve(file);
  }

  /** Where it is itself: a link that leads to it stays what it is. */
  get #file(): string {
    return existsSync(this.#path) ? realpathSync(this.#path) : this.#path;
  }

  get #draft(): string {
    return `${this.#file}.trial`;
  }

  /** Throws what the kernel says. */
  read(): string {
    return readFileSync(this.#file, 'utf8');
  }

  /**
   * Lays `text` beside the file, on the disk, as it will be there: whatever may hinder that shows now. Throws CONFIG_FILE with what to do.
   */
  propose(text: string): void {
    const { mode, uid, gid } = statSync(this.#file);
    if (isMountPoint(this.#file)) {
      const remedy = 'mount the folder that it is in, or edit it where it comes from and use `hawser reload`';
      throw new HawserError('CONFIG_FILE', `${this.#file} is a mount of its own and cannot be replaced`, remedy);
    }
    try {
      // A link that lies there is removed, and not followed; one that appears meanwhile is refused by `wx`.
      rmSync(this.#draft, { force: true });
      const fd = openSync(this.#draft, 'wx', 0o600);
      try {
        writeFileSync(fd, text);
        fchownSync(fd, uid, gid);
        fchmodSync(fd, mode & 0o7777);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      rmSync(this.#draft, { force: true });
      throw new HawserError('CONFIG_FILE', `Cannot write beside ${this.#file}: ${inWords(error)}`, remedyFor(error));
    }
  }

  /** The proposal is the file from now on, also after a loss of power. Throws CONFIG_FILE. */
  accept(): void {
    try {
      renameSync(this.#draft, this.#file);
    } catch (error) {
      throw new HawserError('CONFIG_FILE', `Cannot replace ${this.#file}: ${inWords(error)}`, remedyFor(error));
    }
    makeDurable(path.dirname(this.#file));
  }

  /** Whether there was a proposal; it is kept as `….taken-back` where that can be written. Never throws. */
  withdraw(): boolean {
    if (!existsSync(this.#draft)) return false;
    try {
      renameSync(this.#draft, `${this.#file}.taken-back`);
    } catch (error) {
      // On a disk that takes no writes it lies where it is: no start reads it.
      if (!(error instanceof Error)) throw error;
    }
    return true;
  }
}

/** proc_pid_mountinfo(5): the fifth field, with spaces and the like as `\040`. */
function isMountPoint(file: string): boolean {
  try {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    const places = lines.map((line) => line.split(' ')[4] ?? '');
    return places.some(
      (one) => one.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))) === file,
    );
  } catch (error) {
    // No /proc: the kernel refuses later.
    if (error instanceof Error) return false;
    throw error;
  }
}

function remedyFor(error: unknown): string {
  if (isCode(error, 'EROFS'))
    return 'under systemd, add ReadWritePaths=/etc/hawser to the unit (systemctl edit), or edit the file and use `hawser reload`';
  if (isCode(error, 'EPERM') || isCode(error, 'EACCES'))
    return 'the daemon cannot keep its owner and mode: chown root it, or edit it by hand and use `hawser reload`';
  return 'make room there, or edit the file by hand and use `hawser reload`';
}
