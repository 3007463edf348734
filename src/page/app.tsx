/** The frame: who is logged in, which view is open, whether the daemon speaks. */
import { computed, signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { humanDuration } from '../control/human-numbers.ts';
import { ActorsView } from './actors.tsx';
import type { ApiError } from './api.ts';
import { keepClients } from './client-state.ts';
import { ClientsView } from './clients.tsx';
import { ConfigView, TrialBanner } from './config.tsx';
import { EventsView } from './events.tsx';
import { start, stop } from './live.ts';
import { Login } from './login.tsx';
import { Overview } from './overview.tsx';
import { leave } from './session.ts';
import { firstVersion, hasClients, may, me, notice, nowMs, silentSinceMs, top, verdict } from './state.ts';
import { chooseTheme, type Theme, theme } from './theme.ts';

const views = {
  overview: ['Overview', 'M3 12h4l3-7 4 14 3-7h4'],
  clients: [
    'Clients',
    'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zm8 0a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM3 19c0-3 2-5 5-5s5 2 5 5m2-5c3 0 5 2 5 5',
  ],
  actors: ['Actors', 'M4 4h6v6H4zm10 0h6v6h-6zM4 14h6v6H4zm10 0h6v6h-6z'],
  events: ['Events', 'M5 6h14M5 12h14M5 18h9'],
  config: ['Configuration', 'M4 7h10m4 0h2M4 17h2m4 0h10M16 5v4M8 15v4'],
} as const;
type View = keyof typeof views;

const view = signal<View>(viewOfAddress());
addEventListener('hashchange', () => {
  view.value = viewOfAddress();
});

function viewOfAddress(): View {
  const name = location.hash.replace(/^#\/?/, '');
  return Object.hasOwn(views, name) ? (name as View) : 'overview';
}

/** A daemon without clients has no view of them, and who may not change the configuration none of it. */
const shown = computed(() => (Object.keys(views) as View[]).filter(isShown));

function isShown(name: View): boolean {
  return (name !== 'clients' || hasClients.value) && (name !== 'config' || may('admin'));
}

export function App({ failure }: { failure: ApiError | undefined }): JSX.Element {
  const who = me.value;
  useEffect(() => {
    const names = { well: '', hurt: '▲ ', down: '■ ', unknown: '… ' } as const;
    document.title = who ? `${names[verdict.value.health]}${who.instance} · Hawser` : 'Hawser';
  });
  useEffect(() => {
    if (!who) return undefined;
    start();
    const ended = keepClients();
    return () => {
      stop();
      ended();
    };
  }, [who === null || who === undefined]);
  if (!who) return <Login failure={failure} />;
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to the content
      </button>
      <Header />
      <Banner />
      <TrialBanner />
      <main id="main" tabIndex={-1} class={silentSinceMs.value === undefined ? '' : 'stale'}>
        <Chosen />
      </main>
      <Notice />
    </>
  );
}

function Chosen(): JSX.Element {
  if (top.value === undefined) return <p class="empty">Asking the daemon …</p>;
  if (!isShown(view.value)) return <Overview />;
  if (view.value === 'clients') return <ClientsView />;
  if (view.value === 'config') return <ConfigView />;
  if (view.value === 'actors') return <ActorsView />;
  return view.value === 'events' ? <EventsView /> : <Overview />;
}

function Header(): JSX.Element {
  const who = me.value;
  const health = verdict.value.health;
  return (
    <header class="bar">
      <a class="brand" href="#/overview">
        <span class={`lamp ${health}`} aria-hidden="true" />
        <strong>{who?.instance}</strong>
        <span class="product">Hawser</span>
      </a>
      <nav aria-label="Views">
        {shown.value.map((name) => (
          <a key={name} href={`#/${name}`} aria-current={view.value === name ? 'page' : undefined}>
            <svg viewBox="0 0 24 24" aria-hidden="true">
              <path d={views[name][1]} />
            </svg>
            {views[name][0]}
          </a>
        ))}
      </nav>
      <Menu />
    </header>
  );
}

const themes: readonly (readonly [Theme, string])[] = [
  ['auto', 'As the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

function Menu(): JSX.Element {
  const who = me.value;
  return (
    <details class="menu">
      <summary aria-label="Appearance and login">
        <span aria-hidden="true">⋯</span>
      </summary>
      <div>
        <label>
          Appearance
          <select value={theme.value} onChange={({ currentTarget }) => chooseTheme(currentTarget.value as Theme)}>
            {themes.map(([name, text]) => (
              <option key={name} value={name}>
                {text}
              </option>
            ))}
          </select>
        </label>
        <p>
          {who?.name}, {who?.role}
          <br />
          <small>hawser {who?.version}</small>
        </p>
        <button type="button" onClick={leave}>
          Log out
        </button>
      </div>
    </details>
  );
}

/** The daemon's silence, and a page that is older than the daemon. */
function Banner(): JSX.Element {
  const since = silentSinceMs.value;
  const isOld = firstVersion.value !== undefined && me.value?.version !== firstVersion.value;
  return (
    <div role="alert">
      {since === undefined ? null : (
        <p class="banner bad">
          <strong>The daemon does not answer</strong> for {humanDuration(Math.max(1000, nowMs.value - since))}. What you
          see is what it said last; the page asks again by itself.
        </p>
      )}
      {isOld ? (
        <p class="banner">
          The daemon is version {me.value?.version} now, this page came with {firstVersion.value}.{' '}
          <button type="button" onClick={() => location.reload()}>
            Load the new page
          </button>
        </p>
      ) : null}
    </div>
  );
}

function Notice(): JSX.Element {
  const told = notice.value;
  return (
    <div class="notice" role="status">
      {told === undefined ? null : <p class={told.isBad ? 'bad' : ''}>{told.text}</p>}
    </div>
  );
}
