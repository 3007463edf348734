/** X25519 in other threads while handshakes flood in; the threads start with the first flood and end when it is over. */
import type { Piscina } from 'piscina';
import type { ActorContext } from '../kit/contract.ts';
import type { SecretPool } from './handshake-desk.ts';

const threads = 2;
/**
 * What waits beyond this is dropped, and calls again 5 s later. All of these have shown a cookie: a hub that was restarted has its thousand
 * peers back in one round, and at 50 µs each they are 26 ms of work for two threads.
 */
const mostWaiting = 1024;
/** The rest of a handshake is 0.3 ms here. */
const mostPerTurn = 32;
const batch = 16;
const idleTimeoutMs = 30_000;
/** An initiation: the ephemeral key is where the Noise message begins. */
const ephemeralAt = 8;
const keyBytes = 32;

type Done = (secret: Uint8Array | undefined, nowUs: number) => void;

interface Waiting {
  readonly publicKey: Uint8Array;
  readonly done: Done;
}

export class X25519Pool implements SecretPool {
  readonly #context: Pick<ActorContext, 'track' | 'emit'>;
  readonly #privateKey: Uint8Array;
  #pool: Promise<Piscina> | undefined;
  #waiting: Waiting[] = [];
  readonly #finished: { readonly secret: Uint8Array | undefined; readonly done: Done }[] = [];
  #inFlight = 0;

  /** `privateKey`: raw; kept for the threads that a flood starts. */
  constructor(context: Pick<ActorContext, 'track' | 'emit'>, privateKey: Uint8Array) {
    this.#context = context;
    this.#privateKey = privateKey;
  }

  offer(message: Uint8Array, done: Done): boolean {
    if (this.#waiting.length + this.#inFlight >= mostWaiting) return false;
    this.#waiting.push({ publicKey: message.slice(ephemeralAt, ephemeralAt + keyBytes), done });
    return true;
  }

  /** Once a turn: hands finished work to those who wait, sends new work off; returns how much was handed over. */
  turn(nowUs: number): number {
    const finished = this.#finished.splice(0, mostPerTurn);
    for (const { secret, done } of finished) done(secret, nowUs);
    while (this.#waiting.length > 0) {
      const jobs = this.#waiting.splice(0, batch);
      this.#inFlight += jobs.length;
      void this.#context.track(this.#run(jobs));
    }
    return finished.length;
  }

  close(): void {
    this.#privateKey.fill(0);
    this.#waiting = [];
    void this.#pool?.then((pool) => pool.destroy());
  }

  async #run(jobs: readonly Waiting[]): Promise<void> {
    let secrets: (Uint8Array | undefined)[] = [];
    try {
      this.#pool ??= this.#open();
      const pool = await this.#pool;
      secrets = (await pool.run(
        jobs.map((job) => job.publicKey),
        { name: 'x25519Batch' },
      )) as (Uint8Array | undefined)[];
    } catch (error) {
      // The flood loses a batch; the initiators try again.
      this.#context.emit({ kind: 'x25519-failed', reason: String(error) });
    }
    this.#inFlight -= jobs.length;
    for (const [index, job] of jobs.entries()) this.#finished.push({ secret: secrets[index], done: job.done });
  }

  async #open(): Promise<Piscina> {
    const { Piscina } = await import('piscina');
    return new Piscina({
      filename: new URL('./x25519-job.js', import.meta.url).href,
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: idleTimeoutMs,
      // The default freezes timers and sockets of an idle worker.
      atomics: 'disabled',
      workerData: this.#privateKey,
    });
  }
}
