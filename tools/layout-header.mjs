// Writes src/native/sys/layout.h from src/rings/layout.ts, so that both sides have every offset from one place.
// `--check` writes nothing and fails when the header is not what would be written.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import ts from 'typescript';

const root = path.resolve(import.meta.dirname, '..');
const header = path.join(root, 'src/native/sys/layout.h');
const source = path.join(root, 'src/rings/layout.ts');

const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), {
  compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
});
const layout = await import(`data:text/javascript,${encodeURIComponent(outputText)}`);

const rows = [];
for (const [group, numbers] of Object.entries(layout)) {
  for (const [name, value] of Object.entries(numbers)) rows.push(`  X(${group}, ${name}, ${value})`);
}
const text = `// The offsets that C++ shares with TypeScript, written by tools/layout-header.mjs from rings/layout.ts, where each is
// explained. The addon exports them, and native/addon.ts compares the two when it loads.
#pragma once
#include <cstdint>

// clang-format off
#define HAWSER_LAYOUT(X) \\
${rows.join(' \\\n')}
// clang-format on

namespace hawser::layout {
#define HAWSER_CONSTANT(group, name, value) inline constexpr int64_t group##_##name = (value);
HAWSER_LAYOUT(HAWSER_CONSTANT)
#undef HAWSER_CONSTANT
}  // namespace hawser::layout
`;

const current = readFileSync(header, 'utf8');
if (current === text) process.exit(0);
if (process.argv.includes('--check')) {
  console.error('src/native/sys/layout.h is not what rings/layout.ts says (node tools/layout-header.mjs)');
  process.exit(1);
}
writeFileSync(header, text);
