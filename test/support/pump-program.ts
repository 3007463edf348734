/**
 * Worker in which C++ is the consumer of one ring and the producer of another: trains of the first are written to a UDP socket as
 * if it were the TUN device, and read from its twin into the second.
 */
import { isMainThread, workerData } from 'node:worker_threads';
import { loadAddon } from '../../src/native/addon.ts';
import type { NativePort } from '../../src/native/port.ts';

export interface PumpProgram {
  readonly from: NativePort;
  readonly to: NativePort;
  readonly writeFd: number;
  readonly readFd: number;
  readonly count: number;
}

/** Few enough for the socket's buffer, so that the kernel drops none. */
const trainsPerTurn = 32;

function main({ from, to, writeFd, readFd, count }: PumpProgram): void {
  const addon = loadAddon();
  const totals = new Uint8Array(24);
  const writer = new addon.TunWriter(writeFd, from, totals);
  const reader = new addon.TunReader(readFd, to, new Uint8Array(8));
  const idle = new Int32Array(new SharedArrayBuffer(4));
  let written = 0;
  let read = 0;
  while (read < count) {
    if (written - read < trainsPerTurn) written += writer.write(trainsPerTurn - (written - read));
    const got = reader.read(trainsPerTurn, addon.nowUs());
    if (got > 0) read += got;
    else Atomics.wait(idle, 0, 0, 0.05);
  }
}

if (!isMainThread) main(workerData as PumpProgram);
