/** Problems of a configuration in the words of its author: where, which key, what is wrong, and what would be right. */
import type * as z from 'zod';
import { HawserError } from '../base/errors.ts';
import type { SchemaNode } from './schema.ts';
import { hideKeys, showValue } from './show.ts';

export interface Problem {
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** `peers[0].allowedIPs[1]`; empty = the file as a whole. */
  readonly path: string;
  readonly message: string;
  /** Values, ranges or examples that would be taken; empty = the message says it all. */
  readonly allowed: readonly string[];
}

export type KeyPath = readonly (string | number)[];

/** A problem before its place in the text is known. `at` = what to point at: the value, or the key itself. */
export interface Finding {
  readonly path: KeyPath;
  readonly at: 'value' | 'key';
  readonly message: string;
  readonly allowed: readonly string[];
}

/** Nobody reads more at once. */
const mostTold = 100;

/** A configuration that cannot be used. `problems` holds all of them, in the order of the file. */
export class ConfigError extends HawserError {
  readonly file: string;
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    const told = problems.slice(0, mostTold).map((problem) => formatProblem(file, problem));
    if (problems.length > mostTold) told.push(`${file}: and ${problems.length - mostTold} more problems`);
    super('CONFIG', told.join('\n'));
    this.file = file;
    this.problems = problems;
  }
}

/** The only maker of problems: whatever stands in the file, no key comes out of it again. */
export function problemAt(line: number, column: number, path: string, finding: Omit<Finding, 'path' | 'at'>): Problem {
  return { line, column, path: hideKeys(path), message: hideKeys(finding.message), allowed: finding.allowed };
}

/** `home.yaml:3:7: tunnel.mtu: 100 is out of range (allowed: 576..65456)` */
export function formatProblem(file: string, problem: Problem): string {
  const subject = problem.path === '' ? '' : `${problem.path}: `;
  const allowed = problem.allowed.length === 0 ? '' : ` (allowed: ${problem.allowed.join(', ')})`;
  return `${file}:${problem.line}:${problem.column}: ${subject}${problem.message}${allowed}`;
}

export function formatPath(path: KeyPath): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`))
    .join('')
    .replace(/^\./, '');
}

/** zod's issue in our words. `schema` is the root of the JSON Schema, which knows the allowed values of every path. */
export function findingsOf(issue: z.core.$ZodIssue, schema: SchemaNode): Finding[] {
  const path = issue.path.filter((key) => typeof key !== 'symbol');
  const inner = issue.code === 'invalid_union' && isMapping(issue.input) ? mappingBranch(issue) : undefined;
  if (inner !== undefined) {
    return inner.flatMap((one) => findingsOf({ ...one, path: [...issue.path, ...one.path] }, schema));
  }
  const node = nodeAt(schema, path);
  if (issue.code === 'unrecognized_keys') {
    const mapping = node?.anyOf?.find((branch) => branch.properties !== undefined) ?? node;
    const known = [
      ...new Set([mapping, ...(mapping?.oneOf ?? [])].flatMap((one) => Object.keys(one?.properties ?? {}))),
    ];
    return issue.keys.map((key) => unknownKey([...path, key], key, known));
  }
  return [{ path, at: 'value', message: messageFor(issue, node), allowed: allowedOf(node) }];
}

/** Of a value or a map, where a map was written: what is wrong inside it, not that it is no value. */
function mappingBranch(issue: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] | undefined {
  return issue.errors.find((branch) => branch.every((one) => one.path.length > 0 || one.code === 'unrecognized_keys'));
}

function isMapping(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function messageFor(issue: z.core.$ZodIssue, node: SchemaNode | undefined): string {
  if (issue.input === undefined) return 'is missing';
  if (issue.input === null) return 'has no value: write one, or remove the key';
  if (Array.isArray(issue.input) && issue.code === 'too_small') return `needs at least ${issue.minimum} entry`;
  if (Array.isArray(issue.input) && issue.code === 'too_big') return `holds more than ${issue.maximum} entries`;
  const value = showValue(issue.input);
  if (issue.code === 'too_small' || issue.code === 'too_big') return `${value} is out of range`;
  if (issue.code === 'not_multiple_of') return `${value} is not a multiple of ${issue.divisor}`;
  const hint = needsQuotes(issue.input, node) ? ': put it in quotes' : '';
  return `${value} is not ${nounOf(node)}${hint}`;
}

/** To YAML, `[2001:db8::1]:51820` without quotes is a list and `12` a number; where quotes would mend it, say so. */
function needsQuotes(input: unknown, node: SchemaNode | undefined): boolean {
  if (node?.type !== 'string' || typeof input === 'string' || node.enum !== undefined) return false;
  return typeof input === 'object' || /name|path/.test(node.title ?? '');
}

function nounOf(node: SchemaNode | undefined): string {
  if (node?.title !== undefined) return node.title;
  if (node?.anyOf !== undefined) return node.anyOf.map(nounOf).join(' or ');
  if (node?.const !== undefined) return String(node.const);
  if (node?.enum !== undefined) return 'one of the allowed values';
  const nouns: Record<string, string> = { integer: 'a whole number', array: 'a list', object: 'a map of keys' };
  return nouns[node?.type ?? ''] ?? `a ${node?.type ?? 'value that is known here'}`;
}

function allowedOf(node: SchemaNode | undefined): string[] {
  if (node === undefined) return [];
  if (node.anyOf !== undefined) return node.anyOf.flatMap(allowedOf);
  if (node.const !== undefined) return [String(node.const)];
  const listed = node.enum ?? node.examples;
  if (listed !== undefined) return listed.map(String);
  if (node.minimum !== undefined && node.maximum !== undefined) {
    const steps = node.multipleOf === undefined ? '' : ` in steps of ${node.multipleOf}`;
    return [`${node.minimum}..${node.maximum}${steps}`];
  }
  return Object.keys(node.properties ?? {});
}

function nodeAt(root: SchemaNode, path: KeyPath): SchemaNode | undefined {
  let node: SchemaNode | undefined = root;
  for (const key of path) node = typeof key === 'number' ? node?.items : propertyOf(node, key);
  return node;
}

function propertyOf(node: SchemaNode | undefined, key: string): SchemaNode | undefined {
  const branches = [node, ...(node?.anyOf ?? []), ...(node?.oneOf ?? [])];
  const found = branches.map((branch) => branch?.properties?.[key]).filter((one) => one !== undefined);
  const [first] = found;
  // A key of several kinds of entries may mean one thing in each.
  const isSame = found.every((one) => one.title === first?.title && one.const === first?.const);
  return isSame ? first : { anyOf: found };
}

function unknownKey(path: KeyPath, key: string, known: readonly string[]): Finding {
  const near = nearest(key, known);
  const hint = near === undefined ? '' : `; did you mean "${near}"?`;
  return { path, at: 'key', message: `unknown key ${showValue(key)}${hint}`, allowed: known };
}

/** The known word nearest to a mistyped one; undefined when none is near enough to be meant. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const wanted = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const target = candidate.toLowerCase();
    const contained = wanted.length >= 3 && (target.startsWith(wanted) || wanted.startsWith(target));
    const distance = contained ? 1 : editDistance(wanted, target);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein distance, with two neighbours swapped counting as one mistake (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
