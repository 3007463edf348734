// Writes src/native/sys/layout.h from src/contract/, so that both sides have every number and every row of columns from one place.
// `--check` writes nothing and fails when the header is not what would be written.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import ts from 'typescript';

const root = path.resolve(import.meta.dirname, '..');
const header = path.join(root, 'src/native/sys/layout.h');
const contract = path.join(root, 'src/contract');

/** The groups of one file of the contract, by name. Its files import nothing. */
async function groupsOf(file) {
  const { outputText } = ts.transpileModule(readFileSync(path.join(contract, file), 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  return Object.entries(await import(`data:text/javascript,${encodeURIComponent(outputText)}`));
}

/** Keys of a group of columns that are no column. */
const aboutRows = new Set(['columns', 'cellBytes', 'max']);

/** The struct of a group of columns, and that its cells lie where TypeScript looks for them. */
function structOf(group, numbers) {
  const columns = Object.entries(numbers).filter(([name]) => !aboutRows.has(name));
  const type = numbers.cellBytes === 4 ? 'int32_t' : 'double';
  const name = `${group[0].toUpperCase()}${group.slice(1)}Row`;
  if (columns.length !== numbers.columns || columns.some(([, value], index) => value !== index)) {
    console.error(`src/contract: the columns of ${group} are not numbered from 0 to ${numbers.columns - 1} in order`);
    process.exit(1);
  }
  return [
    `struct ${name} {`,
    ...columns.map(([column]) => `  ${type} ${column};`),
    '};',
    `static_assert(sizeof(${name}) == ${numbers.columns * numbers.cellBytes});`,
    ...columns.map(([column, index]) => `static_assert(offsetof(${name}, ${column}) == ${index * numbers.cellBytes});`),
  ].join('\n');
}

// `all.ts` gathers the others.
const files = readdirSync(contract)
  .filter((name) => name !== 'all.ts')
  .sort();
const groups = (await Promise.all(files.map(groupsOf))).flat();
const rows = groups.flatMap(([group, numbers]) =>
  Object.entries(numbers).map(([name, value]) => `  X(${group}, ${name}, ${value})`),
);
const structs = groups
  .filter(([, numbers]) => 'columns' in numbers)
  .map(([group, numbers]) => structOf(group, numbers));
const errnos = Object.keys(Object.fromEntries(groups).errnoOf);
const text = `// What C++ shares with TypeScript, written by tools/layout-header.mjs from src/contract/, where each number and each column is
// explained. The addon exports the numbers, and native/addon.ts compares them when it loads.
#pragma once
#include <cerrno>
#include <cstddef>
#include <cstdint>

// clang-format off
#define HAWSER_LAYOUT(X) \\
${rows.join(' \\\n')}
// clang-format on

namespace hawser::layout {
#define HAWSER_CONSTANT(group, name, value) inline constexpr int64_t group##_##name = (value);
HAWSER_LAYOUT(HAWSER_CONSTANT)
#undef HAWSER_CONSTANT

${errnos.map((name) => `static_assert(errnoOf_${name} == ${name});`).join('\n')}

${structs.join('\n\n')}
}  // namespace hawser::layout
`;

const current = readFileSync(header, 'utf8');
if (current === text) process.exit(0);
if (process.argv.includes('--check')) {
  console.error('src/native/sys/layout.h is not what src/contract/ says (node tools/layout-header.mjs)');
  process.exit(1);
}
writeFileSync(header, text);
