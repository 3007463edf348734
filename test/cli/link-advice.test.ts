/** What `hawser link add|remove` advises, applied to files as people write them: the file then says what runs. */
import t from 'tap';
import { adviseOnAdded, adviseOnRemoved } from '../../src/cli/link-advice.ts';
import { parseConfig } from '../../src/config/parse.ts';

const file = '/etc/hawser/home.yaml';
const head = 'identity: {privateKeyFile: home.key}\ntunnel: {addresses: [10.9.0.2/24]}\n';
const tail = '\n# who is there\npeers: []\n';

const block = `${head}links:
  # the cable
  - name: fibre # main
    interface: eth0
    health:
      targets: [192.0.2.1]

  # the stick
  -
    name: lte
    role: backup # costs money
${tail}`;
const flush = `${head}links:\n- {name: fibre}\n- name: lte\n  role: backup\n${tail}`;
const json = JSON.stringify({
  identity: { privateKeyFile: 'home.key' },
  tunnel: { addresses: ['10.9.0.2/24'] },
  links: [{ name: 'fibre' }, { name: 'lte', role: 'backup' }],
});

function namesIn(text: string): string[] | undefined {
  const { config, problems } = parseConfig(text, file);
  return config === undefined ? problems.map((one) => one.message) : config.links.map((link) => link.name);
}

t.test('adviseOnRemoved() names the lines, and without them the link is gone', async (t) => {
  for (const [text, name, expected] of [
    [block, 'fibre', 'remove lines 5-8 of'],
    [block, 'lte', 'remove lines 11-13 of'],
    [flush, 'fibre', 'remove line 4 of'],
    [flush, 'lte', 'remove lines 5-6 of'],
  ] as const) {
    const [lasts, how, ...lines] = adviseOnRemoved(name, file, text);
    t.match(lasts, `SIGHUP) goes by ${file} and brings "${name}" back.`);
    t.match(how, `${expected} ${file}:`);
    t.equal(text.split(lines.join('\n')).length, 2, 'they stand there once');
    t.strictSame(namesIn(text.replace(`${lines.join('\n')}\n`, '')), name === 'lte' ? ['fibre'] : ['lte']);
    t.strictSame(adviseOnRemoved(name, file, text.replaceAll('\n', '\r\n')).slice(1), [how, ...lines]);
  }
  t.strictSame(adviseOnRemoved('lte', file, json).slice(1), [
    `To keep it away, remove this item of "links" (line 1 of ${file}):`,
    '{"name":"lte","role":"backup"}',
  ]);
});

t.test('adviseOnRemoved() says what a file without the link means', async (t) => {
  t.strictSame(adviseOnRemoved('lte2', file, block), [`For good: ${file} has no link "lte2".`]);
  t.match(adviseOnRemoved('default', file, head), [/without "links" it means that one/, /name those that are left/]);
  const one = `${head}links:\n  - name: fibre\n`;
  t.match(adviseOnRemoved('fibre', file, one)[1], /remove line 4 .* and name another link there/);
  t.match(adviseOnRemoved('fibre', file, undefined), [
    /brings "fibre" back if it stands there \(which cannot be read now\)/,
  ]);
});

t.test('adviseOnAdded() prints lines that, put there, say the same link', async (t) => {
  const link = { name: 'lte2', interface: 'wwan1', rate: 20, role: 'backup' };
  for (const text of [block, flush]) {
    const [lasts, how, ...lines] = adviseOnAdded(link, file, text);
    t.match(lasts, `SIGHUP) goes by ${file} and drops "lte2" again.`);
    t.equal(how, `To keep it, add to "links" in ${file}:`);
    const added = text.replace('links:\n', `links:\n${lines.join('\n')}\n`);
    t.strictSame(namesIn(added), ['lte2', 'fibre', 'lte']);
    t.match(parseConfig(added, file).config?.links[0], { interface: 'wwan1', rateBps: 20e6, role: 'backup' });
  }
  const item = adviseOnAdded(link, file, json)[2] ?? '';
  t.strictSame(namesIn(json.replace('"links":[', `"links":[${item},`)), ['lte2', 'fibre', 'lte']);
});

t.test('adviseOnAdded() keeps the link that a file without links means', async (t) => {
  for (const text of [head, `${head}links: []\n`]) {
    const [, how, ...lines] = adviseOnAdded({ name: 'lte2' }, file, text);
    t.match(how, /let \/etc\/hawser\/home.yaml say \(without "links" it means one, "default"\)/);
    t.strictSame(namesIn(`${head}${lines.join('\n')}\n`), ['default', 'lte2']);
  }
  const bare = json.replace(/,"links".*]/, '');
  const [line = ''] = adviseOnAdded({ name: 'lte2' }, file, bare).slice(2);
  t.strictSame(namesIn(bare.replace(/}$/, `,${line}}`)), ['default', 'lte2']);
});

t.test('adviseOnAdded() shows the other link of that name, and lines without a file', async (t) => {
  t.strictSame(adviseOnAdded({ name: 'lte' }, file, flush), [
    `Until the daemon stops or reloads: then "lte" is as line 5 of ${file} has it:`,
    '- name: lte',
    '  role: backup',
  ]);
  t.match(adviseOnAdded({ name: 'on', weight: 3 }, file, undefined), [
    /drops "on" again/,
    /add to "links" in .* \(which cannot be read now\):/,
    /^ {2}- name: on$/,
    /^ {4}weight: 3$/,
  ]);
  t.strictSame(adviseOnAdded({ name: 'lte' }, file, 'links: ]').slice(2), ['  - name: lte']);
  t.match(adviseOnRemoved('lte', file, 'links: ]'), [/if it stands there/]);
});
