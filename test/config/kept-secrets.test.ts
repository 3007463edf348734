/** What of a configuration nobody reads, and how it comes back. */
import t from 'tap';
import { maskSecrets, movedSecret, restoreSecrets } from '../../src/config/kept-secrets.ts';
import { YamlText } from '../../src/config/yaml-text.ts';

const publicKey = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
const privateKey = 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=';
const text = `name: home
identity: { privateKeyFile: /etc/hawser/home.key }   # was ${privateKey}
links:
  - name: fibre
    health:
      checks:
        - { type: http, url: "https://probe.example.net/alive?token=tok3n", headers: { Authorization: "Bearer abc.def" } }
        - type: tcp
          target: mail.example.net:25
          send: |
            AUTH PLAIN hunter2
            QUIT
peers:
  - name: hub
    publicKey: "${publicKey}"
    # publicKey: "${publicKey}" of before
webhooks:
  - { url: https://hooks.example.net/services/T000/B000, events: [failover], secretFile: hook.secret }
tls:
  key: /srv/AbCdEfGh/IjKlMnOp/QrStUvWx/YzAbCdEf/GhIjKlMn/key
  proxyPasswordFile: proxy.password   # password: hunter3, http://me:hunter4@proxy.example.net
obfuscation: { i1: "<b 0x${'c0'.repeat(40)}>" }
plugins: [ { file: /usr/local/lib/hawser/chat.mjs, settings: { room: s3cretroom, retries: 3 } } ]
update: { index: "https://updates.example.net/i.json", key: "${publicKey}" }
# hub.example.net:51820#${'Ab3_'.repeat(20)}
# UNCHANGED-SECRET-1
`;

const mask = (source: string, known?: readonly string[]) => maskSecrets(source, new YamlText(source), known);
const rawOf = (source: string) => new YamlText(source).toObject().raw as { webhooks: { url: string }[] };

t.test('maskSecrets() hides what lets somebody in, and nothing else', async (t) => {
  const { text: shown, secrets } = mask(text);
  for (const secret of [
    privateKey,
    'tok3n',
    'abc.def',
    'hunter2',
    'hunter3',
    'hunter4',
    'B000',
    'Ab3_Ab3_',
    's3cretroom',
  ])
    t.notOk(shown.includes(secret), secret);
  for (const open of [
    '/etc/hawser/home.key',
    `publicKey: "${publicKey}"`,
    `# publicKey: "${publicKey}" of before`,
    `key: "${publicKey}"`,
    'hook.secret',
    'retries: 3',
    'key: /srv/AbCdEfGh/',
    'https://hooks.example.net/UNCHANGED-SECRET-',
    'https://probe.example.net/alive?UNCHANGED-SECRET-',
    '<b 0xc0c0',
    'secretFile: hook.secret',
  ])
    t.ok(shown.includes(open), open);
  t.match(shown, /Authorization: "UNCHANGED-SECRET-\d+"/, 'its quotes stay where they are');
  t.match(shown, /send: UNCHANGED-SECRET-\d+\npeers:/, 'a block is one word');
  t.same(rawOf(shown).webhooks, [{ ...rawOf(text).webhooks[0], url: shown.match(/https:\/\/hooks\S+(?=,)/)?.[0] }]);
  t.equal(new Set(secrets).size, secrets.length, 'a secret has one word');
});

t.test('restoreSecrets() gives back every byte, wherever the words stand now', async (t) => {
  const { text: shown, secrets } = mask(text);
  t.equal(restoreSecrets(shown, secrets).text, text);
  const [first] = shown.match(/UNCHANGED-SECRET-\d+/g) ?? [];
  t.equal(restoreSecrets(`# ${first}`, secrets).text, `# ${privateKey}`);
  t.equal(restoreSecrets('a: UNCHANGED-SECRET-99', secrets).unknown, 'UNCHANGED-SECRET-99');
  t.equal(restoreSecrets('a: b', secrets).unknown, undefined);
});

t.test('maskSecrets() calls the secrets of another text as that does', async (t) => {
  const { text: shown, secrets } = mask(text);
  const changed = mask(text.replace('hunter3', 'hunter9').replace('name: home', 'name: hut'), secrets).text;
  t.equal(
    changed,
    shown.replace(/(?<=password: )UNCHANGED-SECRET-\d+/, 'ANOTHER-SECRET').replace('name: home', 'name: hut'),
  );
});

t.test('movedSecret() finds a word where it did not stand', async (t) => {
  const before = mask(text).text;
  const moved = (after: string) => movedSecret({ before, after }, { before: rawOf(before), after: rawOf(after) });
  const [word = ''] = /(?<=Authorization: ")[^"]+/.exec(before) ?? [];
  t.equal(moved(before), undefined);
  t.equal(
    moved(before.replace('name: home', 'name: hut').replace('events: [failover]', 'events: [failover]')),
    undefined,
  );
  t.equal(moved(before.replace(/ {2}- \{ url: https:\/\/hooks.*\n/, '  []\n')), undefined, 'it may go');
  t.equal(moved(before.replace('name: home', `name: ${word}`)), word, 'into a value that is shown');
  t.equal(moved(`${before}# ${word}\n`), word, 'into a remark');
  t.ok(moved(before.replace('probe.example.net', 'evil.example')), 'to another host in the same line');
  t.ok(
    moved(before.replace('target: mail.example.net:25', 'target: evil.example:25')),
    'to another host by another line',
  );
  t.ok(moved(before.replace('hooks.example.net', 'evil.example')));
});
