/** The configuration: its text with the schema's help, what a change would do, and the minute in which it has to be kept. */
import { computed, effect, signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ConfigCheck, ConfigDiff, ConfigText } from '../control/config-calls.ts';
import { ApiError, change, read } from './api.ts';
import { helpOf, keyPathAt, nodeAt, type SchemaNode } from './config-help.ts';
import { Card, DeedFooter, Dialog, deed, FailureText, say, useDeed } from './parts.tsx';
import { may, nowMs, top } from './state.ts';

/** After the last key was pressed. */
const settleMs = 500;

/** What stands in the editor outlives a look at another view. */
const text = signal<string | undefined>(undefined);
const file = signal<ConfigText | undefined>(undefined);
const found = signal<ConfigCheck | undefined>(undefined);
const schema = signal<SchemaNode | undefined>(undefined);
/** When what is on trial is taken back, by this machine's clock, and which revision it is. */
const trial = signal<{ readonly revision: string; readonly untilMs: number } | undefined>(undefined);
const leftSeconds = computed(() => Math.max(0, Math.ceil(((trial.value?.untilMs ?? 0) - nowMs.value) / 1000)));

effect(() => {
  const told = top.value?.status.trial;
  const was = trial.peek();
  trial.value = told && { revision: told.revision, untilMs: Date.now() + told.leftMs };
  if (was !== undefined && told === undefined) void load(false).then(() => handleEnd(was.revision));
});

function handleEnd(revision: string): void {
  const isKept = file.peek()?.revision === revision;
  say(isKept ? 'The configuration was kept' : 'The change was taken back: the configuration of before runs', !isKept);
}

async function load(anew: boolean): Promise<void> {
  if (!may('admin')) return;
  try {
    file.value = await read('config.read');
    schema.value ??= await read('config.schema');
    if (anew || text.peek() === undefined) text.value = file.value.text;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (anew) say(error.message, true);
  }
}

/** On every view, for everybody: what they see may be another thing in a minute. */
export function TrialBanner(): JSX.Element | null {
  const now = trial.value;
  if (now === undefined) return null;
  const decide = (name: 'config.confirm' | 'config.revert') => (): Promise<void> =>
    deed(() => change(name, { revision: now.revision }).then(() => ''));
  return (
    <section class="banner" aria-label="A configuration on trial">
      <strong>Another configuration is on trial.</strong> It is taken back in {leftSeconds.value} s.{' '}
      {may('admin') ? (
        <span class="buttons">
          <button type="button" class="primary" onClick={decide('config.confirm')}>
            Keep it
          </button>
          <button type="button" onClick={decide('config.revert')}>
            Take it back
          </button>
        </span>
      ) : null}
    </section>
  );
}

export function ConfigView(): JSX.Element {
  const [diff, setDiff] = useState<ConfigDiff>();
  const [at, setAt] = useState(0);
  const { isBusy, failure, run } = useDeed();
  useEffect(() => void load(text.peek() === undefined), []);
  const now = text.value ?? '';
  useEffect(() => {
    const timer = setTimeout(() => void check(now), settleMs);
    return () => clearTimeout(timer);
  }, [now]);
  const isSame = now === file.value?.text;
  const hasProblems = (found.value?.problems.length ?? 0) > 0;
  return (
    <Card
      title="Configuration"
      actions={
        <span class="buttons">
          <button type="button" disabled={isSame} onClick={() => void load(true)}>
            Start over
          </button>
          <button
            type="button"
            class="primary"
            disabled={isBusy || isSame || hasProblems || trial.value !== undefined}
            onClick={() =>
              run(async () => {
                setDiff(await change('config.diff', { text: now }));
                return '';
              })
            }
          >
            Compare and apply
          </button>
        </span>
      }
    >
      <p class="hint">
        <span class="code">{file.value?.file}</span>. A change runs for a minute and is taken back unless it is kept.
        Words such as UNCHANGED-SECRET-1 stand for secrets.
      </p>
      <FailureText failure={failure} />
      <Editor text={now} onMove={setAt} />
      <Findings />
      <Help text={now} at={at} />
      {diff === undefined ? null : <DiffDialog diff={diff} text={now} onClose={() => setDiff(undefined)} />}
    </Card>
  );
}

async function check(now: string): Promise<void> {
  if (now === '') return;
  try {
    const answer = await change('config.check', { text: now });
    if (text.peek() === now) found.value = answer;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

function Editor({ text: now, onMove }: { text: string; onMove: (at: number) => void }): JSX.Element {
  const numbers = useRef<HTMLPreElement>(null);
  const wrong = new Set(found.value?.problems.map(({ line }) => line));
  return (
    <div class="editor">
      <pre ref={numbers} aria-hidden="true">
        {now.split('\n').map((_, index) => (
          <span key={index} class={wrong.has(index + 1) ? 'bad' : ''}>{`${index + 1}\n`}</span>
        ))}
      </pre>
      <textarea
        id="config-text"
        aria-label="Text of the configuration"
        aria-describedby="config-found"
        aria-invalid={wrong.size > 0}
        spellcheck={false}
        autocapitalize="off"
        wrap="off"
        rows={24}
        value={now}
        onInput={({ currentTarget }) => {
          text.value = currentTarget.value;
        }}
        onSelect={({ currentTarget }) => onMove(currentTarget.selectionStart)}
        onScroll={({ currentTarget }) => {
          if (numbers.current) numbers.current.scrollTop = currentTarget.scrollTop;
        }}
      />
    </div>
  );
}

function Findings(): JSX.Element {
  const { problems = [], warnings = [] } = found.value ?? {};
  return (
    <div id="config-found" role="status">
      <ul class="sentences">
        {found.value !== undefined && problems.length + warnings.length === 0 ? <li>No problems.</li> : null}
        {problems.map(({ line, column, path, message, allowed }) => (
          <li key={`${line} ${column} ${message}`} class="problem">
            <button type="button" class="link" onClick={() => goTo(line, column)}>
              Line {line}
            </button>{' '}
            {path === '' ? '' : `${path}: `}
            {message}
            {allowed.length === 0 ? null : <span class="remedy">Allowed: {allowed.join(', ')}</span>}
          </li>
        ))}
        {warnings.map(({ path, message }) => (
          <li key={path + message}>
            {path}: {message}
          </li>
        ))}
      </ul>
    </div>
  );
}

function goTo(line: number, column: number): void {
  const field = document.querySelector<HTMLTextAreaElement>('#config-text');
  const lines = field?.value.split('\n').slice(0, line - 1) ?? [];
  const at = lines.join('\n').length + (lines.length > 0 ? 1 : 0) + column - 1;
  field?.focus();
  field?.setSelectionRange(at, at);
}

function Help({ text: now, at }: { text: string; at: number }): JSX.Element | null {
  const path = keyPathAt(now, at);
  const node = schema.value && nodeAt(schema.value, path);
  if (node === undefined || path.length === 0) return null;
  const name = path.join('.');
  return (
    <p class="hint">
      <strong class="code">{name}</strong>{' '}
      {file.value?.reserved.some((key) => name.startsWith(key.replaceAll('[]', '')))
        ? 'Changes on the host alone (hawser config apply). '
        : ''}
      {helpOf(node).join(' · ')}
    </p>
  );
}

function DiffDialog({
  diff,
  text: now,
  onClose,
}: {
  diff: ConfigDiff;
  text: string;
  onClose: () => void;
}): JSX.Element {
  const { changes, renewed, started, ended, lines } = diff;
  const threads = Object.entries({ renewed, started, ended }).filter(([, ids]) => ids.length > 0);
  const apply = async (): Promise<string> => {
    await change('config.apply', { text: now, revision: file.peek()?.revision }).catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.status !== 0) throw error;
      throw new ApiError(
        0,
        'The daemon did not answer.',
        'If the change has cut this page off, it is taken back within a minute.',
      );
    });
    return 'It runs now: keep it within a minute';
  };
  return (
    <Dialog title="Apply this for a minute?" class="sheet" onClose={onClose}>
      <ul class="sentences">
        {changes.length === 0 ? <li>Nothing that runs changes.</li> : changes.map((one) => <li key={one}>{one}</li>)}
      </ul>
      {threads.map(([verb, ids]) => (
        <p key={verb} class="hint">
          Threads {verb}: {ids.join(', ')}
        </p>
      ))}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
      <section class="diff" tabIndex={0} aria-label="Lines that differ">
        {lines.map(({ kind, text: line, before, after }) => (
          <div key={`${before} ${after} ${kind}`} class={kind}>
            {kind === 'gap' ? '…' : `${kind === 'added' ? '+' : kind === 'removed' ? '-' : ' '}${line}`}
          </div>
        ))}
      </section>
      <DeedFooter verb="Apply for 60 s" class="primary" onClose={onClose} act={apply} />
    </Dialog>
  );
}
