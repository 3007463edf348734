/** Asks by HTTP from where it runs: a line of JSON in, a line of JSON out. Nothing of ours is loaded. */
import { request } from 'node:http';
import process from 'node:process';
import { createInterface } from 'node:readline';

export interface HttpQuestion {
  readonly method?: string;
  readonly port: number;
  readonly address?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends after the answer has this text; for answers that never end. */
  readonly until?: string;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

function ask(question: HttpQuestion): Promise<HttpAnswer> {
  const { method = 'GET', port, address = '127.0.0.1', path, headers = {}, body, until } = question;
  return new Promise((resolve, reject) => {
    const asked = request({ method, port, host: address, path, headers: { ...headers }, agent: false }, (response) => {
      let text = '';
      const done = (): void => {
        resolve({ status: response.statusCode ?? 0, headers: { ...response.headers }, body: text });
        asked.destroy();
      };
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (until !== undefined && text.includes(until)) done();
      });
      response.on('end', done);
      response.on('error', done);
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await ask(JSON.parse(line) as HttpQuestion).catch((error: unknown) => ({ error: String(error) }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
