/** Who gives a processor away at once: of a daemon's threads all but those that have packets. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { Daemon } from '../support/daemon.ts';
import { generateKeys } from '../support/keys.ts';
import { Lab, skipReason } from '../support/netns.ts';
import { until } from '../support/until.ts';

const skip = skipReason() || (sliceOf('self', process.pid) === undefined && 'needs Linux 6.12 with CONFIG_SCHED_DEBUG');

/** Microseconds; proc(5) has them in /proc/PID/sched. */
function sliceOf(pid: number | 'self', thread: number): number | undefined {
  try {
    const found = /^se\.slice\s*:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/task/${thread}/sched`, 'latin1'))?.[1];
    return found === undefined ? undefined : Number(found) / 1000;
  } catch {
    return undefined;
  }
}

t.test('all threads of a daemon but those with packets are patient', skip === false ? {} : { skip }, async (t) => {
  const lab = new Lab();
  t.teardown(() => lab.close());
  const keys = generateKeys();
  const tokensFile = path.join(lab.folder, 'tokens');
  const more = { api: { listen: '127.0.0.1:8474', tokensFile }, runtime: { placement: 'dedicated' } };
  const daemon = new Daemon(lab, lab.host('a'), { keys, addresses: ['10.9.0.1/24'], peers: [], more });
  await daemon.start();
  await until('the api-server runs', async () =>
    (await daemon.actors()).some(({ role, state }) => role === 'api-server' && state === 'running'),
  );
  const usual = sliceOf('self', process.pid) ?? 0;
  const hasPackets = ['tun-reader', 'sealer', 'wan-link', 'opener', 'tun-writer'];
  const threads = new Set(readdirSync(`/proc/${daemon.pid}/task`).map(Number));
  for (const { id, role, kernelThreadId = 0 } of await daemon.actors()) {
    threads.delete(kernelThreadId);
    t.equal(sliceOf(daemon.pid, kernelThreadId), hasPackets.includes(role) ? usual : 10_000, id);
  }
  t.ok(threads.size >= 5, 'the main thread, and those of V8');
  for (const id of threads) t.equal(sliceOf(daemon.pid, id), 10_000, `thread ${id - daemon.pid} after the first`);
});
