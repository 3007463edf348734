/** Who is called by webhooks, on a host of a lab: writes down what comes, and is down when it is told to be. */
import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import type { Test } from 'tap';
import type { Host } from './netns.ts';

/** Writes what it gets to a file, one JSON object a line; answers 503 while `down` exists beside it. */
const program = `
const { createServer } = require('node:http'); const fs = require('node:fs');
const [file] = process.argv.slice(1);
createServer((request, response) => {
  let body = ''; request.on('data', (part) => { body += part; });
  request.on('end', () => {
    const isDown = fs.existsSync(file + '.down');
    if (!isDown) fs.appendFileSync(file, JSON.stringify({ headers: request.headers, body }) + '\\n');
    response.writeHead(isDown ? 503 : 204).end();
  });
}).listen(8099, '127.0.0.1');
`;

export const receiverUrl = 'http://127.0.0.1:8099/hook';

export interface GotWebhook {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Returns what came so far, whenever it is called. */
export function receiveWebhooks(t: Test, host: Host, file: string): () => GotWebhook[] {
  const child = host.spawn(process.execPath, ['-e', program, file], { stdio: 'ignore' });
  t.teardown(() => child.kill());
  return () =>
    existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          // Behind the last line feed is nothing, or a line that is being written.
          .slice(0, -1)
          .map((line) => JSON.parse(line) as GotWebhook)
      : [];
}
