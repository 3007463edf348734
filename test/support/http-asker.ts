/** Asks a daemon's HTTP API from within its host of a lab. */
import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { HttpAnswer, HttpQuestion } from './http-program.ts';
import type { Host } from './netns.ts';

const program = path.resolve(import.meta.dirname, 'http-program.js');

export class HttpAsker {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #port: number;

  constructor(host: Host, port: number) {
    this.#port = port;
    this.#child = host.spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('the asking program has no output');
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** Rejects with what the connection ended with. */
  async ask(question: Omit<HttpQuestion, 'port'>): Promise<HttpAnswer> {
    this.#child.stdin?.write(`${JSON.stringify({ port: this.#port, ...question })}\n`);
    const { value } = await this.#answers.next();
    const answer = JSON.parse(String(value)) as HttpAnswer | { readonly error: string };
    if ('error' in answer) throw new Error(answer.error);
    return answer;
  }

  /** With a token; the answer must be JSON. */
  async call(token: string, method: 'GET' | 'POST', route: string, body?: object) {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const answer = await this.ask({
      method,
      path: `/api/v1/${route}`,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { ...answer, json: JSON.parse(answer.body) as unknown };
  }

  close(): void {
    this.#child.kill();
  }
}
