/** Clients of a hub as lines for people. */
import { formatQuota } from '../config/quota-schema.ts';
import type { ClientDevice, ClientQuota, ClientQuotaStand, ClientRow, ClientUsage } from '../control/client-calls.ts';
import { type Column, formatTable, humanBytes, humanCount, humanDuration } from './humanize.ts';

const columns: readonly Column<ClientRow>[] = [
  { heading: 'CLIENT', text: ({ name }) => name },
  { heading: 'STATE', text: ({ state }) => stateText(state) },
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
  quota,
}: ClientRow): string[] {
  const kicked = kickedUntilMs === undefined ? '' : ` until ${new Date(kickedUntilMs).toISOString().slice(11, 19)}Z`;
  return [
    `${name}: ${stateText(state)}${kicked}, since ${day(createdMs)}${expiresMs === undefined ? '' : `, until ${moment(expiresMs)}`}`,
    ...devices.flatMap(({ peer, publicKey, hasPresharedKey, addresses, isReserved, refusal }) => {
      const lease = addresses.length === 0 ? 'no address' : addresses.join(' ');
      const secret = hasPresharedKey ? ', with a preshared key' : '';
      return [
        `  ${peer}: ${lease}${isReserved ? ' (reserved)' : ''}, key ${publicKey}${secret}`,
        ...(refusal === undefined ? [] : [`    ${refusalText(refusal)}`]),
      ];
    }),
    `  ${ratesOf(limits)}`,
    `  ${quotaText(quota)}`,
    ...(nat?.publicAddress === undefined ? [] : [`  outside: ${nat.publicAddress}, its own`]),
    ...(nat === undefined || nat.forwards.length === 0 ? [] : [`  ports that lead to it: ${nat.forwards.join(' ')}`]),
  ];
}

function stateText(state: ClientRow['state']): string {
  return state === 'quota' ? 'quota used up' : state;
}

function ratesOf({ upBps, downBps, priority }: ClientRow['limits']): string {
  const rate = (bps: number): string => (bps === 0 ? 'as much as there is' : `at most ${bps / 1e6} Mbit/s`);
  return `${rate(upBps)} up, ${rate(downBps)} down, priority ${priority}`;
}

function quotaText({ dailyBytes, monthlyBytes, resetDay, timezone, throttleBps, isExceeded }: ClientQuota): string {
  if (dailyBytes === 0 && monthlyBytes === 0) return 'no quota';
  const amounts = [
    ...(dailyBytes === 0 ? [] : [`${formatQuota(dailyBytes)} a day`]),
    ...(monthlyBytes === 0 ? [] : [`${formatQuota(monthlyBytes)} a month from day ${resetDay} on`]),
  ];
  const then = throttleBps === 0 ? 'kept out' : `${throttleBps / 1e6} Mbit/s each way`;
  return `${amounts.join(', ')} (${timezone})${isExceeded ? `; used up: ${then} until the period ends` : ''}`;
}

/** Reasons that are about the client, not about its keys, have words of their own. */
const refusalWords: Readonly<Record<string, string>> = {
  quota: 'it has used up its quota',
  perAddress: 'as many clients as server.limits.perAddress allows have sessions from its address',
  unauthorised: 'the plugin of server.authorise does not let it in (`hawser events` has what it says)',
  authoriserSilent: 'the plugin of server.authorise does not say whether it may (hawser plugin list)',
  perClient: 'as many of its devices as server.limits.perClient allows have sessions',
};

function refusalText({ reason, ageMs, count }: NonNullable<ClientDevice['refusal']>): string {
  return `refused ${count} times, ${humanDuration(ageMs)} ago last: ${refusalWords[reason] ?? `${reason} (hawser explain)`}`;
}

function standLine({ period, usedBytes, quotaBytes, leftBytes, resetsMs }: ClientQuotaStand, timezone: string): string {
  const ends = `${new Intl.DateTimeFormat('sv-SE', { timeZone: timezone, dateStyle: 'short', timeStyle: 'short' }).format(resetsMs)} ${timezone}`;
  const used = `${period === 'day' ? 'today' : 'this month'}: ${formatUsed(usedBytes)}`;
  if (leftBytes === undefined) return `${used}, no quota`;
  return `${used} of ${formatQuota(quotaBytes)}, ${formatUsed(leftBytes)} left; begins anew ${ends}`;
}

/** In thousands, as quotas are. */
function formatUsed(bytes: number): string {
  return humanCount(bytes).replace(/^([\d.]+)(?: ([kMGT]))?$/, (_, value, prefix = '') => `${value} ${prefix}B`);
}

/** Where it stands, then by day, and what the month of the last of them comes to. */
export function usageLines({ client, timezone, periods, days }: ClientUsage): string[] {
  const stands = periods.map((stand) => standLine(stand, timezone));
  return [...stands, ...(stands.length > 0 ? [''] : []), ...dayLines(client, days)];
}

function dayLines(client: string, days: ClientUsage['days']): string[] {
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
