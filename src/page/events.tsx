/** What happened, the latest first, with a filter. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { EventRecord } from '../control/events.ts';
import { Card, Choice } from './parts.tsx';
import { type Group, groupNames, groupOf, isLoss, isMark, levelOf, sentenceOf, subjectText } from './sentences.ts';
import { events } from './state.ts';

const mostShown = 200;
type Filter = Group | 'all' | 'grave';
const filters: readonly (readonly [Filter, string])[] = [
  ['all', 'All'],
  ['grave', 'Failovers and errors'],
  ...(Object.entries(groupNames) as [Group, string][]),
];

export function EventsView(): JSX.Element {
  const [filter, setFilter] = useState<Filter>('all');
  const [words, setWords] = useState('');
  const found = events.value.filter((event) => passes(event, filter, words));
  return (
    <Card
      title="Events"
      actions={
        <input
          type="search"
          placeholder="Filter by words"
          aria-label="Filter by words"
          value={words}
          onInput={({ currentTarget }) => setWords(currentTarget.value)}
        />
      }
    >
      <Choice label="Kind of event" options={filters} value={filter} onChoose={setFilter} />
      <p class="hint" role="status">
        {found.length} of the last {events.value.length} events
        {found.length > mostShown ? `, the latest ${mostShown} of them` : ''}
      </p>
      <ol class="events">
        {found
          .slice(-mostShown)
          .toReversed()
          .map((event) => (
            <EventLine key={event.id} event={event} />
          ))}
      </ol>
    </Card>
  );
}

function passes(event: EventRecord, filter: Filter, words: string): boolean {
  if (filter === 'grave' && !isMark(event) && levelOf(event) === 'info') return false;
  if (filter !== 'all' && filter !== 'grave' && groupOf(event) !== filter) return false;
  const text = `${event.kind} ${event.source} ${subjectText(event)} ${sentenceOf(event)}`.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

const tones = { info: 'quiet', warn: 'warn', error: 'bad' } as const;

export function EventLine({ event }: { event: EventRecord }): JSX.Element {
  const tone = isMark(event) ? (isLoss(event) ? 'warn' : 'ok') : tones[levelOf(event)];
  const time = new Date(event.timeMs);
  const isToday = time.toDateString() === new Date().toDateString();
  return (
    <li class={tone} data-kind={event.kind}>
      <time dateTime={time.toISOString()} title={time.toLocaleString()}>
        {isToday ? '' : `${time.toLocaleDateString([], { month: 'short', day: 'numeric' })} `}
        {time.toLocaleTimeString([], { hour12: false })}
      </time>
      <span class="kind">{event.kind}</span>
      <span class="text">
        {sentenceOf(event)}
        {/^(started|stopped|exit|cut|starved|given-up)$/.test(event.kind) ? ` (${event.source})` : ''}
      </span>
    </li>
  );
}
