/** Words for an event, for the log and `hawser events`: a sentence where one reads better, else `field=value` pairs. Pure. */
import type { EventKind, EventRecord, InstanceEvent } from './events.ts';

/** What a record adds to the event itself, and `withDetail` to a record. */
const ofRecord = new Set(['kind', 'more', 'id', 'timeMs', 'source', 'detail']);

type Sentences = { readonly [Kind in EventKind]?: (event: InstanceEvent<Kind>) => string };

const sentences: Sentences = {
  'failover-forced': ({ link }) => (link === undefined ? 'auto: the mode decides' : `link=${link}`),
  transports: ({ order, forced }) =>
    forced !== undefined ? `${forced} while it lives` : order !== undefined ? `order ${order}` : 'auto: as configured',
  interface: ({ interface: name, state, link }) =>
    state === 'came' ? `${link ?? name}: its interface has come` : `${name} is ${state}`,
  'interface-gone': (event) => event.interface,
  links: ({ change }) => change,
  'default-route': ({ family }) => `IPv${family} default route changed`,
  dns: ({ servers, names, by }) => `The host asks ${servers.join(', ')} for ${names}, by ${by}`,
  'address-added': (event) => `${event.address} on ${event.interface}`,
  'address-removed': (event) => `${event.address} on ${event.interface}`,
  'route-free': ({ trouble }) => `no longer: ${trouble}`,
  ready: ({ interface: name, port, placement, tookMs, isRecalled }) =>
    `${name}, UDP port ${port}, ${placement} after ${tookMs} ms${isRecalled ? ', by the configuration of the run before' : ''}`,
  stopping: ({ reason }) => reason,
  reload: ({ change }) => change,
  'reload-failed': ({ reason }) => reason,
  'config-applied': ({ seconds, changes }) =>
    `on trial for ${seconds} s: ${(changes ?? []).join('; ') || 'nothing is another'}`,
  'config-confirmed': () => 'the configuration on trial was kept, and is in the file',
  'config-taken-back': ({ reason }) => `the configuration of before runs: ${reason}`,
  stopped: ({ reason }) => reason,
  exit: ({ reason }) => reason,
  cut: ({ reason }) => reason,
  starved: ({ reason }) => reason,
  'given-up': ({ reason }) => reason,
  'state-file': ({ file, message, remedy }) => `${file} ${message}${remedy === undefined ? '' : ` (${remedy})`}`,
  'call-failed': ({ peer, link, endpoint, reason, remedy }) =>
    `${link}: peer ${peer} cannot be reached at ${endpoint}: ${reason}${remedy === '' ? '' : ` (${remedy})`}`,
  'call-answered': ({ peer, link, endpoint }) => `${link}: peer ${peer} answers at ${endpoint}`,
  'lease-given': ({ client, addresses }) => `client=${client} ${addresses.join(' ')}`,
  'lease-expired': ({ client, addresses }) => `client=${client} ${addresses.join(' ')}`,
  'invitation-created': ({ client, expiresMs }) => `client=${client} until ${new Date(expiresMs).toISOString()}`,
  'quota-warning': (event) => quotaText(event),
  'quota-exceeded': (event) =>
    `${quotaText(event)}: ${event.action === 'stop' ? 'kept out' : 'slowed down'} until ${new Date(event.untilMs).toISOString().slice(0, 16)}Z`,
  'quota-reset': (event) => quotaText(event),
  'api-on': ({ address }) => `HTTP is answered on ${address}`,
  'api-off': ({ reason, remedy }) => `HTTP is off: ${reason}${remedy === '' ? '' : ` (${remedy})`}`,
  'port-moved': ({ link, transport, port, silentMs }) =>
    `${link}: nothing came back by ${transport} for ${Math.round(silentMs / 1000)} s; sends by port ${port} now, in case a router on the way holds on to what leads nowhere`,
  'link-suggested': ({ link, plugin, weight, role }) => {
    const all = [
      ...(weight === undefined ? [] : [`weight ${weight}`]),
      ...(role === undefined ? [] : [`role ${role}`]),
    ];
    return `link=${link} ${all.length === 0 ? 'as configured again' : `${all.join(', ')}, by plugin ${plugin}`}`;
  },
  'plugin-ready': ({ plugin, hooks }) => `plugin=${plugin} for ${hooks.join(', ') || 'nothing'}`,
  'plugin-failed': ({ plugin, reason, againMs }) =>
    `plugin=${plugin} ${reason}${againMs === undefined ? '' : ` (begun anew in ${Math.round(againMs / 1000)} s)`}`,
  'plugin-recovered': ({ plugin }) => `plugin=${plugin} has been well for a minute`,
  'plugin-given-up': ({ plugin, reason, remedy }) => `plugin=${plugin} ${reason} (${remedy})`,
  'x25519-failed': ({ reason }) => reason,
  plaintext: ({ message }) => message,
  warning: ({ message }) => message,
  'left-out': ({ count }) => `${count} events left out: they were not read in time`,
};

/** `peer=phone link=lte …`, or a sentence, without the event's kind. An event of a newer version is told by its fields. */
export function textOfEvent(event: InstanceEvent): string {
  const sentence = sentences[event.kind] as ((event: InstanceEvent) => string) | undefined;
  const text = sentence?.(event) ?? pairsOf(event);
  return event.more === undefined ? text : `${text} (and ${event.more} more)`.trimStart();
}

/** As programs get it: the words beside the fields. */
export function withDetail(record: EventRecord): object {
  return { ...record, detail: textOfEvent(record) };
}

function pairsOf(event: InstanceEvent): string {
  return Object.entries(event)
    .filter(([field]) => !ofRecord.has(field))
    .map(([field, value]) => `${field}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' ');
}

function quotaText({
  client,
  period,
  usedBytes,
  quotaBytes,
}: InstanceEvent<'quota-reset'> | InstanceEvent<'quota-warning'> | InstanceEvent<'quota-exceeded'>): string {
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
  const of =
    quotaBytes === 0 ? 'has no quota any more' : `has used ${gigabytes(usedBytes)} of ${gigabytes(quotaBytes)}`;
  return `client=${client} ${of}${quotaBytes === 0 ? '' : ` of its ${period}`}`;
}

/** Whom an event is about: what is limited together. Sentences that differ in their numbers only are one. */
export function subjectOf(event: InstanceEvent): string {
  const named = event as { readonly [name in 'peer' | 'client' | 'link' | 'interface']?: string };
  const names = [named.peer, named.client, named.link, named.interface];
  return names.every((one) => one === undefined) ? withoutNumbers(textOfEvent(event)) : names.join(' ');
}

export function withoutNumbers(text: string): string {
  return text.replace(/[0-9]+/g, '#');
}
