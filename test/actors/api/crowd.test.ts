/** A hub of many peers by HTTP: what is read at a glance says what their rows say, and nobody is sent all of them each second. */
import { get } from 'node:http';
import t from 'tap';
import {
  peer as layout,
  path as pathLayout,
  pathState,
  session,
  slotState,
} from '../../../src/contract/peer-tables.ts';
import type { PathStatus } from '../../../src/control/network-rows.ts';
import type { PeerStatus, Status, Top } from '../../../src/control/rows.ts';
import { SessionTable } from '../../../src/rings/session-table.ts';
import { createRowTable, pathTable, peerTable } from '../../../src/rings/table.ts';
import { ask, bearer, startFakeApi } from '../../support/fake-api.ts';
import { usedSessionMemory } from '../../support/session-memory.ts';

const count = 300;
const connected = 40;

/** The first of them are connected by a path each, of which the first is dead; one waits; p5 carries data. */
async function startCrowd(t: Parameters<typeof startFakeApi>[0]) {
  const api = await startFakeApi(t);
  const { supervisor } = api;
  Object.assign(supervisor.shared, {
    peers: createRowTable(layout, count),
    paths: createRowTable(pathLayout, count),
    sessions: usedSessionMemory(count, 128),
  });
  const peers = peerTable(supervisor.shared.peers);
  const paths = pathTable(supervisor.shared.paths);
  const sessions = new SessionTable(supervisor.shared.sessions);
  const [hub] = supervisor.peers;
  if (hub === undefined) throw new Error('no peer');
  for (let row = 0; row < count; row += 1) {
    const isConnected = row < connected;
    peers.setInt(row, layout.sendSlotAt, isConnected ? row : -1);
    peers.setInt(row, layout.pathAt, isConnected ? row : -1);
    peers.setNumber(row, layout.receivedBytesAt, row);
    if (!isConnected) continue;
    sessions.setInt(row, session.stateAt, slotState.ready);
    sessions.setNumber(row, session.expiryAt, 1e18);
    paths.setInt(row, pathLayout.stateAt, pathState.up);
    paths.setInt(row, pathLayout.peerAt, row);
    paths.setNumber(row, pathLayout.changedUsAt, 1);
    // Names of `lifeStateNames`: live, and dead for the first.
    paths.setInt(row, pathLayout.lifeAt, row === 0 ? 3 : 1);
  }
  peers.setInt(250, layout.queuedPacketsAt, 4);
  peers.setUsed(count);
  paths.setUsed(count);
  for (let row = 0; row < connected; row += 1) paths.tell(row);
  supervisor.peers = Array.from({ length: count }, (_, row) => ({ ...hub, row, name: `p${row}` }));
  supervisor.peersVersion += 1;
  const headers = bearer(api.tokens.viewer);
  const read = async <T>(route: string): Promise<T> => {
    const { status, json, text } = await ask(api.port, `/api/v1/${route}`, { headers });
    if (status !== 200) throw new Error(`${route}: ${status} ${text}`);
    return json as T;
  };
  return { ...api, peers, read, headers };
}

/** Until its rate is known. */
async function carried(read: <T>(route: string) => Promise<T>): Promise<void> {
  for (let tries = 0; tries < 250; tries += 1) {
    const { peers: rows } = await read<Top>('top?most=1');
    if ((rows[0]?.sentBps ?? 0) > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('no rates');
}

t.test('a glance at a crowd says of all what their rows say', async (t) => {
  const { read, peers } = await startCrowd(t);
  const busy = setInterval(() => peers.addNumber(5, layout.sentBytesAt, 1e6), 2);
  t.teardown(() => clearInterval(busy));
  await carried(read);
  const rows = await read<readonly PeerStatus[]>('peers');
  const paths = await read<readonly PathStatus[]>('paths');
  const status = await read<Status>('status');
  t.equal(rows.length, count);
  t.match(status, { peers: count, paths: paths.length, peersConnected: connected - 1, peersCutOff: 1 });
  t.equal(status.peersConnected, rows.filter(({ state }) => state === 'connected').length);
  t.strictSame(
    status.cutOff.map((one) => one.peer),
    rows.filter(({ state }) => state === 'cut off').map(({ name }) => name),
  );
  t.equal(
    status.receivedBytes,
    rows.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0),
  );
  const top = await read<Top>('top?most=2&peers=p99&peers=p98');
  t.strictSame(
    top.peers.map(({ name }) => name),
    ['p5', 'p1', 'p0', 'p250', 'p98', 'p99'],
    'the busiest, those in trouble, those that are named',
  );
  t.strictSame(
    top.paths.map(({ peer }) => peer),
    ['p0', 'p1', 'p5'],
  );
  const dead = rows.find(({ name }) => name === 'p0');
  t.match(top.peers[2], { state: 'cut off', endpoint: dead?.endpoint }, 'rows are as `peers` has them');
  t.equal((await read<Top>('top')).peers.length, 51);
  t.equal((await read<Top>('top?most=1000')).peers.length, count);
  const about = await read<readonly { peer?: string; text: string }[]>('explain?most=0&peers=p0');
  t.ok(about.some(({ peer }) => peer === 'p0'));
  t.ok(about.some(({ text }) => /Nothing gets through to 1 more peers/.test(text)));
});

t.test('/rates sends each reader what it asked for, and never all', async (t) => {
  const { port, headers } = await startCrowd(t);
  const topOf = (query: string): Promise<Top> =>
    new Promise((resolve, reject) => {
      const request = get({ host: '127.0.0.1', port, path: `/api/v1/rates${query}`, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
          const data = /event: top\ndata: (.*)\n\n/.exec(text)?.[1];
          if (data === undefined) return;
          request.destroy();
          resolve(JSON.parse(data) as Top);
        });
        response.on('error', () => undefined);
      });
      request.on('error', (error) => reject(error));
    });
  const [usual, one] = await Promise.all([topOf(''), topOf('?most=1&peers=p77')]);
  t.equal(usual.peers.length, 51);
  t.strictSame(
    one.peers.map(({ name }) => name),
    ['p1', 'p0', 'p77'],
  );
  t.match(one.status, { peers: count, peersConnected: connected - 1 });
  t.match((await ask(port, '/api/v1/rates?most=5000', { headers })).status, 400);
});
