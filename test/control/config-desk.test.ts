/** What is said about a text that may become the configuration, and what of it may come by HTTP. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import type { Calls } from '../../src/base/calls.ts';
import { revisionOf } from '../../src/config/revision.ts';
import { applyConfig, checkConfig, diffConfig, readConfig } from '../../src/control/config-desk.ts';
import type { Caller } from '../../src/control/roles.ts';
import type { SupervisorApi } from '../../src/control/supervisor-api.ts';
import { FakeSupervisor } from '../support/fake-instance.ts';
import { generateKeys } from '../support/keys.ts';

function start(t: Test) {
  const folder = mkdtempSync(path.join(tmpdir(), 'hw-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const keys = generateKeys();
  writeFileSync(path.join(folder, 'home.key'), `${keys.privateKey}\n`, { mode: 0o600 });
  const file = path.join(folder, 'home.yaml');
  const text = `# mine
name: home
identity: { privateKeyFile: home.key }
tunnel:
  addresses: [10.9.0.2/24]
  mtu: 1400
peers:
  - { name: hub, publicKey: "${generateKeys().publicKey}" }
links:
  - name: fibre
    interface: eth0
    health:
      checks:
        - type: http
          url: https://probe.example.net/
          headers: { Authorization: Bearer abc.def }
`;
  writeFileSync(file, text);
  const fake = new FakeSupervisor('home');
  fake.configPath = file;
  const supervisor = {
    request: async (method: keyof SupervisorApi, ...args: never[]) =>
      (fake[method] as (...given: never[]) => unknown)(...args),
  } as Calls<SupervisorApi>;
  const problems = async (changed: string, caller: Caller = 'socket') =>
    (await checkConfig(supervisor, changed, caller)).problems.map(
      ({ line, path, message }) => `${line} ${path}: ${message}`,
    );
  return { file, text, fake, supervisor, problems, read: () => readConfig(supervisor) };
}

t.test('readConfig() gives the text without secrets, and checkConfig() takes it as it is', async (t) => {
  const { text, read, problems, file } = start(t);
  const answer = await read();
  t.match(answer, { file, revision: revisionOf(text) });
  t.match(answer.text, /^# mine\n.*Bearer UNCHANGED-SECRET-1|Authorization: UNCHANGED-SECRET-1/s);
  t.notMatch(answer.text, /abc\.def/);
  t.same(await problems(answer.text), []);
  t.same(await problems(answer.text, 'admin'), []);
});

t.test('readConfig() of a file that is no YAML says so, and shows nothing', async (t) => {
  const { file, read } = start(t);
  writeFileSync(file, 'a: [\nheaders: Bearer abc\n');
  await t.rejects(read(), { code: 'CONFIG_FILE', remedy: /hawser check/ });
});

t.test('checkConfig() names every problem at its place, and no secret', async (t) => {
  const { read, problems } = start(t);
  const { text } = await read();
  t.same(await problems(text.replace('mtu: 1400', 'mtu: 1')), ['6 tunnel.mtu: 1 is out of range']);
  t.match(await problems(text.replace('privateKeyFile: home.key', 'privateKeyFile: none.key')), [
    /^3 identity.*none\.key/,
  ]);
  const stolen = text.replace('mtu: 1400', 'mtu: UNCHANGED-SECRET-1');
  const [said = ''] = await problems(stolen);
  t.match(said, /^6 tunnel\.mtu: "UNCHANGED-SECRET-1" is not/);
  t.notMatch(said, /abc/);
  t.match(await problems(`${text}# UNCHANGED-SECRET-7\n`), [/UNCHANGED-SECRET-7 stands for no secret/]);
});

t.test('by HTTP files and secrets stay what and where they are', async (t) => {
  const { read, problems } = start(t);
  const { text } = await read();
  t.same(await problems(text.replace('mtu: 1400', 'mtu: 1300'), 'admin'), []);
  t.match(await problems(text.replace('home.key', '/etc/shadow'), 'admin'), [
    /^3 identity\.privateKeyFile: .*not changed by HTTP/,
  ]);
  t.match(await problems(`${text}tls: { site: /etc }\n`, 'admin'), [/tls\.site/]);
  const sent = text.replace('probe.example.net', 'evil.example');
  t.match(await problems(sent, 'admin'), [/UNCHANGED-SECRET-1 may stand only where it stood/]);
  t.same(await problems(sent, 'socket'), [], 'on the host it may');
});

t.test('diffConfig() shows what would change, and hides secrets on both sides', async (t) => {
  const { text, supervisor, read } = start(t);
  const shown = (await read()).text;
  const changed = (one: string): string => one.replace('mtu: 1400', 'mtu: 1300').replace('# mine', '# ours');
  for (const given of [changed(shown), changed(text)]) {
    const { lines, ...plan } = await diffConfig(supervisor, given, 'socket');
    t.match(plan, { changes: ['tunnel.mtu changed from 1420 to 1400'], renewed: ['sealer'] });
    const differing = lines.filter(({ kind }) => kind === 'added' || kind === 'removed').map((line) => line.text);
    t.same(differing, ['# mine', '# ours', '  mtu: 1400', '  mtu: 1300']);
  }
  const other = await diffConfig(supervisor, text.replace('abc.def', 'ghi.jkl'), 'socket');
  t.notMatch(JSON.stringify(other.lines), /ghi|abc/);
  t.match(JSON.stringify(other.lines), /ANOTHER-SECRET/);
  await t.rejects(diffConfig(supervisor, 'name: [', 'socket'), { code: 'CONFIG' });
});

t.test('applyConfig() hands on the text with its secrets, if the file is the one that was read', async (t) => {
  const { file, fake, supervisor, read } = start(t);
  const { text, revision } = await read();
  const changed = text.replace('mtu: 1400', 'mtu: 1300');
  await applyConfig(supervisor, { text: changed, revision, seconds: 60 }, 'admin');
  const [said = ''] = fake.calls;
  t.match(said, new RegExp(`^apply ${revision} 60\n# mine\n`));
  t.match(said, /mtu: 1300.*Bearer abc\.def/s);
  await t.rejects(applyConfig(supervisor, { text: 'name: 7', revision, seconds: 60 }, 'admin'), { code: 'CONFIG' });
  writeFileSync(file, readFileSync(file, 'utf8').replace('# mine', '# somebody else'));
  await t.rejects(applyConfig(supervisor, { text: changed, revision, seconds: 60 }, 'admin'), {
    code: 'CHANGED',
    message: /changed by somebody else meanwhile.*read it again/,
  });
  t.equal(fake.calls.length, 1);
});
