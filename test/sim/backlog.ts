/** A sender that always has more to send, over one path; what the path made of it is measured every few milliseconds. */
import type { Link, LinkOptions } from './link.ts';
import { Link as SimulatedLink } from './link.ts';
import { SimulatedPath } from './path.ts';
import { VirtualClock } from './virtual-clock.ts';

const packetBytes = 1_452;
const sampleUs = 5_000;

export interface BacklogOptions {
  readonly link: LinkOptions;
  readonly reportUs: number;
  readonly durationUs: number;
  /** Given in turn to `reportUs`, for the traces of a person. */
  readonly onSample?: (path: SimulatedPath, clock: VirtualClock) => void;
}

export interface Trace {
  readonly atUs: number[];
  /** Bytes that arrived since the sample before, over what the link could have carried to the end. */
  readonly utilisation: number[];
  readonly queueUs: number[];
  readonly path: SimulatedPath;
  readonly link: Link;
}

export function runBacklog(options: BacklogOptions): Trace {
  const clock = new VirtualClock();
  const link = new SimulatedLink(clock, options.link);
  const path = new SimulatedPath(clock, link, { reportUs: options.reportUs, returnUs: options.link.delayUs });
  const trace: Trace = { atUs: [], utilisation: [], queueUs: [], path, link };
  const send = (): void => {
    for (let left = path.allowedBytes(); left > 0; left -= packetBytes) path.send(packetBytes);
    clock.after(path.controller.retryUs(), send);
  };
  let arrivedBytes = 0;
  const sample = (): void => {
    trace.atUs.push(clock.nowUs);
    trace.utilisation.push((path.arrivedBytes - arrivedBytes) / (link.rate * (1 - link.loss) * sampleUs));
    trace.queueUs.push(link.queueUs);
    arrivedBytes = path.arrivedBytes;
    options.onSample?.(path, clock);
    clock.after(sampleUs, sample);
  };
  // As in the daemon, a path has answered before it carries anything.
  path.probe();
  clock.after(3 * options.link.delayUs, send);
  clock.after(sampleUs, sample);
  clock.runUntil(options.durationUs);
  return trace;
}
