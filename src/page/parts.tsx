/** What every view is made of. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { ApiError } from './api.ts';
import { notice } from './state.ts';

export type Tone = 'ok' | 'warn' | 'bad' | 'quiet';

/** A word with a dot; the colour only repeats what the word says. */
export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }): JSX.Element {
  return (
    <span class={`badge ${tone}`}>
      <span class="dot" aria-hidden="true" />
      {children}
    </span>
  );
}

/** 0 to 100 of something, with a name for who does not see it. */
export function Meter({
  percent,
  label,
  tone = 'quiet',
}: {
  percent: number;
  label: string;
  tone?: Tone;
}): JSX.Element {
  const shown = Math.max(0, Math.min(100, percent));
  return (
    // biome-ignore lint/a11y/useSemanticElements: no two browsers let <meter> be drawn alike
    <span
      class={`meter ${tone}`}
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(shown)}
    >
      <span style={{ width: `${shown}%` }} />
    </span>
  );
}

export function Card({ title, actions, children, class: more = '' }: CardProps): JSX.Element {
  const id = useId();
  return (
    <section class={`card ${more}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {actions}
      </header>
      {children}
    </section>
  );
}

interface CardProps {
  readonly title: string;
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
  readonly class?: string;
}

/** Several words of which one holds. */
export function Choice<T extends string>({ label, options, value, onChoose }: ChoiceProps<T>): JSX.Element {
  return (
    <fieldset class="choice" aria-label={label}>
      {options.map(([key, text]) => (
        <button type="button" key={key} aria-pressed={key === value} onClick={() => onChoose(key)}>
          {text}
        </button>
      ))}
    </fieldset>
  );
}

interface ChoiceProps<T extends string> {
  readonly label: string;
  readonly options: readonly (readonly [T, string])[];
  readonly value: T;
  readonly onChoose: (value: T) => void;
}

/** Scrolls to the side where it has no room, by keyboard too. */
export function Table({ label, head, children }: TableProps): JSX.Element {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <section class="scroll" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {head.map((one) => (
              <th key={one.text} scope="col" class={one.class}>
                {one.text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}

interface TableProps {
  readonly label: string;
  readonly head: readonly { readonly text: string; readonly class?: string }[];
  readonly children: ComponentChildren;
}

/** The browser's own modal dialog: it keeps the focus, and Escape closes it. */
export function Dialog({ title, onClose, children, class: more = '' }: DialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class={more} aria-labelledby={id} onClose={onClose}>
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" class="plain" aria-label="Close" onClick={() => dialog.current?.close()}>
          ✕
        </button>
      </header>
      {children}
    </dialog>
  );
}

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly class?: string;
}

export interface Failure {
  readonly text: string;
  readonly remedy: string | undefined;
}

export function FailureText({ failure }: { failure: Failure | undefined }): JSX.Element {
  return (
    <div role="alert">
      {failure === undefined ? null : (
        <p class="failure">
          <strong>{failure.text}</strong>
          {failure.remedy === undefined ? null : <span> {failure.remedy}</span>}
        </p>
      )}
    </div>
  );
}

/** Does something that the daemon may refuse; `act` resolves to what is said of it. */
export function useDeed(): {
  isBusy: boolean;
  failure: Failure | undefined;
  run(act: () => Promise<string>): Promise<boolean>;
} {
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const run = async (act: () => Promise<string>): Promise<boolean> => {
    setBusy(true);
    setFailure(undefined);
    try {
      say(await act());
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setFailure({ text: error.message, remedy: error.remedy });
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { isBusy, failure, run };
}

/** As `useDeed`, for a button without room for words. */
export async function deed(act: () => Promise<string>): Promise<void> {
  try {
    say(await act());
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    say(error.remedy === undefined ? error.message : `${error.message} (${error.remedy})`, true);
  }
}

const noticeMs = 6_000;
let noticeTimer: ReturnType<typeof setTimeout> | undefined;

export function say(text: string, isBad = false): void {
  if (text === '') return;
  notice.value = { text, isBad };
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(
    () => {
      notice.value = undefined;
    },
    isBad ? 2 * noticeMs : noticeMs,
  );
}

interface DeedProps {
  readonly verb: string;
  readonly class: 'primary' | 'danger';
  readonly onClose: () => void;
  readonly act: () => Promise<string>;
}

/** The end of a dialog that does one thing: it stays open, with the reason, when that fails. */
export function DeedFooter({ verb, class: kind, onClose, act }: DeedProps): JSX.Element {
  const { isBusy, failure, run } = useDeed();
  return (
    <>
      <FailureText failure={failure} />
      <footer>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button
          type="button"
          class={kind}
          disabled={isBusy}
          onClick={async () => {
            if (await run(act)) onClose();
          }}
        >
          {verb}
        </button>
      </footer>
    </>
  );
}

/** Asks once more before something that cannot be taken back. */
export function Confirm({ title, text, verb, onClose, act }: ConfirmProps): JSX.Element {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <DeedFooter verb={verb} class="danger" onClose={onClose} act={act} />
    </Dialog>
  );
}

interface ConfirmProps {
  readonly title: string;
  readonly text: string;
  readonly verb: string;
  readonly onClose: () => void;
  readonly act: () => Promise<string>;
}
