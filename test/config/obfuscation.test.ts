/** AmneziaWG's keys: what is read, what is refused and in which words, which obfuscations are the same, and what the addon is told. */
import t from 'tap';
import { describeDiff, diffConfigs } from '../../src/config/diff.ts';
import { configToInput, generateConfig } from '../../src/config/generate.ts';
import { obfuscationIds, parseHeader, parseSignature } from '../../src/config/obfuscation.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { obfuscation as layout } from '../../src/contract/obfuscation.ts';
import { planObfuscations } from '../../src/topology/obfuscations.ts';

const keyA = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
const keyB = 'TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=';

const textOf = (common: string, ofA = '', ofB = ''): string => `
identity: { privateKeyFile: home.key }
tunnel: { addresses: [10.9.0.2/24] }
${common === '' ? '' : `obfuscation: ${common}`}
peers:
  - { name: a, publicKey: "${keyA}"${ofA === '' ? '' : `, obfuscation: ${ofA}`} }
  - { name: b, publicKey: "${keyB}"${ofB === '' ? '' : `, obfuscation: ${ofB}`} }
`;
const parse = (...parts: Parameters<typeof textOf>) => parseConfig(textOf(...parts), '/etc/hawser/home.yaml');
const problems = (...parts: Parameters<typeof textOf>): string =>
  parse(...parts)
    .problems.map(({ path, message }) => `${path}: ${message}`)
    .join('\n');

function configOf(...parts: Parameters<typeof textOf>) {
  const { config } = parse(...parts);
  if (config === undefined) throw new Error(problems(...parts));
  return config;
}

const all = `{ jc: 4, jmin: 40, jmax: 70, s1: 15, s2: 33, s3: 7, s4: 16, h1: 100-200, h2: "300 - 400", h3: 500, h4: 1000-2147483647, i1: "<b 0xC0FFEE><r 16><rd 4><rc 4><t>", i5: "<r 9>" }`;

t.test('all keys are read, written again and read to the same', async (t) => {
  const config = configOf(all, 'off', '{ jc: 1 }');
  t.match(config.obfuscation, {
    jc: 4,
    paddings: [15, 33, 7, 16],
    headers: [
      { first: 100, last: 200 },
      { first: 300, last: 400 },
      { first: 500, last: 500 },
      { first: 1000, last: 2_147_483_647 },
    ],
  });
  t.strictSame(
    config.obfuscation?.signatures.map((one) => one?.parts.map(({ kind, bytes }) => `${kind} ${bytes}`)),
    [['literal 3', 'random 16', 'digits 4', 'letters 4', 'time 4'], undefined, undefined, undefined, ['random 9']],
  );
  t.equal(config.peers[0]?.obfuscation, undefined, 'off');
  t.match(config.peers[1]?.obfuscation, { jc: 1, paddings: [0, 0, 0, 0] });
  t.strictSame(parseConfig(generateConfig(configToInput(config)), '/etc/hawser/home.yaml').config, config);
  t.equal(configOf('{ h1: 1, s4: 0 }').obfuscation, undefined, "WireGuard's own values are none");
});

t.test('what is wrong is said with its place', async (t) => {
  t.match(problems('{ jmin: 80, jmax: 70 }'), /^obfuscation\.jmin: 80 is more than jmax, 70$/);
  t.match(problems('{ h1: 5-15, h2: 10 }'), /^obfuscation\.h2: 10 overlaps h1, 5-15/);
  t.match(problems('{ h1: 2 }'), /^obfuscation\.h2: 2 overlaps h1, 2/, "WireGuard's own are values too");
  t.match(problems('', '{ s1: 0, s2: 56 }'), /^peers\[0\]\.obfuscation\.s2: makes responses as long as initiations/);
  t.match(problems('{ s1: 1305 }'), /s1/);
  t.match(problems('{ s4: 513 }'), /s4/);
  t.match(problems('{ jc: 129 }'), /jc/);
  t.match(problems('{ h1: 15-5 }'), /h1/);
  t.match(problems('{ i1: "<r 1453>" }'), /i1: .*is not a chain/);
  t.match(problems(all, '{ s1: 15, h1: 150, h2: 5, h3: 6, h4: 7 }'), /told from those of obfuscation: give it other/);
  t.match(problems('', '{ s4: 16 }'), /told from those of WireGuard as it is/);
  t.equal(problems('{ s4: 16 }'), '', 'whom everybody follows needs to be told from nobody');
  t.equal(problems(all, 'off'), '');
});

t.test('parseSignature() takes the tags of AmneziaWG and nothing else', async (t) => {
  for (const good of ['<t>', '<b 0x00><r 1452>'.replace('1452', '1451'), '<b ff>', ' <r 1> <rd 2> ', '<r 0><rc 1>'])
    t.ok(parseSignature(good), good);
  const bad = [
    '',
    'r 5',
    '<>',
    '<r>',
    '<r -1>',
    '<r 1.5>',
    '<x 4>',
    '<c>',
    '<d>',
    '<t 4>',
    '<b 0x>',
    '<b 0xf>',
    '<b 0xgg>',
  ];
  for (const text of [...bad, '<r 5', 'x<r 5>', '<r 5>x', '<r 0>', '<r 99999>', '<r 5 5>', '<constructor 1>'])
    t.equal(parseSignature(text), undefined, text);
  for (const text of ['0', '-1', '1-', '4294967296', '5-4', 'x', '1-2-3', ''])
    t.equal(parseHeader(text), undefined, text);
  t.strictSame(parseHeader('4294967295'), { first: 4_294_967_295, last: 4_294_967_295 });
});

t.test('what both sides need alike is one wear; junk and signatures are not of it', async (t) => {
  const idsOf = (text: string) => obfuscationIds(configOf(text).obfuscation);
  t.strictSame(idsOf('off'), { id: 0, wear: 0 });
  t.equal(idsOf('{ jc: 3 }').wear, 0);
  t.not(idsOf('{ jc: 3 }').id, 0);
  t.equal(idsOf('{ s1: 5, jc: 3 }').wear, idsOf('{ s1: 5, i1: <t> }').wear);
  t.not(idsOf('{ s1: 5, jc: 3 }').id, idsOf('{ s1: 5, i1: <t> }').id);
  t.not(idsOf('{ s1: 5 }').wear, idsOf('{ s1: 6 }').wear);
});

t.test('carriers are told what is worn, and look at nothing when all is WireGuard to them', async (t) => {
  t.strictSame(planObfuscations(configOf('')), { takesPlain: true });
  const junk = planObfuscations(configOf('{ jc: 3 }'));
  t.equal(junk.expected, undefined);
  t.equal(junk.worn?.length, layout.headerBytes);
  const mixed = planObfuscations(configOf(all, 'off'));
  t.ok(mixed.takesPlain);
  const view = Buffer.from(mixed.expected ?? []);
  t.equal(view.readUInt32LE(layout.paddingsAt + 12), 16);
  t.equal(view.readUInt32LE(layout.headersAt + 8), 300);
  t.equal(view.readUInt32LE(layout.chainsAt), 2);
  t.ok(view.includes(Buffer.from('c0ffee00', 'hex')), 'literals end at a multiple of four');
  t.notOk(planObfuscations(configOf(all)).takesPlain, 'nobody comes as WireGuard is');
});

t.test('a change is told, and of the peers whom it befalls', async (t) => {
  const told = (before: string, after: string, ofA = '') =>
    describeDiff(diffConfigs(configOf(before, ofA), configOf(after, ofA)));
  t.strictSame(told('', all), ['peer a changed: obfuscation', 'peer b changed: obfuscation', 'obfuscation changed']);
  t.strictSame(told('', all, 'off'), ['peer b changed: obfuscation', 'obfuscation changed']);
  t.strictSame(told(all, all), []);
});
