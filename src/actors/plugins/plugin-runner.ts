/**
 * Runs one plugin in a process of its own, which the plugin-host has confined: loads its module, says what it is for, and passes questions to its
 * functions. It imports nothing of ours: whatever it knows, the plugin knows. docs/operating/plugins.md is the plugin's side of it.
 */
import { Buffer } from 'node:buffer';
import { write } from 'node:fs';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const interfaceVersion = 1;
const answerFd = 3;
const mostLineBytes = 65_536;

type Handler = (question: unknown) => unknown;

/** What a module exports, as far as it is a plugin. */
interface PluginModule {
  readonly hawserPlugin?: unknown;
  readonly start?: unknown;
  readonly events?: { readonly kinds?: unknown; readonly handle?: unknown };
  readonly webhook?: unknown;
  readonly authorise?: unknown;
  readonly health?: unknown;
  readonly bonding?: { readonly everySeconds?: unknown; readonly suggest?: unknown };
}

interface Hello {
  readonly kind: 'hello';
  readonly interface: number;
  readonly file: string;
  readonly name: string;
  readonly instance: string;
  readonly settings: unknown;
}

interface Question {
  readonly kind: 'question';
  readonly id: number;
  readonly hook: string;
  readonly question: unknown;
}

type Message = Hello | Question | { readonly kind: 'event'; readonly event: unknown; readonly leftOut: number };

const handlers = new Map<string, Handler>();
let handleEvent: ((event: unknown, more: { readonly leftOut: number }) => unknown) | undefined;

let unwritten: Buffer[] = [];
let isWriting = false;

/** In order, whole, and without waiting: the event loop goes on while the host reads slowly. */
function say(message: object): void {
  let line = Buffer.from(`${JSON.stringify(message)}\n`);
  if (line.length > mostLineBytes)
    line = Buffer.from(`${JSON.stringify({ ...message, answer: undefined, error: 'the answer is too long' })}\n`);
  unwritten.push(line);
  if (!isWriting) flush();
}

function flush(): void {
  const bytes = Buffer.concat(unwritten);
  unwritten = [];
  isWriting = bytes.length > 0;
  if (!isWriting) return;
  write(answerFd, bytes, 0, bytes.length, null, (error, written) => {
    if (error !== null && error.code !== 'EAGAIN') process.exit(0);
    const rest = bytes.subarray(error === null ? written : 0);
    if (rest.length > 0) unwritten.unshift(rest);
    if (error === null) flush();
    else setTimeout(flush, 5);
  });
}

function isFunction(value: unknown): value is (...given: unknown[]) => unknown {
  return typeof value === 'function';
}

async function begin(hello: Hello): Promise<void> {
  const module = (await import(pathToFileURL(hello.file).href)) as PluginModule;
  if (module.hawserPlugin !== interfaceVersion) {
    const says =
      module.hawserPlugin === undefined ? 'nothing of its interface' : `interface ${String(module.hawserPlugin)}`;
    throw new Error(
      `The module says ${says}: this Hawser has interface ${interfaceVersion} (export const hawserPlugin = 1)`,
    );
  }
  const { name, instance, settings } = hello;
  if (isFunction(module.start)) await module.start({ name, instance, settings });
  for (const hook of ['webhook', 'authorise', 'health'] as const) {
    const handler = module[hook];
    if (isFunction(handler)) handlers.set(hook, handler);
  }
  const { events, bonding } = module;
  if (isFunction(events?.handle)) handleEvent = events.handle;
  if (isFunction(bonding?.suggest)) handlers.set('bonding', bonding.suggest);
  handlers.set('ping', () => null);
  const hooks = {
    ...(handleEvent === undefined ? {} : { events: events?.kinds ?? ['*'] }),
    ...(handlers.has('bonding') ? { bonding: bonding?.everySeconds ?? 10 } : {}),
    ...Object.fromEntries(
      ['webhook', 'authorise', 'health'].filter((one) => handlers.has(one)).map((one) => [one, true]),
    ),
  };
  say({ kind: 'hello', interface: interfaceVersion, hooks });
}

async function answer({ id, hook, question }: Question): Promise<void> {
  try {
    const handler = handlers.get(hook);
    if (handler === undefined) throw new Error(`it has no function for ${hook}`);
    say({ kind: 'answer', id, answer: (await handler(question)) ?? null });
  } catch (error) {
    say({ kind: 'answer', id, error: wordsOf(error) });
  }
}

async function tell(event: unknown, leftOut: number): Promise<void> {
  try {
    await handleEvent?.(event, { leftOut });
  } catch (error) {
    say({ kind: 'trouble', error: wordsOf(error) });
  }
}

/** The whole of it to who reads what the plugin prints. */
function wordsOf(error: unknown): string {
  console.error(error);
  return (error instanceof Error ? error.message : String(error)).slice(0, 1000);
}

async function handle(message: Message): Promise<void> {
  if (message.kind === 'hello') await begin(message);
  else if (message.kind === 'question') await answer(message);
  else await tell(message.event, message.leftOut);
}

let held = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk: string) => {
  const lines = `${held}${chunk}`.split('\n');
  held = lines.pop() ?? '';
  // What a plugin throws at its start ends it: the host begins it anew, and tells of it.
  for (const line of lines) void handle(JSON.parse(line) as Message);
});
// The daemon has ended.
process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
