/** What an operator may do with a peer while it runs. */
import type { ForgetClockCommand, RekeyCommand } from '../actors/session/settings.ts';
import { HawserError } from '../base/errors.ts';
import type { PeerDirectory } from './peer-directory.ts';
import type { Supervisor } from './supervisor.ts';

/** Nobody reads the names of thousands. */
const mostNamed = 50;

export class PeerOperator {
  readonly #supervisor: Pick<Supervisor, 'command' | 'note'>;
  readonly #peers: Pick<PeerDirectory, 'find' | 'all'>;

  constructor(supervisor: Pick<Supervisor, 'command' | 'note'>, peers: Pick<PeerDirectory, 'find' | 'all'>) {
    this.#supervisor = supervisor;
    this.#peers = peers;
  }

  /** Its next handshake is taken whatever its clock shows. Throws NO_SUCH_PEER. */
  forgetClock(name: string): void {
    const command: ForgetClockCommand = { kind: 'forget-clock', peer: this.#nameOf(name) };
    this.#supervisor.command('session-manager', command);
    this.#supervisor.note('supervisor', { kind: 'clock-forgotten', peer: name });
  }

  /** Begins a handshake. Throws NO_SUCH_PEER. */
  rekey(name: string): void {
    const command: RekeyCommand = { kind: 'rekey', peer: this.#nameOf(name) };
    this.#supervisor.command('session-manager', command);
    this.#supervisor.note('supervisor', { kind: 'rekey', peer: name });
  }

  #nameOf(name: string): string {
    if (this.#peers.find(name) !== undefined) return name;
    const known = [...this.#peers.all()].filter(({ peer }) => peer.mayEnrol !== true).map(({ peer }) => peer.name);
    const more = known.length > mostNamed ? `, and ${known.length - mostNamed} more` : '';
    const remedy = `there are: ${known.slice(0, mostNamed).join(', ')}${more}`;
    throw new HawserError('NO_SUCH_PEER', `There is no peer "${name}"`, remedy);
  }
}
