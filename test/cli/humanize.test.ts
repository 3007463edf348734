import t from 'tap';
import {
  type Column,
  formatTable,
  humanBytes,
  humanCount,
  humanDuration,
  humanMicros,
  humanRate,
} from '../../src/cli/humanize.ts';
import { cutTo } from '../../src/cli/top.ts';

t.test('human…() choose the unit and keep three digits', async (t) => {
  t.strictSame([0, 1023, 1024, 1536, 102_400, 1_048_575, 3 * 2 ** 40].map(humanBytes), [
    '0 B',
    '1023 B',
    '1 KiB',
    '1.5 KiB',
    '100 KiB',
    '1024 KiB',
    '3 TiB',
  ]);
  t.strictSame([0, 999, 1_500_000, 2.5e9].map(humanRate), ['0 bit/s', '999 bit/s', '1.5 Mbit/s', '2.5 Gbit/s']);
  t.strictSame([0, 9999, 12_345, 7_000_000].map(humanCount), ['0', '9999', '12.3 k', '7 M']);
  t.strictSame([0, 999, 1500, 2_500_000].map(humanMicros), ['0 us', '999 us', '1.5 ms', '2.5 s']);
  t.strictSame([0, 350, 1000, 61_000, 3_600_000, 93_784_000, 86_460_000].map(humanDuration), [
    '0 ms',
    '350 ms',
    '1 s',
    '1 min 1 s',
    '1 h',
    '1 d 2 h',
    '1 d',
  ]);
});

t.test('formatTable() aligns, and leaves optional columns out when it is too narrow', async (t) => {
  const columns: Column<{ name: string; size: number; note: string }>[] = [
    { heading: 'NAME', text: (row) => row.name },
    { heading: 'NOTE', optional: true, text: (row) => row.note },
    { heading: 'SIZE', align: 'right', text: (row) => String(row.size) },
  ];
  const rows = [
    { name: 'a', size: 1, note: 'short' },
    { name: 'longer', size: 123_456, note: '' },
  ];
  t.strictSame(formatTable(columns, rows, 'none'), [
    'NAME    NOTE     SIZE',
    'a       short       1',
    'longer         123456',
  ]);
  t.strictSame(formatTable(columns, rows, 'none', 20), ['NAME      SIZE', 'a            1', 'longer  123456']);
  t.strictSame(formatTable(columns, rows, 'none', 3), formatTable(columns, rows, 'none', 20), 'the rest stays');
  t.strictSame(formatTable(columns, [], 'none'), ['none']);
});

t.test('cutTo() says how many lines did not fit', async (t) => {
  const lines = ['a', 'b', 'c', 'd'];
  t.strictSame(cutTo(lines, 4), lines);
  t.match(cutTo(lines, 3), ['a', 'b', /^… 2 more lines/]);
});
