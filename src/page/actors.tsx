/** The threads of the daemon as its supervisor sees them, and the rings between them. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { humanBytes, humanCount, humanDuration, humanMicros, humanPercent } from '../control/human-numbers.ts';
import type { ActorStatus, RingStatus } from '../control/rows.ts';
import type { ActorState } from '../control/supervisor-api.ts';
import { change } from './api.ts';
import { Badge, Card, Confirm, Dialog, Meter, Table, type Tone } from './parts.tsx';
import { may, nowMs, top } from './state.ts';

const tones: Readonly<Partial<Record<ActorState, Tone>>> = {
  running: 'ok',
  failed: 'bad',
  hung: 'bad',
  stopped: 'quiet',
};
const head = [
  { text: 'Actor' },
  { text: 'State' },
  { text: 'Busy' },
  { text: 'Waiting', class: 'number' },
  { text: 'Packets/s', class: 'number' },
  { text: 'Turn', class: 'number' },
  { text: 'Restarts', class: 'number' },
  { text: 'Running for', class: 'number' },
];
const ringHead = [
  { text: 'Ring' },
  { text: 'Filled' },
  { text: 'Size', class: 'number' },
  { text: 'Records', class: 'number' },
  { text: 'Found full', class: 'number' },
];
/** Of a thread's time without a processor; more is worth a word. */
const starvedPercent = 20;

export function ActorsView(): JSX.Element {
  const { actors, rings, status } = top.value ?? { actors: [], rings: [], status: undefined };
  const [shown, setShown] = useState<string>();
  const [restarting, setRestarting] = useState<string>();
  const actor = actors.find(({ id }) => id === shown);
  return (
    <>
      <Card
        title="Actors"
        actions={
          <span class="hint">
            {status?.actorsRunning} of {status?.actors} running, placement {status?.placement}
          </span>
        }
      >
        <Table label="Actors" head={may('operator') ? [...head, { text: 'Actions' }] : head}>
          {actors.map((one) => (
            <ActorRow key={one.id} actor={one} onShow={setShown} onRestart={setRestarting} />
          ))}
        </Table>
      </Card>
      <Card title="Rings">
        <Table label="Rings" head={ringHead}>
          {rings.map((ring) => (
            <RingRow key={ring.name} ring={ring} />
          ))}
        </Table>
      </Card>
      {actor === undefined ? null : <Counters actor={actor} onClose={() => setShown(undefined)} />}
      {restarting === undefined ? null : (
        <Confirm
          title={`Restart ${restarting}?`}
          text="Its thread ends and another takes its place. Sessions, keys, queues and routes stay; traffic pauses for some tens of milliseconds at most."
          verb="Restart"
          onClose={() => setRestarting(undefined)}
          act={() => change('actor.restart', { id: restarting }).then((id) => `${id} was restarted`)}
        />
      )}
    </>
  );
}

interface RowProps {
  readonly actor: ActorStatus;
  readonly onShow: (id: string) => void;
  readonly onRestart: (id: string) => void;
}

function ActorRow({ actor, onShow, onRestart }: RowProps): JSX.Element {
  const starved =
    actor.starvedPercent > starvedPercent ? `, ${humanPercent(actor.starvedPercent)} without a processor` : '';
  return (
    <tr>
      <th scope="row">
        <button type="button" class="link" onClick={() => onShow(actor.id)}>
          {actor.id}
        </button>
      </th>
      <td>
        <Badge tone={tones[actor.state] ?? 'warn'}>{actor.state}</Badge>
      </td>
      <td class="wide">
        <Meter percent={actor.busyPercent} label={`${actor.id} busy`} tone={starved === '' ? 'quiet' : 'warn'} />
        <small>
          {humanPercent(actor.busyPercent)}
          {starved}
        </small>
      </td>
      <td class="number">{humanBytes(actor.inputBytes)}</td>
      <td class="number">{humanCount(actor.packetsPerSecond)}</td>
      <td class="number">{humanMicros(actor.meanTurnUs)}</td>
      <td class="number">{actor.restarts}</td>
      <td class="number">{humanDuration(Math.max(0, nowMs.value - actor.startedAtMs))}</td>
      {may('operator') ? (
        <td>
          <button type="button" class="quiet" aria-label={`Restart ${actor.id}`} onClick={() => onRestart(actor.id)}>
            Restart
          </button>
        </td>
      ) : null}
    </tr>
  );
}

function RingRow({ ring }: { ring: RingStatus }): JSX.Element {
  const percent = ring.capacityBytes === 0 ? 0 : (100 * ring.usedBytes) / ring.capacityBytes;
  return (
    <tr>
      <th scope="row" class="code">
        {ring.name}
      </th>
      <td class="wide">
        <Meter percent={percent} label={`${ring.name} filled`} tone={percent > 80 ? 'warn' : 'quiet'} />
        <small>{humanPercent(percent)}</small>
      </td>
      <td class="number">{humanBytes(ring.capacityBytes)}</td>
      <td class="number">{humanCount(ring.publishedRecords)}</td>
      <td class="number">{humanCount(ring.refusedClaims)}</td>
    </tr>
  );
}

function Counters({ actor, onClose }: { actor: ActorStatus; onClose: () => void }): JSX.Element {
  const counters = Object.entries(actor.counters);
  return (
    <Dialog title={actor.id} onClose={onClose}>
      <dl class="pairs">
        <dt>Thread</dt>
        <dd>
          {actor.threadId ?? '–'} (kernel: {actor.kernelThreadId ?? '–'}), {actor.activity}
        </dd>
        <dt>Heartbeat</dt>
        <dd>{humanDuration(actor.heartbeatAgeMs)} ago</dd>
        <dt>Longest turn</dt>
        <dd>{humanMicros(actor.longestTurnUs)}</dd>
        <dt>Last end</dt>
        <dd>{actor.lastExit ?? 'none'}</dd>
        {counters.map(([name, value]) => [
          <dt key={name} class="code">
            {name}
          </dt>,
          <dd key={`${name} value`}>{humanCount(value)}</dd>,
        ])}
      </dl>
    </Dialog>
  );
}
