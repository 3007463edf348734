// Finds dead members: what a class of src/ offers (methods, accessors, fields) and nothing in src/ reads. What only tests read is dead, too,
// but for what says so (`/** For tests: …`).
// Exits 1 with one line for each; `--root FOLDER` checks another tree (tests).
import path from 'node:path';
import process from 'node:process';
import ts from 'typescript';

const rootFlag = process.argv.indexOf('--root');
const root = path.resolve(rootFlag > 0 ? process.argv[rootFlag + 1] : path.join(import.meta.dirname, '..'));
const source = path.join(root, 'src') + path.sep;

const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile);
const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, root);
const program = ts.createProgram(
  fileNames.filter((name) => path.resolve(name).startsWith(source)),
  { ...options, noEmit: true },
);
const checker = program.getTypeChecker();
const files = program.getSourceFiles().filter((file) => path.resolve(file.fileName).startsWith(source));

/** Declarations that something reads; and the names of what is read through an interface, which any class may stand behind. */
const read = new Set();
const namesBehindTypes = new Set();

function isOffered(member) {
  if (member.name === undefined || ts.isPrivateIdentifier(member.name) || ts.isConstructorDeclaration(member))
    return false;
  return !member.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.PrivateKeyword);
}

/** `a.b = …`, `a.b += …;` and `a.b++;` tell nobody what b is. */
function isOnlyWritten(node) {
  const { parent } = node;
  if (ts.isBinaryExpression(parent) && parent.left === node) {
    if (parent.operatorToken.kind === ts.SyntaxKind.EqualsToken) return true;
    const { kind } = parent.operatorToken;
    const isCompound = kind >= ts.SyntaxKind.FirstCompoundAssignment && kind <= ts.SyntaxKind.LastCompoundAssignment;
    return isCompound && ts.isExpressionStatement(parent.parent);
  }
  const isStep = ts.isPrefixUnaryExpression(parent) || ts.isPostfixUnaryExpression(parent);
  return isStep && ts.isExpressionStatement(parent.parent) && parent.operator !== ts.SyntaxKind.ExclamationToken;
}

function note(symbol, name) {
  const roots = symbol === undefined ? [] : checker.getRootSymbols(symbol);
  const declarations = roots.flatMap((one) => one.declarations ?? []);
  for (const declaration of declarations) {
    read.add(declaration);
    if (!ts.isClassLike(declaration.parent)) namesBehindTypes.add(name);
  }
  if (declarations.length === 0) namesBehindTypes.add(name);
}

function visit(node) {
  if (ts.isPropertyAccessExpression(node)) {
    if (!isOnlyWritten(node)) note(checker.getSymbolAtLocation(node.name), node.name.text);
  } else if (ts.isElementAccessExpression(node) && ts.isStringLiteralLike(node.argumentExpression)) {
    note(checker.getSymbolAtLocation(node.argumentExpression), node.argumentExpression.text);
  } else if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
    const name = node.propertyName ?? node.name;
    if (ts.isIdentifier(name)) {
      const type = checker.getTypeAtLocation(node.parent);
      note(checker.getPropertyOfType(type, name.text), name.text);
    }
  }
  ts.forEachChild(node, visit);
}

for (const file of files) visit(file);

/** What the class stands in for is read under another's name: `class A implements Pick<B, …>`. */
function isReadAsAnother(node, name) {
  const clauses = node.heritageClauses ?? [];
  const types = clauses.flatMap((clause) => clause.types.map((one) => checker.getTypeAtLocation(one)));
  return types.some((type) => {
    const symbol = checker.getPropertyOfType(type, name);
    const roots = symbol === undefined ? [] : checker.getRootSymbols(symbol);
    return roots.some((one) => one.declarations?.some((declaration) => read.has(declaration)));
  });
}

function isDead(node, member) {
  if (!isOffered(member) || read.has(member)) return false;
  const name = member.name.getText();
  if (namesBehindTypes.has(name) || isReadAsAnother(node, name)) return false;
  return !member.getFullText().trimStart().startsWith('/** For tests: ');
}

const dead = [];
function look(file, node) {
  if (ts.isClassLike(node)) {
    for (const member of node.members.filter((one) => isDead(node, one))) {
      const { line } = file.getLineAndCharacterOfPosition(member.name.getStart());
      const name = `${node.name?.text ?? 'class'}.${member.name.getText()}`;
      dead.push(`${path.relative(root, file.fileName)}:${line + 1}: ${name} is read by nothing in src`);
    }
  }
  ts.forEachChild(node, (child) => look(file, child));
}
for (const file of files) look(file, file);

for (const line of dead) console.error(line);
if (dead.length > 0) {
  console.error(`members: ${dead.length} dead`);
  process.exit(1);
}
console.log('members: none dead');
