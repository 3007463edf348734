/** The asking end of the control socket, and what to tell a person when nobody answers there. */
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { HawserError, messageOf } from '../base/errors.ts';
import type { OperationName, ParamsOf, ResultOf } from '../control/operations.ts';
import { type Response, socketPathOf } from '../control/protocol.ts';
import { usageError } from './exit.ts';

/** Which instance is meant, as its options say. */
export interface InstanceChoice {
  readonly name?: string;
  readonly runDirectory: string;
}

/** The parameters of an operation; those that it can do without need not be there. */
type AskedWith<Name extends OperationName> =
  Record<string, never> extends ParamsOf<Name> ? [params?: ParamsOf<Name>] : [params: ParamsOf<Name>];

const answerTimeoutMs = 15_000;

/** One question, one answer. Throws what the daemon answered as an error, or why it did not answer. */
export async function ask<Name extends OperationName>(
  choice: InstanceChoice,
  method: Name,
  ...params: AskedWith<Name>
): Promise<ResultOf<Name>> {
  const connection = await ControlConnection.open(choice);
  try {
    return await connection.request(method, ...params);
  } finally {
    connection.close();
  }
}

/** Keeps the connection for commands that ask again and again. */
export class ControlConnection {
  /** Of the instance. */
  readonly name: string;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, { resolve: (response: Response) => void; reject: (error: Error) => void }>();
  #nextId = 1;

  static async open(choice: InstanceChoice): Promise<ControlConnection> {
    const name = choice.name ?? onlyInstance(choice.runDirectory);
    const socketPath = socketPathOf(choice.runDirectory, name);
    const socket = connect(socketPath);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (error) => reject(unreachable(error, name, socketPath)));
    });
    return new ControlConnection(socket, name);
  }

  private constructor(socket: Socket, name: string) {
    this.#socket = socket;
    this.name = name;
    const lines = createInterface({ input: socket });
    lines.on('line', (line) => this.#take(JSON.parse(line) as Response));
    // Both hear of a daemon that went away while it was asked; 'close' follows and tells who waits.
    lines.on('error', () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#rejectAll(this.#closedError()));
  }

  async request<Name extends OperationName>(method: Name, ...[params]: AskedWith<Name>): Promise<ResultOf<Name>> {
    if (this.#socket.destroyed) throw this.#closedError();
    const id = this.#nextId;
    this.#nextId += 1;
    const response = await new Promise<Response>((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#lateError(method)), answerTimeoutMs);
      const settled = <V>(act: (value: V) => void) => {
        return (value: V): void => {
          clearTimeout(timer);
          this.#waiting.delete(id);
          act(value);
        };
      };
      this.#waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.#socket.write(`${JSON.stringify({ id, method, params })}\n`);
    });
    if ('error' in response) throw new HawserError(response.error.code, response.error.message);
    return response.result as ResultOf<Name>;
  }

  /** Calls `take` with each answer to one request that goes on for ever; rejects when the daemon ends it. */
  async follow(params: ParamsOf<'follow'>, take: (events: ResultOf<'follow'>) => void): Promise<never> {
    if (this.#socket.destroyed) throw this.#closedError();
    const id = this.#nextId;
    this.#nextId += 1;
    return await new Promise<never>((_, reject) => {
      const resolve = (response: Response): void => {
        if ('error' in response) reject(new HawserError(response.error.code, response.error.message));
        else take(response.result as ResultOf<'follow'>);
      };
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(`${JSON.stringify({ id, method: 'follow', params })}\n`);
    });
  }

  close(): void {
    this.#socket.end();
    this.#socket.destroy();
  }

  #take(response: Response): void {
    // What belongs to no request belongs to the connection: no more will be answered.
    if (response.id === 0 && 'error' in response)
      this.#rejectAll(new HawserError(response.error.code, response.error.message));
    this.#waiting.get(response.id)?.resolve(response);
  }

  #rejectAll(error: HawserError): void {
    for (const { reject } of [...this.#waiting.values()]) reject(error);
  }

  #closedError(): HawserError {
    return new HawserError('CLOSED', `Instance "${this.name}" closed the connection`, 'its log says why');
  }

  #lateError(method: string): HawserError {
    const seconds = answerTimeoutMs / 1000;
    return new HawserError('LATE', `Instance "${this.name}" did not answer "${method}" within ${seconds} s`);
  }
}

/** Without --name: the only instance there is. */
function onlyInstance(runDirectory: string): string {
  const names = instancesIn(runDirectory);
  const [only] = names;
  if (only === undefined) {
    const message = `No hawser is running here: there is no control socket in ${runDirectory}`;
    throw new HawserError('NOT_RUNNING', message, 'start one with `hawser up CONFIG`, or name its --run-directory');
  }
  if (names.length > 1) throw usageError(`Several instances are here: ${names.join(', ')}`, 'choose one with --name');
  return only;
}

function instancesIn(runDirectory: string): string[] {
  try {
    const entries = readdirSync(runDirectory);
    return entries.filter((entry) => entry.endsWith('.sock')).map((entry) => entry.slice(0, -'.sock'.length));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw new HawserError('RUN_DIRECTORY', `Cannot look into ${runDirectory}: ${messageOf(error)}`);
  }
}

function unreachable(error: Error, name: string, socketPath: string): HawserError {
  const code = codeOf(error);
  if (code === 'EACCES' || code === 'EPERM') {
    return new HawserError(code, `May not talk to instance "${name}" (${socketPath}): ${code}`, 'run it as root');
  }
  const remedy = `start it with \`hawser up CONFIG\` or \`systemctl start hawser@${name}\``;
  if (code === 'ENOENT') {
    return new HawserError('NOT_RUNNING', `Instance "${name}" is not running: there is no ${socketPath}`, remedy);
  }
  if (code === 'ECONNREFUSED') {
    const message = `Instance "${name}" is not running any more: nobody listens on ${socketPath}`;
    return new HawserError('NOT_RUNNING', message, remedy);
  }
  return new HawserError('CONTROL', `Cannot reach instance "${name}" on ${socketPath}: ${error.message}`, remedy);
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : '';
}
