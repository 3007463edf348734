/** Every command that asks a running instance has its twin in the API, and the other way round; what has none stands here with its reason. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { calledNames, pathOf } from '../../../src/actors/api/names.ts';
import { openApiDocument } from '../../../src/actors/api/openapi.ts';
import { packageRoot } from '../../../src/base/package-info.ts';
import { type OperationName, operations } from '../../../src/control/operations.ts';

/** Commands, and the operations that are their twins. */
const twins: Readonly<Record<string, readonly OperationName[]>> = {
  reload: ['reload'],
  config: ['config.read', 'config.check', 'config.diff', 'config.apply', 'config.confirm', 'config.revert'],
  failover: ['failover'],
  transport: ['transport.order', 'transport.force'],
  peer: ['peer.forget-clock', 'peer.rekey'],
  client: [
    'client.add',
    'client.list',
    'client.find',
    'client.show',
    'client.set',
    'client.enable',
    'client.disable',
    'client.remove',
    'client.rename',
    'client.kick',
    'client.usage',
    'client.forward',
    'client.device.add',
    'client.device.remove',
    'client.import',
    'hub',
  ],
  invite: ['invite.add', 'invite.list', 'invite.revoke'],
  link: ['link.add', 'link.remove', 'link.enable', 'link.disable'],
  actor: ['actor.kill', 'actor.restart', 'actor.hang'],
  status: ['status'],
  sessions: ['sessions'],
  peers: ['peers'],
  paths: ['paths'],
  links: ['links'],
  health: ['health'],
  explain: ['explain'],
  nat: ['nat'],
  actors: ['actors'],
  rings: ['rings'],
  top: ['top'],
  events: ['events', 'follow'],
  history: ['history', 'history.info'],
  errors: ['errors'],
  webhook: ['webhook.list', 'webhook.test'],
  plugin: ['plugin.list'],
};

/** Commands that have none. */
const ownOfCli: Readonly<Record<string, string>> = {
  init: 'writes files before there is an instance',
  import: 'writes files before there is an instance',
  join: 'writes files before there is an instance',
  keygen: 'writes key files',
  check: 'looks into files',
  schema: 'asks no instance',
  doctor: 'asks no instance',
  topology: 'looks into files',
  up: 'is the instance',
  release: 'for an instance that does not run',
  token: 'who may ask at all is said on the host alone',
  open: 'a login is made on the host alone',
  update: 'what code runs is said on the host alone',
};

/** Operations of the API that no command asks for by itself. */
const ownOfApi: Readonly<Partial<Record<OperationName, string>>> = {
  'config.schema': '`hawser schema` asks no instance',
  stop: 'on the host a signal does it (systemctl stop)',
};

t.test('commands and operations are twins', async (t) => {
  const source = readFileSync(path.join(packageRoot(), 'src/cli/program.ts'), 'utf8');
  const commands = [...source.matchAll(/^ {4}'?([a-z-]+)'?: async \(\) => \(await import/gm)].map(([, name]) => name);
  t.ok(commands.length > 20);
  t.strictSame(commands.sort(), Object.keys({ ...twins, ...ownOfCli }).sort(), 'each command has its line here');
  const twinned = Object.values(twins).flat();
  const called = [...calledNames(), 'follow'];
  t.strictSame(called.sort(), [...twinned, ...Object.keys(ownOfApi)].sort(), 'each operation has its command');
});

t.test('openApiDocument() has each operation with its parameters, and no other', async (t) => {
  const { paths, openapi } = openApiDocument('1.2.3') as {
    readonly openapi: string;
    readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly parameters?: readonly unknown[] }>>>>;
  };
  t.equal(openapi, '3.1.0');
  const ours = ['/follow', '/rates', '/me', '/openapi.json', '/login', '/logout'];
  t.strictSame(Object.keys(paths).sort(), [...calledNames().map(pathOf), ...ours].sort());
  for (const name of calledNames()) {
    const method = operations[name].effect === 'reads' ? 'get' : 'post';
    t.strictSame(Object.keys(paths[pathOf(name)] ?? {}), [method], name);
  }
  t.strictSame(paths['/client/show']?.get?.parameters, [
    { name: 'name', in: 'query', required: true, schema: { type: 'string' } },
  ]);
  t.notOk(JSON.stringify(paths).includes('client/export'), 'secrets are no part of it');
});
