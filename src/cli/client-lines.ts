/** Clients of a hub as lines for people. */
import type { ClientRow } from '../control/client-calls.ts';
import { type Column, formatTable } from './humanize.ts';

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

export function describeClient({ name, state, createdMs, expiresMs, devices, nat }: ClientRow): string[] {
  return [
    `${name}: ${state}, since ${day(createdMs)}${expiresMs === undefined ? '' : `, until ${moment(expiresMs)}`}`,
    ...devices.map(({ peer, publicKey, hasPresharedKey, addresses, isReserved }) => {
      const lease = addresses.length === 0 ? 'no address' : addresses.join(' ');
      const secret = hasPresharedKey ? ', with a preshared key' : '';
      return `  ${peer}: ${lease}${isReserved ? ' (reserved)' : ''}, key ${publicKey}${secret}`;
    }),
    ...(nat?.publicAddress === undefined ? [] : [`  outside: ${nat.publicAddress}, its own`]),
    ...(nat === undefined || nat.forwards.length === 0 ? [] : [`  ports that lead to it: ${nat.forwards.join(' ')}`]),
  ];
}

function day(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

/** UTC. */
function moment(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 16).replace('T', ' ')}Z`;
}
