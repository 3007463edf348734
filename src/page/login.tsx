/** The door: how to get a login, and a field for a token. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ApiError } from './api.ts';
import { type Failure, FailureText } from './parts.tsx';
import { begin, codeOfAddress, loginWithToken } from './session.ts';

export function Login({ failure }: { failure: ApiError | undefined }): JSX.Element {
  const [shown, setShown] = useState<Failure | undefined>(
    failure === undefined ? undefined : { text: failure.message, remedy: failure.remedy },
  );
  const [isBusy, setBusy] = useState(false);
  const show = (error: ApiError | undefined): void => {
    setBusy(false);
    setShown(error === undefined ? undefined : { text: error.message, remedy: error.remedy });
  };
  return (
    <main class="door">
      <form
        onSubmit={async (event) => {
          event.preventDefault();
          const field = new FormData(event.currentTarget).get('token');
          if (typeof field !== 'string' || field.trim() === '') return;
          setBusy(true);
          // A whole address is pasted as easily as a token.
          const code = /#login=([A-Za-z0-9_-]+)\s*$/.exec(field)?.[1] ?? codeOfAddress();
          show(code === undefined ? await loginWithToken(field) : await begin(code));
        }}
      >
        <h1>
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <path d="M4 10c9 0 15 12 24 12" />
            <path d="M4 22c9 0 15-12 24-12" />
          </svg>
          Hawser
        </h1>
        <p>
          On the host, <code>hawser open</code> prints an address that logs you in once. Or paste a token of{' '}
          <code>hawser token add</code>:
        </p>
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="off" spellcheck={false} required />
        <FailureText failure={shown} />
        <button type="submit" class="primary" disabled={isBusy}>
          Log in
        </button>
        <p class="hint">The token is kept in this tab until it is closed, and sent to this host only.</p>
      </form>
    </main>
  );
}
