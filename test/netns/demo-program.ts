/** The two ends of the demo's transfer: `serve FILE PORT` is an HTTP server, `fetch URL` its client; JSON lines on stdout. */
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import http from 'node:http';
import { pipeline } from 'node:stream/promises';

const progressMs = 100;

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function serve(file: string, port: number): void {
  const server = http.createServer(async (_request, response) => {
    response.writeHead(200, { 'content-length': statSync(file).size, 'content-type': 'application/octet-stream' });
    try {
      await pipeline(createReadStream(file, { highWaterMark: 1 << 18 }), response);
    } catch (error) {
      print({ event: 'error', message: String(error) });
    }
  });
  server.listen(port, () => print({ event: 'ready' }));
}

/** Reports progress every 100 ms, then the hash; `gapMs` is the longest silence between two pieces since the last report. */
function fetchFile(url: string): void {
  const startMs = performance.now();
  const request = http.get(url, (response) => {
    const hash = createHash('sha256');
    let [bytes, gapMs, lastMs, reportedMs] = [0, 0, performance.now(), 0];
    response.on('data', (chunk: Buffer) => {
      const nowMs = performance.now();
      if (bytes > 0) gapMs = Math.max(gapMs, nowMs - lastMs);
      lastMs = nowMs;
      bytes += chunk.length;
      hash.update(chunk);
      if (nowMs - reportedMs < progressMs) return;
      reportedMs = nowMs;
      print({ event: 'progress', bytes, gapMs });
      gapMs = 0;
    });
    response.on('end', () => {
      print({ event: 'done', bytes, gapMs, ms: performance.now() - startMs, sha256: hash.digest('hex') });
    });
  });
  request.on('error', (error) => print({ event: 'error', message: error.message }));
}

const [verb, first = '', second = ''] = process.argv.slice(2);
if (verb === 'serve') serve(first, Number(second));
else fetchFile(first);
