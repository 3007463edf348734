/** What an operator may do with a peer while it runs. */
import type { Topology } from '../actors/kit/topology.ts';
import type { ForgetClockCommand, RekeyCommand } from '../actors/session/settings.ts';
import { HawserError } from '../base/errors.ts';
import type { Supervisor } from './supervisor.ts';

export class PeerOperator {
  readonly #supervisor: Pick<Supervisor, 'command' | 'note'>;
  readonly #topology: () => Topology;

  constructor(supervisor: Pick<Supervisor, 'command' | 'note'>, topology: () => Topology) {
    this.#supervisor = supervisor;
    this.#topology = topology;
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
    const { peers } = this.#topology();
    if (peers.some((one) => one.name === name)) return name;
    const known = peers.map((one) => one.name).join(', ');
    throw new HawserError('NO_SUCH_PEER', `There is no peer "${name}"`, `there are: ${known}`);
  }
}
