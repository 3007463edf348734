/** A new client: its key is made in this browser, and its file is shown once, as a code for the WireGuard app and as text. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { HubFacts } from '../control/client-calls.ts';
import { stockFile } from '../control/stock-file.ts';
import { change, read } from './api.ts';
import { LimitInputs, unreadable } from './client-sheet.tsx';
import { put } from './client-state.ts';
import { changeOf, noTexts } from './limit-fields.ts';
import { Dialog, type Failure, FailureText, say, useDeed } from './parts.tsx';
import { qrPath } from './qr-path.ts';
import { newKeyPair } from './x25519.ts';

const dayMs = 86_400_000;
const expiries: readonly (readonly [string, string])[] = [
  ['', 'never'],
  ['1', 'in a day'],
  ['7', 'in a week'],
  ['30', 'in 30 days'],
  ['365', 'in a year'],
];
const everything = ['0.0.0.0/0', '::/0'];

interface Made {
  readonly name: string;
  readonly file: string;
}

export function AddClient({ onClose }: { onClose: () => void }): JSX.Element {
  const [made, setMade] = useState<Made>();
  if (made !== undefined) return <Code made={made} onClose={onClose} />;
  return (
    <Dialog key="form" title="Add a client" onClose={onClose}>
      <Form onMade={setMade} onClose={onClose} />
    </Dialog>
  );
}

function Form({ onMade, onClose }: { onMade: (made: Made) => void; onClose: () => void }): JSX.Element {
  const [hub, setHub] = useState<HubFacts>();
  const [texts, setTexts] = useState(noTexts);
  const [fault, setFault] = useState<Failure>();
  const { isBusy, failure, run } = useDeed();
  useEffect(() => {
    void run(async () => {
      setHub(await read('hub'));
      return '';
    });
  }, []);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const { change: limits, wrong } = changeOf(texts, noTexts);
    setFault(wrong === undefined ? undefined : unreadable(wrong, texts));
    if (wrong !== undefined) return;
    await run(async () => {
      onMade(await add(form, limits));
      return '';
    });
  };
  return (
    <form onSubmit={submit}>
      <div class="fields">
        <label>
          Name
          <input name="name" required maxLength={64} autocomplete="off" spellcheck={false} placeholder="phone" />
        </label>
        <label>
          Expires
          <select name="expires">
            {expiries.map(([days, text]) => (
              <option key={days} value={days}>
                {text}
              </option>
            ))}
          </select>
        </label>
        {hub?.endpoints.length === 0 && hub.ports.udp !== undefined ? (
          <label>
            Address of this hub
            <input
              name="endpoint"
              required
              autocomplete="off"
              spellcheck={false}
              defaultValue={`${location.hostname}:${hub.ports.udp}`}
            />
            <small>Nobody has written server.endpoint into its file.</small>
          </label>
        ) : null}
        <label class="check">
          <input type="checkbox" name="everything" />
          It sends everything through this hub, not only what lies behind it
        </label>
      </div>
      <details>
        <summary>Limits of its own</summary>
        <LimitInputs texts={texts} onChange={setTexts} />
      </details>
      <FailureText failure={fault ?? failure ?? lackOf(hub)} />
      <footer>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button type="submit" class="primary" disabled={isBusy || hub?.ports.udp === undefined}>
          Add
        </button>
      </footer>
    </form>
  );
}

/** What keeps a client of WireGuard from finding this hub. */
function lackOf(hub: HubFacts | undefined): Failure | undefined {
  if (hub === undefined || hub.ports.udp !== undefined) return undefined;
  const text = 'WireGuard needs UDP, and this hub has no UDP port of its own.';
  return { text, remedy: 'Write listen.udp in its file; machines with Hawser are invited by `hawser invite`.' };
}

async function add(form: FormData, limits: object): Promise<Made> {
  const text = (field: string): string => String(form.get(field) ?? '').trim();
  const keys = newKeyPair((bytes) => crypto.getRandomValues(bytes));
  const days = Number(text('expires'));
  const answer = await change('client.add', {
    name: text('name'),
    publicKey: keys.publicKey,
    ...(days > 0 ? { expiresMs: Date.now() + days * dayMs } : {}),
    ...limits,
  });
  put(answer.client);
  const { hub } = answer;
  const file = stockFile({
    ...answer,
    privateKey: keys.privateKey,
    endpoints: text('endpoint') === '' ? hub.endpoints : [text('endpoint')],
    allowed: form.get('everything') === null ? hub.networks : everything,
  });
  return { name: answer.client.name, file };
}

function Code({ made, onClose }: { made: Made; onClose: () => void }): JSX.Element {
  return (
    <Dialog key="code" title={`${made.name} was added`} onClose={onClose} class="codebox">
      <p>
        Scan this with the WireGuard app. It is shown <strong>once</strong>: the private key in it was made in this
        browser and is kept nowhere else.
      </p>
      <QrCode text={made.file} />
      <details>
        <summary>As text</summary>
        <textarea
          readOnly
          rows={12}
          aria-label="File for WireGuard"
          value={made.file}
          onFocus={({ currentTarget }) => currentTarget.select()}
        />
      </details>
      <footer>
        <button type="button" onClick={() => save(made)}>
          Save {made.name}.conf
        </button>
        <button type="button" class="primary" onClick={onClose}>
          Done
        </button>
      </footer>
    </Dialog>
  );
}

function save({ name, file }: Made): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([file], { type: 'application/x-wireguard-profile' }));
  link.download = `${name.replace(/[^A-Za-z0-9_-]/g, '_')}.conf`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
  say(`${link.download} was saved: whoever has it is that client`);
}

/** Modules of the code as one path, dark on white whatever the theme. */
function QrCode({ text }: { text: string }): JSX.Element {
  const { size, path } = useMemo(() => qrPath(text), [text]);
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label="QR code with the file for WireGuard">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}
