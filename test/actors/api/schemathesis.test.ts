/** schemathesis, where it is installed (`pip install schemathesis`), calls everything that the API's own document describes, with values made by it. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { findCommand } from '../../../src/io/find-command.ts';
import { startFakeApi } from '../../support/fake-api.ts';

t.setTimeout(300_000);
const program = ['schemathesis', 'st'].map(findCommand).find((found) => found !== undefined);
const skip = program === undefined ? 'schemathesis is not on PATH (pip install schemathesis)' : false;

t.test('the API does what its own document says', skip === false ? {} : { skip }, async (t) => {
  const { port, tokens, supervisor, folder } = await startFakeApi(t);
  supervisor.configPath = path.join(folder, 'home.yaml');
  writeFileSync(
    supervisor.configPath,
    'identity: { privateKeyFile: home.key }\ntunnel: { addresses: [10.9.0.2/24] }\n',
  );
  const lists = ['list', 'sessions', 'invitations', 'invite'];
  Object.assign(supervisor, { clients: async (verb: string) => (lists.includes(verb) ? [] : {}) });
  const config = path.join(folder, 'schemathesis.toml');
  // A list that is too long is an address that is too long, of which Node says 431; its own list lacks that.
  const refusals = ['400', '401', '403', '404', '405', '406', '409', '415', '422', '428', '429', '431', '5xx'];
  writeFileSync(config, `[checks.negative_data_rejection]\nexpected-statuses = ${JSON.stringify(refusals)}\n`);
  const args = [
    '--config-file',
    config,
    'run',
    `http://127.0.0.1:${port}/api/v1/openapi.json`,
    '--header',
    `Authorization: Bearer ${tokens.admin}`,
    ...['--max-examples', '5', '--seed', '1', '--no-color'],
    // The first have no end. What is a configuration no schema of a text says, and one that is too long is 413, which it does not know.
    ...['follow', 'rates', 'config.check', 'config.diff', 'config.apply'].flatMap((id) => [
      '--exclude-operation-id',
      id,
    ]),
    // It tries tokens until it is told to wait, which is no 401; and it does not know 428 (RFC 6585 section 3).
    ...['--exclude-checks', 'ignored_auth,missing_required_header'],
  ];
  // Not spawnSync: the server is in this very process.
  const child = spawn(program ?? '', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      said = (said + chunk).slice(-20_000);
    });
  const code = await new Promise((resolve) => child.once('close', resolve));
  t.equal(code, 0, said);
});
