/** What a plugin suggests for links: never beyond what the configuration says, told once, taken back. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Config } from '../../src/config/config.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { link as layout } from '../../src/contract/link-tables.ts';
import type { InstanceEvent } from '../../src/control/events.ts';
import { SuggestionDesk } from '../../src/instance/suggestion-desk.ts';
import { suggestionFor } from '../../src/rings/link-health.ts';
import { createRowTable, linkTable } from '../../src/rings/table.ts';
import type { InstanceState } from '../../src/supervisor/api.ts';

function configOf(suggestions = 'tariff'): Config {
  const { config, problems } = parseConfig(
    `identity: { privateKeyFile: a.key }
tunnel: { addresses: [10.9.0.1/24] }
plugins: [/p/tariff.mjs, /p/other.mjs]
bonding: { suggestions: ${suggestions} }
links:
  - { name: fibre, interface: eth0, weight: 100 }
  - { name: lte, interface: wwan0, role: backup }`,
    'home.yaml',
  );
  if (config === undefined) throw new Error(JSON.stringify(problems));
  return config;
}

function build() {
  const table = linkTable(createRowTable(layout, 4));
  const events: InstanceEvent[] = [];
  const told = { count: 0 };
  const now = { config: configOf() };
  const topology = {
    links: [
      { row: 2, name: 'fibre' },
      { row: 3, name: 'lte' },
    ],
  };
  const desk = new SuggestionDesk({
    table,
    state: () => ({ config: now.config, topology }) as unknown as InstanceState,
    tell: () => {
      told.count += 1;
    },
    note: (event) => void events.push(event),
  });
  const cells = () => [2, 3].map((row) => suggestionFor(table, row));
  return { desk, events, told, now, cells };
}

t.test('weights stay within a quarter and four times, roles are never less reluctant', async (t) => {
  const { desk, events, told, cells } = build();
  t.teardown(() => desk.close());
  desk.take(
    'tariff',
    [
      { link: 'fibre', weight: 5, role: 'metered' },
      { link: 'lte', weight: 9000, role: 'always' },
      { link: 'x', weight: 3 },
    ],
    60_000,
  );
  t.strictSame(cells(), [
    { weight: 25, role: 2 },
    { weight: 1000, role: -1 },
  ]);
  t.match(events, [
    { kind: 'link-suggested', link: 'fibre', plugin: 'tariff', weight: 25, role: 'metered' },
    { kind: 'link-suggested', link: 'lte', weight: 1000 },
  ]);
  desk.take(
    'tariff',
    [
      { link: 'fibre', weight: 25, role: 'metered' },
      { link: 'lte', weight: 1001 },
    ],
    60_000,
  );
  t.equal(events.length, 2, 'the same is no news');
  t.equal(told.count, 1);
  desk.take('tariff', [{ link: 'fibre', weight: 4000 }], 60_000);
  t.strictSame(cells(), [
    { weight: 400, role: -1 },
    { weight: 0, role: -1 },
  ]);
  for (const weight of [Number.NaN, Number.NEGATIVE_INFINITY, -3])
    desk.take('tariff', [{ link: 'fibre', weight }], 60_000);
  t.ok(
    cells().every(({ weight }) => weight === 0 || (weight >= 25 && weight <= 400)),
    JSON.stringify(cells()),
  );
});

t.test('they are taken back in time, and when the file names nobody', async (t) => {
  const { desk, events, now, cells } = build();
  t.teardown(() => desk.close());
  desk.take('tariff', [{ link: 'fibre', role: 'backup' }], 1000);
  t.strictSame(cells()[0], { weight: 0, role: 1 });
  await sleep(1200);
  t.strictSame(cells()[0], { weight: 0, role: -1 });
  t.match(events.at(-1), { kind: 'link-suggested', link: 'fibre', role: undefined });
  desk.take('tariff', [{ link: 'fibre', role: 'backup' }], 60_000);
  now.config = configOf('other');
  desk.follow();
  t.strictSame(cells()[0], { weight: 0, role: -1 }, 'another plugin may');
  desk.take('tariff', [{ link: 'fibre', role: 'backup' }], 60_000);
  t.strictSame(cells()[0], { weight: 0, role: -1 });
});
