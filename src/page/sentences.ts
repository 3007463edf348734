/** Events as an operator reads them: what belongs on the plot, in which group of the list, and how grave it is. Pure. */
import { textOfEvent } from '../control/event-text.ts';
import { type EventKind, type EventRecord, eventLevels } from '../control/events.ts';

export type Group = 'paths' | 'clients' | 'actors' | 'host';

export const groupNames: Readonly<Record<Group, string>> = {
  paths: 'Links and paths',
  clients: 'Clients',
  actors: 'Actors',
  host: 'Host and files',
};

const marked: ReadonlySet<EventKind> = new Set([
  'failover',
  'failback',
  'cut-off',
  'transport-failover',
  'transport-failback',
  'failover-forced',
  'given-up',
]);

/** Whether it stands in the plot as a mark. */
export function isMark({ kind }: EventRecord): boolean {
  return marked.has(kind);
}

/** A mark that tells of something lost, not of something regained. */
export function isLoss({ kind }: EventRecord): boolean {
  return kind !== 'failback' && kind !== 'transport-failback';
}

export function levelOf({ kind }: EventRecord): 'info' | 'warn' | 'error' {
  return eventLevels[kind] ?? 'info';
}

const actorKinds = /^(started|stopped|exit|cut|starved|given-up|undeliverable|x25519-failed|ready|stopping)$/;
const clientKinds = /^(client|invitation|session-|lease|limit-|quota|rate-)/;
const hostKinds = /^(interface|default-route|dns|address|route-|nat-|reload|config|state-file|links|warning|plaintext)/;

export function groupOf({ kind }: EventRecord): Group {
  if (actorKinds.test(kind)) return 'actors';
  if (clientKinds.test(kind)) return 'clients';
  return hostKinds.test(kind) ? 'host' : 'paths';
}

/** A sentence where this page has one, else the words of `hawser events`. */
export function sentenceOf(event: EventRecord): string {
  switch (event.kind) {
    case 'failover':
      return `${event.from} was left for ${event.to}: ${event.reason}`;
    case 'failback':
      return `${event.link} carries again: ${event.reason}`;
    case 'cut-off':
      return `${event.peer} is cut off (${event.from.replaceAll(',', ', ')}): ${event.reason}`;
    case 'transport-failover':
      return `${event.link} goes by ${event.to} in place of ${event.from}: ${event.reason}`;
    case 'transport-failback':
      return `${event.link} goes by ${event.to} again: ${event.reason}`;
    case 'path-up':
      return `${event.link} reaches ${event.peer} at ${event.endpoint} (${event.transport})`;
    case 'path-dead':
    case 'path-down':
      return `${event.link} no longer reaches ${event.peer}: ${event.reason}`;
    case 'path-suspect':
      return `${event.link} to ${event.peer} is in doubt: ${event.reason}`;
    case 'path-cleared':
      return `${event.link} to ${event.peer} is in order: ${event.reason}`;
    case 'path-recovering':
      return `${event.link} to ${event.peer} answers and has to prove itself: ${event.reason}`;
    case 'flapping':
      return `${event.link} to ${event.peer} comes and goes: ${event.reason}`;
    case 'client-created':
      return `${event.client} was added`;
    case 'client-removed':
    case 'client-enabled':
    case 'client-disabled':
      return `${event.client} was ${event.kind.slice('client-'.length)}`;
    case 'link-enabled':
    case 'link-disabled':
      return `${event.link} was ${event.kind.slice('link-'.length)}`;
    case 'link-up':
    case 'link-down':
      return `${event.link} is ${event.kind === 'link-up' ? 'up' : 'down'}: ${event.reason}`;
    case 'session':
      return `A session with ${event.peer} began, at ${event.endpoint}`;
    case 'started':
      return event.restarts === undefined
        ? 'The actor started'
        : `The actor started again, ${ordinal(event.restarts)} restart`;
    default:
      return textOfEvent(event);
  }
}

function ordinal(count: number): string {
  const end = count % 100 > 10 && count % 100 < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][count % 10] ?? 'th');
  return `${count}${end}`;
}

/** Whom it is about: a peer's, a client's or a link's name, else the actor that tells it. */
export function subjectText(event: EventRecord): string {
  const named = event as { readonly [name in 'peer' | 'client' | 'link']?: string };
  return named.client ?? named.peer ?? named.link ?? event.source;
}
