/** The text of metrics: by the rules of both formats, bounded in its labels, and as promtool wants it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/base/package-info.ts';
import { dialectFor, expose, type Family } from '../../src/control/exposition.ts';
import { mostPeers } from '../../src/control/metrics.ts';
import { counterNames } from '../../src/rings/counter-names.ts';
import { ask, bearer, startFakeApi } from '../support/fake-api.ts';

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
const options = hasPromtool ? {} : { skip: 'promtool is not here (apt install prometheus)' };

const some: readonly Family[] = [
  {
    name: 'a_sent_bytes',
    type: 'counter',
    help: 'Says "a\\b"\nand more.',
    samples: [{ labels: { x: 'q"\\\n' }, value: 5 }],
  },
  { name: 'a', type: 'info', help: 'Which.', samples: [{ labels: { version: '1' }, value: 1 }] },
  { name: 'a_none', type: 'gauge', help: 'Nothing.', samples: [] },
];

t.test('expose() writes both formats', async (t) => {
  t.equal(
    expose(some, 'prometheus'),
    '# HELP a_sent_bytes_total Says "a\\\\b"\\nand more.\n# TYPE a_sent_bytes_total counter\n' +
      'a_sent_bytes_total{x="q\\"\\\\\\n"} 5\n# HELP a_info Which.\n# TYPE a_info gauge\na_info{version="1"} 1\n',
  );
  t.equal(
    expose(some, 'openmetrics'),
    '# TYPE a_sent_bytes counter\n# UNIT a_sent_bytes bytes\n# HELP a_sent_bytes Says \\"a\\\\b\\"\\nand more.\n' +
      'a_sent_bytes_total{x="q\\"\\\\\\n"} 5\n# TYPE a info\n# HELP a Which.\na_info{version="1"} 1\n# EOF\n',
  );
});

t.test('dialectFor() takes what is preferred', async (t) => {
  t.equal(dialectFor(undefined), 'prometheus');
  t.equal(dialectFor('*/*'), 'prometheus');
  t.equal(dialectFor('application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3'), 'openmetrics');
  t.equal(dialectFor('text/plain, application/openmetrics-text;q=0.9'), 'prometheus');
  t.equal(dialectFor('application/openmetrics-text; q=0'), 'prometheus');
});

t.test('/metrics is for a token, in the form that is asked for, and bounded', async (t) => {
  const { port, tokens, supervisor } = await startFakeApi(t);
  t.match(await ask(port, '/metrics'), { status: 401 });
  const headers = bearer(tokens.viewer);
  const plain = await ask(port, '/metrics', { headers });
  t.match(plain, { status: 200, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } });
  t.match(plain.text, /^hawser_link_up\{link="fibre"\} [01]$/m);
  t.match(plain.text, /^hawser_peer_sent_bytes_total\{peer="hub"\} \d+$/m);
  t.match(plain.text, /^hawser_actor_restarts_total\{actor="sealer"\} 0$/m);
  const open = await ask(port, '/metrics', { headers: { ...headers, accept: 'application/openmetrics-text' } });
  t.match(open.headers['content-type'], 'application/openmetrics-text; version=1.0.0; charset=utf-8');
  t.match(open.text, /# EOF\n$/);
  const [hub] = supervisor.peers;
  if (hub === undefined) throw new Error('no peer');
  supervisor.peers = Array.from({ length: mostPeers + 1 }, (_, index) => ({ ...hub, name: `p${index}` }));
  supervisor.peersVersion += 1;
  const many = await ask(port, '/metrics', { headers });
  t.notMatch(many.text, /peer="/, 'of so many peers only sums');
  t.match(many.text, /^hawser_peers\{state="idle"\} \d+$/m);
  const reasons = [...many.text.matchAll(/^hawser_dropped_packets_total\{reason="(\w+)"\} \d+$/gm)].map(
    ([, reason]) => reason,
  );
  t.equal(reasons.length, 3);
  for (const reason of reasons)
    t.ok(
      counterNames.sealer?.some(({ name }) => name === `sealer_${reason}_packets`),
      `${reason} is a counter's`,
    );
  t.notMatch(many.text, /^hawser_(sent|received)_bytes_total/m, 'a sum that falls when a peer goes is no counter');
});

t.test('promtool finds nothing to say', options, async (t) => {
  const { port, tokens } = await startFakeApi(t);
  const { text } = await ask(port, '/metrics', { headers: bearer(tokens.viewer) });
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  t.match(checked, { status: 0, stderr: '' });
  const rules = path.join(packageRoot(), 'packaging/prometheus/hawser.rules.yaml');
  t.match(execFileSync('promtool', ['check', 'rules', rules], { encoding: 'utf8' }), /SUCCESS: \d+ rules/);
});

t.test('dashboard and rules ask for metrics that there are', async (t) => {
  const source = readFileSync(path.join(packageRoot(), 'src/control/metrics.ts'), 'utf8');
  const counters = new Set([...source.matchAll(/counter\(\s*'([a-z_]+)'/g)].map(([, name]) => `${name}_total`));
  const gauges = new Set([...source.matchAll(/gauge\(\s*'([a-z_]+)'/g)].map(([, name]) => name));
  const folders = ['packaging/prometheus', 'packaging/grafana'].map((folder) => path.join(packageRoot(), folder));
  const files = folders.flatMap((folder) => readdirSync(folder).map((name) => path.join(folder, name)));
  t.ok(files.length >= 2);
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    const used = [...text.matchAll(/\bhawser_[a-z_]+/g)].map(([name]) => name);
    t.ok(used.length > 5, file);
    for (const name of used)
      t.ok(counters.has(name) || gauges.has(name) || name === 'hawser_info', `${name} in ${file}`);
    if (file.endsWith('.json')) t.match(JSON.parse(text), { title: 'Hawser', panels: [{ targets: [{}] }] });
  }
});
