/** One client with all that is known of it, and the fields of its limits. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ClientRow } from '../control/client-calls.ts';
import { humanBytes, humanDuration, humanRate } from '../control/human-numbers.ts';
import { change } from './api.ts';
import { put, refreshUsage } from './client-state.ts';
import { type Asked, ClientButtons, ClientState, QuotaBar } from './clients.tsx';
import { changeOf, type LimitField, type LimitTexts, limitFields, textsOf } from './limit-fields.ts';
import { Dialog, type Failure, FailureText, useDeed } from './parts.tsx';
import { may, nowMs, sessions, usage } from './state.ts';

const shownDays = 7;

interface SheetProps {
  readonly client: ClientRow;
  readonly ask: (asked: Asked) => void;
  readonly onClose: () => void;
}

export function ClientSheet({ client, ask, onClose }: SheetProps): JSX.Element {
  const { name, devices, limits, expiresMs } = client;
  const own = sessions.value.filter((session) => session.client === name);
  const used = usage.value.get(name);
  const rate = (bps: number): string => (bps === 0 ? 'no limit' : humanRate(bps));
  return (
    <Dialog title={name} onClose={onClose} class="sheet">
      <p>
        <ClientState client={client} />
      </p>
      {(used?.periods ?? []).map((stand) => (
        <p class="wide" key={stand.period}>
          <QuotaBar stand={stand} name={name} />
        </p>
      ))}
      <dl class="pairs">
        {devices.map(({ peer, addresses, refusal }) => [
          <dt key={peer}>{devices.length === 1 ? 'Addresses' : peer}</dt>,
          <dd key={`${peer} addresses`} class="code">
            {addresses.join(' ')}
            {refusal === undefined ? '' : ` – last refused ${humanDuration(refusal.ageMs)} ago: ${refusal.reason}`}
          </dd>,
        ])}
        <dt>Rates</dt>
        <dd>
          ↓ {rate(limits.downBps)}, ↑ {rate(limits.upBps)}, priority {limits.priority}
        </dd>
        <dt>Expires</dt>
        <dd>{expiresMs === undefined ? 'never' : new Date(expiresMs).toLocaleString()}</dd>
        {own.map(({ id, endpoint, sinceMs, upBytes, downBytes }) => [
          <dt key={id}>Session</dt>,
          <dd key={`${id} text`}>
            from {endpoint ?? 'nowhere'} for {humanDuration(Math.max(0, nowMs.value - sinceMs))}, ↓{' '}
            {humanBytes(downBytes)}, ↑ {humanBytes(upBytes)}
          </dd>,
        ])}
        {(used?.days ?? []).slice(0, shownDays).map(({ day, upBytes, downBytes }) => [
          <dt key={day}>{day}</dt>,
          <dd key={`${day} text`}>
            ↓ {humanBytes(downBytes)}, ↑ {humanBytes(upBytes)}
          </dd>,
        ])}
      </dl>
      {may('operator') ? (
        <footer>
          <ClientButtons client={client} ask={ask} />
        </footer>
      ) : null}
    </Dialog>
  );
}

export function LimitInputs({
  texts,
  onChange,
}: {
  texts: LimitTexts;
  onChange: (texts: LimitTexts) => void;
}): JSX.Element {
  return (
    <fieldset class="fields">
      <legend>Limits: a number, “off”, or empty for what the hub has for all</legend>
      {(Object.entries(limitFields) as [LimitField, string][]).map(([field, label]) => (
        <label key={field}>
          {label}
          <input
            inputMode="decimal"
            name={field}
            autocomplete="off"
            placeholder="as for all"
            value={texts[field]}
            onInput={({ currentTarget }) => onChange({ ...texts, [field]: currentTarget.value })}
          />
        </label>
      ))}
    </fieldset>
  );
}

export function unreadable(field: LimitField, texts: LimitTexts): Failure {
  return {
    text: `“${texts[field]}” is no limit (${limitFields[field]})`,
    remedy: 'Write a number above 0, off, or nothing.',
  };
}

export function LimitsDialog({ client, onClose }: { client: ClientRow; onClose: () => void }): JSX.Element {
  // As it is shown: what somebody else does meanwhile shall not be undone by it.
  const [{ revision }] = useState(client);
  const [before] = useState(textsOf(client));
  const [texts, setTexts] = useState(before);
  const [fault, setFault] = useState<Failure>();
  const { isBusy, failure, run } = useDeed();
  const { name } = client;
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const { change: wanted, wrong } = changeOf(texts, before);
    setFault(wrong === undefined ? undefined : unreadable(wrong, texts));
    if (wrong !== undefined) return;
    const isDone = await run(async () => {
      put(await change('client.set', { name, revision, ...wanted }));
      void refreshUsage();
      return `The limits of ${name} hold now`;
    });
    if (isDone) onClose();
  };
  return (
    <Dialog title={`Limits of ${name}`} onClose={onClose}>
      <form onSubmit={submit}>
        <LimitInputs texts={texts} onChange={setTexts} />
        <FailureText failure={fault ?? failure} />
        <footer>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={isBusy}>
            Set
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
