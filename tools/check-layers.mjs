// The one-way rule of the source tree: who may import whom, and which folders stay free of I/O, clocks and chance.
// Exits 1 with one line for each offence; `--root FOLDER` checks another tree (tests).
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import ts from 'typescript';

/** Lowest first. A folder imports itself and what lies in layers below its own, never a neighbour of its layer. */
const layers = [
  ['base'],
  ['contract'],
  ['config', 'rings', 'wire', 'crypto', 'native'],
  ['io', 'protocols', 'bonding', 'control'],
  ['actors', 'page'],
  ['topology', 'supervisor'],
  ['instance'],
  ['bootstrap'],
  ['cli'],
];

/** Pure folders: time and randomness are arguments there. The value lists the node: modules allowed all the same. */
const pureFolders = new Map([
  ['wire', []],
  ['crypto', ['node:crypto']],
  ['protocols', []],
  ['bonding', []],
]);
/** Runs in browsers. */
const browserFolders = new Set(['page']);
const impureCalls = new Set([
  'Date.now',
  'performance.now',
  'process.hrtime',
  'process.hrtime.bigint',
  'Math.random',
  'setTimeout',
  'setInterval',
  'setImmediate',
]);

const rootFlag = process.argv.indexOf('--root');
const root = path.resolve(rootFlag > 0 ? process.argv[rootFlag + 1] : path.join(import.meta.dirname, '..'));
const source = path.join(root, 'src');
const offences = [];

/** The folder of a file under src/: `src/rings/spsc-ring.ts` → `rings`, `src/bootstrap.ts` → `bootstrap`. */
function folderOf(file) {
  const [first] = path.relative(source, file).split(path.sep);
  return first.replace(/\.tsx?$/, '');
}

function layerOf(folder) {
  return layers.findIndex((layer) => layer.includes(folder));
}

function allowedFor(folder) {
  const below = layers.slice(0, layerOf(folder)).flat();
  return below.length === 0 ? `${folder} itself only` : [folder, ...below].join(' ');
}

function report(file, node, message) {
  const tree = node.getSourceFile();
  const { line } = tree.getLineAndCharacterOfPosition(node.getStart(tree));
  offences.push(`${path.relative(root, file)}:${line + 1}: ${message}`);
}

function checkImport(file, node, specifier) {
  const folder = folderOf(file);
  if (specifier.startsWith('node:')) {
    const allowed = browserFolders.has(folder) ? [] : pureFolders.get(folder);
    if (allowed !== undefined && !allowed.includes(specifier)) {
      report(file, node, `${folder} imports ${specifier}; allowed there: ${allowed.join(' ') || 'no node: module'}`);
    }
    return;
  }
  if (!specifier.startsWith('.')) return;
  const target = path.resolve(path.dirname(file), specifier);
  if (!target.startsWith(source + path.sep)) {
    report(file, node, `src imports ${specifier}, which lies outside src/`);
    return;
  }
  const targetFolder = folderOf(target);
  if (targetFolder === folder) return;
  if (layerOf(targetFolder) < 0 || layerOf(targetFolder) >= layerOf(folder)) {
    report(file, node, `${folder} imports ${targetFolder} (${specifier}); allowed layers: ${allowedFor(folder)}`);
  }
}

function checkPurity(file, node) {
  const folder = folderOf(file);
  if (!pureFolders.has(folder)) return;
  const isCall = ts.isCallExpression(node) && impureCalls.has(node.expression.getText());
  const isNow = ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length;
  if (isCall || isNow) {
    report(file, node, `${folder} uses ${node.expression.getText()}; time and randomness are arguments in ${folder}`);
  }
}

function visit(file, node) {
  const specifier = node.moduleSpecifier ?? (isDynamicImport(node) ? node.arguments[0] : undefined);
  if (specifier !== undefined && ts.isStringLiteral(specifier)) checkImport(file, node, specifier.text);
  checkPurity(file, node);
  ts.forEachChild(node, (child) => visit(file, child));
}

function isDynamicImport(node) {
  return ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
}

let count = 0;
for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !/\.tsx?$/.test(entry.name)) continue;
  const file = path.join(entry.parentPath, entry.name);
  const folder = folderOf(file);
  const tree = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  count += 1;
  if (layerOf(folder) < 0) report(file, tree, `no layer holds src/${folder}; layers: ${layers.flat().join(' ')}`);
  else visit(file, tree);
}

for (const offence of offences) console.error(offence);
if (offences.length > 0) {
  console.error(`layers: ${offences.length} offences in ${count} files`);
  process.exit(1);
}
console.log(`layers: ${count} files, no offence`);
