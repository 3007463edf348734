/** One look: is it well, what carries, how fast, and what happened last. */
import type { JSX } from 'preact';
import type { Explanation } from '../control/explain.ts';
import { humanAge, humanBytes, humanDuration, humanMs, humanPercent, humanRate } from '../control/human-numbers.ts';
import type { LinkStatus, PathStatus } from '../control/network-rows.ts';
import type { PeerStatus } from '../control/rows.ts';
import { change } from './api.ts';
import { EventLine } from './events.tsx';
import { Badge, Card, deed, Meter, Table, type Tone } from './parts.tsx';
import { Plots } from './plots.tsx';
import { isMark } from './sentences.ts';
import { events, may, series, top, verdict } from './state.ts';

export function Overview(): JSX.Element {
  return (
    <>
      <VerdictCard />
      <Links />
      <Plots />
      <div class="columns">
        <LastEvents />
        <Peers />
      </div>
      <Paths />
    </>
  );
}

function VerdictCard(): JSX.Element {
  const { health, headline, problems, limits, notes } = verdict.value;
  const status = top.value?.status;
  return (
    <section class={`verdict ${health}`} aria-label="Verdict">
      <div role="status">
        <h1>{headline}</h1>
      </div>
      {status === undefined ? null : (
        <p class="facts">
          {status.peersConnected} of {status.peers} {status.peers === 1 ? 'peer' : 'peers'} connected ·{' '}
          <span class="nobreak">↓ {humanRate(status.receivedBps)}</span> ·{' '}
          <span class="nobreak">↑ {humanRate(status.sentBps)}</span> · up for {humanDuration(status.uptimeMs)}
        </p>
      )}
      {problems.length === 0 ? null : <Sentences of={problems} />}
      {limits.length + notes.length === 0 ? null : (
        <details>
          <summary>
            {limits.length > 0 ? 'What limits the speed now' : 'Worth knowing'} ({limits.length + notes.length})
          </summary>
          <Sentences of={[...limits, ...notes]} />
        </details>
      )}
    </section>
  );
}

function Sentences({ of }: { of: readonly Explanation[] }): JSX.Element {
  return (
    <ul class="sentences">
      {of.map(({ text, remedy, severity }, index) => (
        <li key={index} class={severity}>
          {text}.{remedy === undefined ? null : <span class="remedy">{remedy}</span>}
        </li>
      ))}
    </ul>
  );
}

const linkTones: Readonly<Record<string, Tone>> = { up: 'ok', degraded: 'warn', disabled: 'quiet' };

function Links(): JSX.Element {
  const { status, paths } = top.value ?? { status: { links: [] }, paths: [] };
  return (
    <section class="links" aria-label="Links">
      {status.links.map((link) => (
        <Link key={link.name} link={link} paths={paths.filter((path) => path.link === link.name)} />
      ))}
    </section>
  );
}

/** Of several paths the one that carries most speaks for the link. */
function leadOf(paths: readonly PathStatus[]): PathStatus | undefined {
  const rank = (path: PathStatus): number => (path.isCurrent ? 1 : 0) + path.sentBps + path.receivedBps;
  return paths.reduce<PathStatus | undefined>(
    (best, path) => (best === undefined || rank(path) > rank(best) ? path : best),
    undefined,
  );
}

function stateOf(link: LinkStatus, lead: PathStatus | undefined): { readonly text: string; readonly tone: Tone } {
  const condition = lead?.condition;
  const isTold = link.state !== 'up' || condition === undefined || condition === 'live';
  if (!isTold) return { text: condition, tone: condition === 'dead' || condition === 'withdrawn' ? 'bad' : 'warn' };
  return { text: link.state, tone: linkTones[link.state] ?? 'bad' };
}

function Link({ link, paths }: { link: LinkStatus; paths: readonly PathStatus[] }): JSX.Element {
  const lead = leadOf(paths);
  const { text, tone } = stateOf(link, lead);
  const colour = series.colourOf(link.name);
  const share = lead?.sharePercent;
  return (
    <article class="card link" data-link={link.name}>
      <header>
        <h2>
          {colour === undefined ? null : <span class={`swatch way${colour}`} aria-hidden="true" />}
          {link.name}
          {link.role === 'always' ? null : <small>{link.role}</small>}
        </h2>
        <Badge tone={tone}>{text}</Badge>
      </header>
      <p class="rates">
        <span>
          <abbr title="received">↓</abbr> <b>{humanRate(link.receivedBps)}</b>
        </span>
        <span>
          <abbr title="sent">↑</abbr> <b>{humanRate(link.sentBps)}</b>
        </span>
      </p>
      <dl>
        <Fact name="Round trip">{humanMs(lead?.rttMs)}</Fact>
        <Fact name="Loss">{humanPercent(lead?.lossPercent)}</Fact>
        <Fact name="Transport">{lead?.transport ?? '-'}</Fact>
        <Fact name="Share">{humanPercent(share)}</Fact>
      </dl>
      {share === undefined ? null : <Meter percent={share} label={`Share of ${link.name} in what is sent`} />}
      <LinkActions link={link} />
    </article>
  );
}

function Fact({ name, children }: { name: string; children: string | number }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function LinkActions({ link: { name, isEnabled, isForced } }: { link: LinkStatus }): JSX.Element | null {
  if (!may('operator') || top.value?.status.links.length === 1) return null;
  const enable = (): Promise<string> =>
    change(isEnabled ? 'link.disable' : 'link.enable', { name }).then(
      () => `${name} was ${isEnabled ? 'taken out' : 'put back in'}`,
    );
  const force = (): Promise<string> =>
    change('failover', isForced ? {} : { link: name }).then(() =>
      isForced ? 'The mode decides again' : `All data goes by ${name} while it lives`,
    );
  return (
    <footer>
      <button type="button" class="quiet" onClick={() => deed(force)}>
        {isForced ? 'Let the mode decide' : 'Send all by it'}
      </button>
      <button type="button" class="quiet" onClick={() => deed(enable)}>
        {isEnabled ? 'Disable' : 'Enable'}
      </button>
    </footer>
  );
}

const lastCount = 6;

function LastEvents(): JSX.Element {
  const last = events.value
    .filter((event) => isMark(event) || /^(link|health|exit|peer)/.test(event.kind))
    .slice(-lastCount);
  return (
    <Card title="What happened last" actions={<a href="#/events">All events</a>}>
      {last.length === 0 ? <p class="empty">Nothing since the daemon started.</p> : null}
      <ol class="events">
        {last.toReversed().map((event) => (
          <EventLine key={event.id} event={event} />
        ))}
      </ol>
    </Card>
  );
}

const peerTones: Readonly<Record<PeerStatus['state'], Tone>> = {
  connected: 'ok',
  'cut off': 'bad',
  waiting: 'warn',
  idle: 'quiet',
};
/** A hub has thousands, of which the busiest are looked at. */
const mostRows = 50;

function Peers(): JSX.Element {
  const peers = top.value?.peers ?? [];
  const count = top.value?.status.peers ?? 0;
  const busiest = count > mostRows ? peers.toSorted((a, b) => trafficOf(b) - trafficOf(a)) : peers;
  return (
    <Card title="Peers">
      {peers.length === 0 ? <p class="empty">No peers are configured.</p> : null}
      <ul class="peers">
        {busiest.slice(0, mostRows).map((peer) => (
          <li key={peer.publicKey}>
            <p>
              <strong>{peer.name}</strong> <Badge tone={peerTones[peer.state]}>{peer.state}</Badge>
            </p>
            <p class="facts">
              <span class="nobreak">↓ {humanRate(peer.receivedBps)}</span> ·{' '}
              <span class="nobreak">↑ {humanRate(peer.sentBps)}</span> · {peer.cipher ?? 'no keys'} · handshake{' '}
              {humanAge(peer.handshakeAgeMs)}
              {peer.queuedBytes > 0 ? ` · ${humanBytes(peer.queuedBytes)} waiting` : ''}
            </p>
          </li>
        ))}
      </ul>
      {count > mostRows ? (
        <p class="hint">
          The busiest {mostRows} of {count}.
        </p>
      ) : null}
    </Card>
  );
}

function trafficOf({ receivedBps, sentBps }: PeerStatus): number {
  return receivedBps + sentBps;
}

const conditionTones: Readonly<Record<string, Tone>> = { live: 'ok', dead: 'bad', withdrawn: 'bad', unproven: 'quiet' };
const pathHead = [
  { text: 'Peer' },
  { text: 'Link' },
  { text: 'State' },
  { text: 'Endpoint' },
  { text: 'Round trip', class: 'number' },
  { text: 'Loss', class: 'number' },
  { text: 'Share', class: 'number' },
  { text: 'In', class: 'number' },
  { text: 'Out', class: 'number' },
  { text: 'Size', class: 'number' },
];

function Paths(): JSX.Element | null {
  const paths = top.value?.paths ?? [];
  if (paths.length === 0) return null;
  const count = top.value?.status.paths ?? 0;
  const busiest = count > mostRows ? paths.toSorted((a, b) => b.sentBps - a.sentBps) : paths;
  return (
    <Card title="Paths">
      <Table label="Paths" head={pathHead}>
        {busiest.slice(0, mostRows).map((path) => (
          <tr key={path.id}>
            <th scope="row">{path.peer}</th>
            <td>
              {path.link}
              {path.peerLink === undefined ? '' : ` – ${path.peerLink}`}
            </td>
            <td title={path.reason}>
              <Badge tone={conditionTones[path.condition ?? path.state] ?? 'warn'}>
                {path.condition ?? path.state}
              </Badge>
            </td>
            <td class="code">
              {path.transport} {path.endpoint}
            </td>
            <td class="number">{humanMs(path.rttMs)}</td>
            <td class="number">{humanPercent(path.lossPercent)}</td>
            <td class="number">{humanPercent(path.sharePercent)}</td>
            <td class="number">{humanRate(path.receivedBps)}</td>
            <td class="number">{humanRate(path.sentBps)}</td>
            <td class="number">{path.mtu ?? '-'}</td>
          </tr>
        ))}
      </Table>
      {count > busiest.length || count > mostRows ? (
        <p class="hint">
          The busiest {Math.min(mostRows, busiest.length)} of {count}.
        </p>
      ) : null}
    </Card>
  );
}
