/** The clients of a hub: who they are, what they use, and what may be done with them. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ClientQuotaStand, ClientRow } from '../control/client-calls.ts';
import { humanDuration, humanRate } from '../control/human-numbers.ts';
import { change } from './api.ts';
import { AddClient } from './client-add.tsx';
import { ClientSheet, LimitsDialog } from './client-sheet.tsx';
import {
  drop,
  type Order,
  openClients,
  pageRows,
  put,
  refreshClients,
  want,
  wanted,
  watchUsage,
} from './client-state.ts';
import { Badge, Card, Confirm, deed, Meter, Table, type Tone } from './parts.tsx';
import { clients, invitations, may, nowMs, sessions, usage } from './state.ts';

export const clientTones: Readonly<Record<ClientRow['state'], Tone>> = {
  enabled: 'ok',
  disabled: 'quiet',
  expired: 'warn',
  kicked: 'warn',
  quota: 'bad',
};
const head = [
  { text: 'Client' },
  { text: 'State' },
  { text: 'Now', class: 'roomy' },
  { text: 'Used' },
  { text: 'Addresses', class: 'roomy' },
];

const orders: readonly (readonly [Order, string])[] = [
  ['name', 'By name'],
  ['used', 'Most used this month'],
  ['active', 'Last active'],
  ['created', 'Newest'],
];

export type Asked = { readonly what: 'show' | 'limits' | 'remove'; readonly name: string } | { readonly what: 'add' };

export function ClientsView(): JSX.Element {
  const [asked, setAsked] = useState<Asked>();
  const { match, order, from } = wanted.value;
  const { found, clients: shown } = clients.value ?? { found: 0, clients: [] };
  // One whose sheet is open may not be on this page any more.
  const open = asked?.what === 'show' ? [asked.name] : [];
  const names = [...new Set([...shown.map(({ name }) => name), ...open])];
  useEffect(openClients, []);
  useEffect(() => watchUsage(names), [names.join('\n')]);
  const hasActions = may('operator');
  return (
    <>
      <Card
        title="Clients"
        actions={
          <>
            <input
              type="search"
              placeholder="Name or address"
              aria-label="Find by name or address"
              value={match}
              onInput={({ currentTarget }) => want({ match: currentTarget.value })}
            />
            <select
              aria-label="In which order"
              value={order}
              onChange={({ currentTarget }) => want({ order: currentTarget.value as Order })}
            >
              {orders.map(([key, text]) => (
                <option key={key} value={key}>
                  {text}
                </option>
              ))}
            </select>
            {may('admin') ? (
              <button type="button" class="primary" onClick={() => setAsked({ what: 'add' })}>
                Add a client
              </button>
            ) : null}
          </>
        }
      >
        {shown.length === 0 ? <p class="empty">{emptyText(match)}</p> : null}
        {shown.length === 0 ? null : (
          <Table label="Clients" head={hasActions ? [...head, { text: 'Actions', class: 'roomy' }] : head}>
            {shown.map((client) => (
              <Row key={client.name} client={client} ask={setAsked} />
            ))}
          </Table>
        )}
        {found <= pageRows ? null : (
          <p class="pages">
            <button type="button" disabled={from === 0} onClick={() => want({ from: from - pageRows })}>
              Before
            </button>
            {from + 1} to {from + shown.length} of {found}
            <button type="button" disabled={from + pageRows >= found} onClick={() => want({ from: from + pageRows })}>
              After
            </button>
          </p>
        )}
      </Card>
      <Invitations />
      <Answers asked={asked} ask={setAsked} />
    </>
  );
}

function emptyText(match: string): string {
  if (clients.value === undefined) return 'Asking the daemon …';
  return match === '' ? 'No clients yet.' : 'Nobody of that name.';
}

function Row({ client, ask }: { client: ClientRow; ask: (asked: Asked) => void }): JSX.Element {
  const { name, devices } = client;
  const own = sessions.value.filter((session) => session.client === name);
  const up = own.reduce((sum, { upBps }) => sum + upBps, 0);
  const down = own.reduce((sum, { downBps }) => sum + downBps, 0);
  return (
    <tr>
      <th scope="row">
        <button type="button" class="link" onClick={() => ask({ what: 'show', name })}>
          {name}
        </button>
      </th>
      <td>
        <ClientState client={client} />
      </td>
      <td class="nobreak roomy">
        {own.length === 0 ? <span class="hint">not connected</span> : `↓ ${humanRate(down)}  ↑ ${humanRate(up)}`}
      </td>
      <td class="wide">
        <TightestQuota name={name} />
      </td>
      <td class="code roomy">{devices.flatMap(({ addresses }) => addresses).join(' ')}</td>
      {may('operator') ? (
        <td class="roomy">
          <ClientButtons client={client} ask={ask} />
        </td>
      ) : null}
    </tr>
  );
}

const stateTexts: Readonly<Record<ClientRow['state'], string>> = {
  enabled: 'enabled',
  disabled: 'disabled',
  expired: 'expired',
  kicked: 'kicked',
  quota: 'quota used up',
};

export function ClientState({ client: { state, kickedUntilMs } }: { client: ClientRow }): JSX.Element {
  const left = state === 'kicked' && kickedUntilMs !== undefined ? kickedUntilMs - nowMs.value : 0;
  return (
    <Badge tone={clientTones[state]}>
      {stateTexts[state]}
      {left > 0 ? `, ${humanDuration(left)} more` : ''}
    </Badge>
  );
}

/** Of day and month the one that is used up sooner. */
function TightestQuota({ name }: { name: string }): JSX.Element {
  const periods = usage.value.get(name)?.periods ?? [];
  const part = (stand: ClientQuotaStand): number => (stand.quotaBytes === 0 ? 0 : stand.usedBytes / stand.quotaBytes);
  const tightest = periods.reduce<ClientQuotaStand | undefined>(
    (most, stand) => (most === undefined || part(stand) > part(most) ? stand : most),
    undefined,
  );
  return tightest === undefined ? <span class="hint">–</span> : <QuotaBar stand={tightest} name={name} />;
}

/** Decimal, as quotas are sold. */
export function gigabytes(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${Number((bytes / 1e9).toFixed(2))} GB`;
}

export function QuotaBar({ stand, name }: { stand: ClientQuotaStand; name: string }): JSX.Element {
  const { period, usedBytes, quotaBytes } = stand;
  if (quotaBytes === 0) return <small>{gigabytes(usedBytes)}, no quota</small>;
  const percent = (100 * usedBytes) / quotaBytes;
  const tone = percent >= 100 ? 'bad' : percent >= 80 ? 'warn' : 'quiet';
  return (
    <>
      <Meter percent={percent} label={`${name}: quota of the ${period}`} tone={tone} />
      <small>
        {gigabytes(usedBytes)} of {gigabytes(quotaBytes)} {period === 'day' ? 'today' : 'this month'}
      </small>
    </>
  );
}

export function ClientButtons({ client, ask }: { client: ClientRow; ask: (asked: Asked) => void }): JSX.Element {
  const { name, state } = client;
  const isOff = state === 'disabled';
  const turn = (): Promise<string> =>
    change(isOff ? 'client.enable' : 'client.disable', { name }).then((row) => {
      put(row);
      return `${name} was ${isOff ? 'enabled' : 'disabled and cut off'}`;
    });
  const kick = (): Promise<string> =>
    change('client.kick', { name }).then((row) => {
      put(row);
      return `The sessions of ${name} were ended; it may connect again`;
    });
  return (
    <span class="buttons">
      <button
        type="button"
        class="quiet"
        aria-label={`${isOff ? 'Enable' : 'Disable'} ${name}`}
        onClick={() => deed(turn)}
      >
        {isOff ? 'Enable' : 'Disable'}
      </button>
      <button type="button" class="quiet" aria-label={`Kick ${name}`} onClick={() => deed(kick)}>
        Kick
      </button>
      {may('admin') ? (
        <>
          <button
            type="button"
            class="quiet"
            aria-label={`Set limits of ${name}`}
            onClick={() => ask({ what: 'limits', name })}
          >
            Limits
          </button>
          <button
            type="button"
            class="quiet bad"
            aria-label={`Remove ${name}`}
            onClick={() => ask({ what: 'remove', name })}
          >
            Remove
          </button>
        </>
      ) : null}
    </span>
  );
}

function Answers({
  asked,
  ask,
}: {
  asked: Asked | undefined;
  ask: (asked: Asked | undefined) => void;
}): JSX.Element | null {
  // It may leave the page that is shown while something is done with it.
  const last = useRef<ClientRow | undefined>(undefined);
  if (asked === undefined) return null;
  const close = (): void => ask(undefined);
  if (asked.what === 'add') return <AddClient onClose={close} />;
  const shown = clients.value?.clients.find(({ name }) => name === asked.name);
  const client = shown ?? (last.current?.name === asked.name ? last.current : undefined);
  if (client === undefined) return null;
  last.current = client;
  if (asked.what === 'show') return <ClientSheet key="show" client={client} ask={ask} onClose={close} />;
  if (asked.what === 'limits') return <LimitsDialog key="limits" client={client} onClose={close} />;
  return (
    <Confirm
      key="remove"
      title={`Remove ${client.name}?`}
      text="It is cut off at once, its keys stop working for good and its addresses are free again. It cannot be taken back: the client would have to be added anew, with a new code."
      verb={`Remove ${client.name}`}
      onClose={close}
      act={() =>
        change('client.remove', { name: client.name, revision: client.revision }).then(() => {
          drop(client.name);
          return `${client.name} was removed`;
        })
      }
    />
  );
}

function Invitations(): JSX.Element | null {
  const open = invitations.value;
  if (open.length === 0) return null;
  const revoke = (name: string) => (): Promise<string> =>
    change('invite.revoke', { name }).then(async () => {
      await refreshClients();
      return `The invitation of ${name} was taken back`;
    });
  return (
    <Card title="Open invitations">
      <Table
        label="Invitations"
        head={[{ text: 'For' }, { text: 'State' }, { text: 'Expires in', class: 'number' }, { text: 'Action' }]}
      >
        {open.map(({ name, state, expiresMs }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{state}</td>
            <td class="number">{humanDuration(Math.max(0, expiresMs - nowMs.value))}</td>
            <td>
              {may('admin') ? (
                <button
                  type="button"
                  class="quiet"
                  aria-label={`Take back the invitation of ${name}`}
                  onClick={() => deed(revoke(name))}
                >
                  Take back
                </button>
              ) : (
                '–'
              )}
            </td>
          </tr>
        ))}
      </Table>
    </Card>
  );
}
