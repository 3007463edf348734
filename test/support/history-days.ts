/** A history of 410 days, as a keeper would have written it: what 400 are kept of. */

import type { Archive } from '../../src/actors/history/archive.ts';
import type { SeriesName } from '../../src/actors/history/archive-file.ts';
import type { EventRecord } from '../../src/control/events.ts';

export const daysS = 86_400;
export const keep = { secondS: 7200, minuteS: 7 * daysS, hourS: 400 * daysS };
export const beginS = Date.UTC(2026, 0, 1) / 1000;
/** Ten more than are kept, so that what is promised is what stays after the oldest went. */
export const days = 410;

/** What a client sent in a minute. */
export const random = (at: number): number => ((at * 2_654_435_761) % 4096) * 1000;

export function link(inBps: number, rttMs: number): Float32Array {
  return Float32Array.of(inBps, inBps, inBps / 2, inBps / 2, rttMs, rttMs, 0, 1);
}

/** Two links, three paths, and so many clients. */
export function seriesOf(clients: number): SeriesName[] {
  return [
    ...['fibre', 'lte'].map((name) => ({ kind: 'link' as const, name })),
    ...['hub/fibre/udp', 'hub/lte/udp', 'hub/lte/faketcp'].map((name) => ({ kind: 'path' as const, name })),
    ...Array.from({ length: clients }, (_, index) => ({ kind: 'client' as const, name: `phone-${index}` })),
  ];
}

/** Minutes of the last days alone are dense: those before are gone, and would only take time. */
export function fillDays(archive: Archive, series: readonly SeriesName[]): void {
  const events = ['path-down', 'failover', 'path-back'] as const;
  for (let day = 0; day < days; day += 1) {
    const every = day > days - 9 ? 1 : 1440;
    for (let minute = 0; minute < 1440; minute += every) {
      const at = Math.floor(beginS / 60) + day * 1440 + minute;
      for (const one of series) {
        const rate = random(at);
        const point = one.kind === 'client' ? Float32Array.of(rate, rate, rate, rate) : link(rate, 20 + (at % 7));
        archive.put(one, at, point);
      }
    }
    for (let index = 0; index < 30; index += 1) {
      const kind = events[index % 3] ?? 'failover';
      const timeMs = (beginS + day * daysS + index * 2000) * 1000;
      archive.addEvent({
        id: day * 30 + index,
        timeMs,
        source: 'control-server',
        ...{
          kind,
          peer: 'hub',
          link: 'lte',
          transport: 'udp',
          endpoint: '203.0.113.1:51820',
          reason: 'nothing of what was sent arrived',
          from: 'lte',
          to: 'fibre',
        },
      } as unknown as EventRecord);
    }
    archive.write();
  }
}
