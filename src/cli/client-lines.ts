/** Clients of a hub as lines for people. */
import type { ClientRow, ClientUsage } from '../control/client-calls.ts';
import { type Column, formatTable, humanBytes } from './humanize.ts';

const columns: readonly Column<ClientRow>[] = [
  { heading: 'CLIENT', text: ({ name }) => name },
  { heading: 'STATE', text: ({ state }) => state },
  { heading: 'ADDRESSES', text: ({ devices }) => devices.flatMap(({ addresses }) => addresses).join(' ') || '-' },
  { heading: 'DEVICES', optional: true, align: 'right', text: ({ devices }) => String(devices.length) },
  { heading: 'CREATED', optional: true, text: ({ createdMs }) => day(createdMs) },
  { heading: 'EXPIRES', text: ({ expiresMs }) => (expiresMs === undefined ? 'never' : moment(expiresMs)) },
];

export function clientLines(clients: readonly ClientRow[]): string[] {
  return formatTable(columns, clients, 'There are no clients (hawser client add NAME makes one).');
}

export function describeClient({
  name,
  state,
  kickedUntilMs,
  createdMs,
  expiresMs,
  devices,
  nat,
  limits,
}: ClientRow): string[] {
  const kicked = kickedUntilMs === undefined ? '' : ` until ${new Date(kickedUntilMs).toISOString().slice(11, 19)}Z`;
  return [
    `${name}: ${state}${kicked}, since ${day(createdMs)}${expiresMs === undefined ? '' : `, until ${moment(expiresMs)}`}`,
    ...devices.map(({ peer, publicKey, hasPresharedKey, addresses, isReserved }) => {
      const lease = addresses.length === 0 ? 'no address' : addresses.join(' ');
      const secret = hasPresharedKey ? ', with a preshared key' : '';
      return `  ${peer}: ${lease}${isReserved ? ' (reserved)' : ''}, key ${publicKey}${secret}`;
    }),
    `  ${ratesOf(limits)}`,
    ...(nat?.publicAddress === undefined ? [] : [`  outside: ${nat.publicAddress}, its own`]),
    ...(nat === undefined || nat.forwards.length === 0 ? [] : [`  ports that lead to it: ${nat.forwards.join(' ')}`]),
  ];
}

function ratesOf({ upBps, downBps, priority }: ClientRow['limits']): string {
  const rate = (bps: number): string => (bps === 0 ? 'as much as there is' : `at most ${bps / 1e6} Mbit/s`);
  return `${rate(upBps)} up, ${rate(downBps)} down, priority ${priority}`;
}

/** By day, and what the month of the last of them comes to. */
export function usageLines({ client, days }: ClientUsage): string[] {
  const [last] = days;
  if (last === undefined) return [`${client} has used nothing yet.`];
  const month = last.day.slice(0, 7);
  const ofMonth = days.filter(({ day: one }) => one.startsWith(month));
  const sum = (count: (one: ClientUsage['days'][number]) => number): number =>
    ofMonth.reduce((total, one) => total + count(one), 0);
  const total = { day: month, upBytes: sum(({ upBytes }) => upBytes), downBytes: sum(({ downBytes }) => downBytes) };
  return formatTable(
    [
      { heading: 'DAY', text: (one) => one.day },
      { heading: 'UP', align: 'right', text: ({ upBytes }) => humanBytes(upBytes) },
      { heading: 'DOWN', align: 'right', text: ({ downBytes }) => humanBytes(downBytes) },
    ],
    [...days.slice(0, 31), total],
    '',
  );
}

function day(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

/** UTC. */
function moment(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 16).replace('T', ' ')}Z`;
}
