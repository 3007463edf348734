/** Round trips through the hub's tunnel of one client that is looked at while others of the crowd do something. */
import { once } from 'node:events';
import { type Crowd, hubInside } from './crowd.ts';

const intervalUs = 1000;
const echoPort = '7077';

/** `program`: the compiled twin (`compileTwin`). The hub answers until its host ends. */
export function answerAtHub(program: string, { hub }: Crowd): void {
  hub.host.spawn(program, ['echo', echoPort], { stdio: 'ignore' });
}

/** A datagram each millisecond: round trips of one window in milliseconds, p50, p99, p99.9, the longest; and how many were lost. */
export async function roundTrips(program: string, { beside }: Crowd, windowS: number): Promise<readonly number[]> {
  const count = Math.round((windowS * 1e6) / intervalUs);
  const args = ['ping', hubInside, echoPort, String(intervalUs), String(count)];
  const child = beside.spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await once(child, 'close');
  const [p50 = 0, p99 = 0, p999 = 0, longest = 0, lost = 0] = JSON.parse(text) as number[];
  return [p50 / 1000, p99 / 1000, p999 / 1000, longest / 1000, lost];
}
