// Finds dead members: what a class of src/ offers (methods, accessors, fields) and nothing in src/ reads. What only tests read is dead, too.
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
  } else if (ts.isIndexedAccessTypeNode(node) || ts.isTypeOperatorNode(node)) {
    // `Class['method']` and `keyof Class` name members without reading one: the values behind them are seen where they are used.
  }
  ts.forEachChild(node, visit);
}

for (const file of files) visit(file);

const dead = [];
for (const file of files) {
  const look = (node) => {
    if (ts.isClassLike(node)) {
      for (const member of node.members) {
        if (!isOffered(member) || !('name' in member)) continue;
        const name = member.name.getText();
        if (read.has(member) || namesBehindTypes.has(name)) continue;
        const { line } = file.getLineAndCharacterOfPosition(member.name.getStart());
        dead.push(
          `${path.relative(root, file.fileName)}:${line + 1}: ${node.name?.text ?? 'class'}.${name} is read by nothing in src`,
        );
      }
    }
    ts.forEachChild(node, look);
  };
  look(file);
}

for (const line of dead) console.error(line);
if (dead.length > 0) {
  console.error(`members: ${dead.length} dead`);
  process.exit(1);
}
console.log('members: none dead');
