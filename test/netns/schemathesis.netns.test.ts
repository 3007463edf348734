/**
 * schemathesis, where it is installed (`pip install schemathesis`), calls everything that the API's own document describes, of a real hub, with values made
 * by it. `HAWSER_SCHEMATHESIS_EXAMPLES=100`: so many of each operation, 5 without.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { findCommand } from '../../src/io/find-command.ts';
import { Daemon, runCli } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { until } from '../support/until.ts';

t.setTimeout(900_000);
const program = ['schemathesis', 'st'].map(findCommand).find((found) => found !== undefined);
const missing = program === undefined ? 'schemathesis is not on PATH (pip install schemathesis)' : false;
const skip = skipReason() || missing;
const examples = process.env.HAWSER_SCHEMATHESIS_EXAMPLES ?? '5';
const port = 8474;

/** What it expects by itself, and what it does not know: 413 (RFC 9110), 428 and 431 (RFC 6585: Node's own, of an address that is too long). */
const refusals = ['400', '401', '403', '404', '405', '406', '409', '413', '415', '422', '428', '429', '431', '5xx'];
/** 422: what the clock, the pool or the file's own rules refuse no schema says: a text of YAML, an end that has passed, a key that is none. */
const accepted = ['2xx', '401', '403', '404', '409', '412', '422', '429', '5xx'];
const settings = `[checks.negative_data_rejection]
expected-statuses = ${JSON.stringify(refusals)}
[checks.positive_data_acceptance]
expected-statuses = ${JSON.stringify(accepted)}
[checks.missing_required_header]
expected-statuses = ${JSON.stringify(refusals)}
`;

t.test('the API of a hub does what its own document says', skip === false ? {} : { skip }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const [host, outside] = [lab.host('hub'), lab.host('outside')];
  for (const link of ['fibre', 'lte']) lab.join(host, outside, { interfaces: [link, link] });
  const tokensFile = path.join(lab.folder, 'tokens');
  const home = generateKeys();
  const daemon = new Daemon(lab, host, {
    keys: generateKeys(),
    addresses: ['10.9.0.1/24'],
    port: 51820,
    peers: [{ name: 'home', publicKey: home.publicKey, allowedIPs: ['10.9.0.2/32'] }],
    more: {
      links: ['fibre', 'lte'].map((name) => ({ name, interface: name })),
      api: { listen: `127.0.0.1:${port}`, tokensFile },
      server: { pool: '10.100.0.0/16', endpoint: 'hub.example.net' },
      history: {},
    },
  });
  const added = await runCli(['token', 'add', 'me', '--role', 'admin', '--file', tokensFile]);
  if (added.status !== 0) throw new Error(added.stderr);
  await daemon.start();
  const began = daemon.pid;
  await until('the API is on', () => daemon.log().includes('api-on'));
  const config = path.join(lab.folder, 'schemathesis.toml');
  writeFileSync(config, settings);
  const args = [
    '--config-file',
    config,
    'run',
    `http://127.0.0.1:${port}/api/v1/openapi.json`,
    '--header',
    `Authorization: Bearer ${added.stdout.trim()}`,
    ...['--max-examples', examples, '--seed', '1', '--no-color'],
    // The first two have no end, and the third is one.
    ...['follow', 'rates', 'stop'].flatMap((id) => ['--exclude-operation-id', id]),
    // It tries tokens until it is told to wait, which is no 401.
    ...['--exclude-checks', 'ignored_auth'],
  ];
  const child = host.spawn(program ?? '', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      said = (said + chunk).slice(-20_000);
    });
  const code = await new Promise((resolve) => child.once('close', resolve));
  t.equal(code, 0, said);
  t.comment(/^ *\d+ generated,.*$/m.exec(said)?.[0]?.trim() ?? said);
  const { pid } = await daemon.ask<{ readonly pid: number }>('status');
  t.equal(pid, began, 'the same process as before');
  const rows = await daemon.actors();
  t.strictSame(
    rows.filter(({ state }) => state !== 'running').map(({ id }) => id),
    [],
  );
});
