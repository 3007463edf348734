/** `hawser paths`: every way to a peer (link, transport, endpoint): whether it lives and why, what is measured, what it carries. */
import type { Command } from 'commander';
import type { PathStatus } from '../control/network-rows.ts';
import { wayName } from '../control/words.ts';
import { ask } from './control-client.ts';
import {
  type Column,
  formatTable,
  humanAge,
  humanBytes,
  humanCount,
  humanMs,
  humanPercent,
  humanRate,
} from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

interface PathsOptions extends InstanceOptions {
  readonly peer?: string;
  readonly wide?: true;
}

export function addPathsCommand(program: Command): void {
  addInstanceCommand(program, 'paths', 'show the paths to the peers: state and why, round trip, loss, rate, share')
    .option('--peer <name>', 'only those to this peer')
    .option('--wide', 'every column, however wide the terminal is')
    .action(async (options: PathsOptions) => {
      const paths = await ask(options, 'paths');
      const wanted = paths.filter((path) => options.peer === undefined || path.peer === options.peer);
      const widest = options.wide === true ? Number.POSITIVE_INFINITY : undefined;
      printResult(options, wanted, (rows) => pathLines(rows, widest));
    });
}

const rate = (bps: number | undefined): string => (bps === undefined ? '-' : humanRate(bps));

/** Of a terminal; where the table goes to is not always one. */
const usualWidth = 80;

/** The most useful first: what does not fit goes from the right, and `--wide` shows it. */
const columns: readonly Column<PathStatus>[] = [
  { heading: 'PEER', text: (path) => path.peer },
  { heading: 'LINK', text: wayName },
  { heading: 'STATE', text: stateOf },
  { heading: 'RTT', align: 'right', text: (path) => humanMs(path.rttMs) },
  { heading: 'LOSS', optional: true, align: 'right', text: (path) => humanPercent(path.lossPercent) },
  { heading: 'SHARE', optional: true, align: 'right', text: (path) => humanPercent(path.sharePercent) },
  { heading: 'OUT', optional: true, align: 'right', text: (path) => humanRate(path.sentBps) },
  { heading: 'IN', optional: true, align: 'right', text: (path) => humanRate(path.receivedBps) },
  { heading: 'MTU', optional: true, align: 'right', text: (path) => String(path.mtu ?? '-') },
  { heading: 'ENDPOINT', optional: true, text: (path) => path.endpoint },
  { heading: 'RATE', optional: true, align: 'right', text: (path) => rate(path.deliveryBps) },
  { heading: 'MIN', optional: true, align: 'right', text: (path) => humanMs(path.minRttMs) },
  { heading: 'JITTER', optional: true, align: 'right', text: (path) => humanMs(path.jitterMs) },
  { heading: 'QUEUE', optional: true, align: 'right', text: (path) => humanMs(path.queueDelayMs) },
  { heading: 'MARKED', optional: true, align: 'right', text: (path) => humanCount(path.markedPackets) },
  { heading: 'CHANGED', optional: true, text: (path) => humanAge(path.changedAgeMs) },
  { heading: 'FLIGHT', optional: true, align: 'right', text: (path) => humanBytes(path.inFlightBytes) },
  { heading: 'HEARD', optional: true, text: (path) => humanAge(path.lastReceivedAgeMs) },
  { heading: 'RESENT', optional: true, align: 'right', text: (path) => humanCount(path.resentPackets) },
  { heading: 'PEER LINK', optional: true, text: (path) => path.peerLink ?? '-' },
  { heading: 'TRANSPORT', optional: true, text: (path) => path.transport },
  { heading: 'FROM', optional: true, text: (path) => path.local ?? '-' },
  { heading: 'LATE', optional: true, align: 'right', text: (path) => humanBytes(path.lateBytes) },
  { heading: 'REFUSED', optional: true, align: 'right', text: (path) => humanBytes(path.refusedBytes) },
  { heading: 'PATH', optional: true, align: 'right', text: (path) => String(path.id) },
];

/** What is said of a path that carries: the condition; of one that does not, what the kernel and the handshakes say. */
function stateOf(path: PathStatus): string {
  const state = path.condition === undefined || path.state === 'down' ? path.state : path.condition;
  return path.isCurrent ? `${state}*` : state;
}

/** The reasons stand below: they are sentences. */
export function pathLines(paths: readonly PathStatus[], widest = process.stdout.columns ?? usualWidth): string[] {
  const table = formatTable(columns, paths, 'No path is known yet.', widest);
  const reasons = paths
    .filter((path) => path.reason !== undefined && path.condition !== 'live')
    .map((path) => `${path.peer} by ${wayName(path)}: ${path.condition}: ${path.reason}`);
  return reasons.length === 0 ? table : [...table, '', ...reasons];
}
