/** Reads the shared tables as the snapshot does, and makes points of them: links and paths each second, clients each ten. */
import { lifeReasonTexts, lifeStateNames } from '../../bonding/life/path-life-states.ts';
import { pathHoldNames } from '../../bonding/path-hold.ts';
import { link } from '../../contract/link-tables.ts';
import { path, peer } from '../../contract/peer-tables.ts';
import { LinkReader } from '../../control/read-links.ts';
import { PathReader } from '../../control/read-paths.ts';
import type { InstanceInfo, SharedMemory } from '../../control/supervisor-api.ts';
import { zoneOf } from '../../io/zones.ts';
import { linkTable, pathTable, peerTable, type RowTable } from '../../rings/table.ts';
import type { Sample } from './recorder.ts';

/** Of all that there are: a hub has thousands, and a history of each would be larger than what they carry. */
const mostPaths = 32;
const clientsEveryUs = 10_000_000;

/** What one path adds to what is told of its name and of its link. */
interface PathPoint {
  readonly name: string;
  readonly link: string;
  readonly inBps: number;
  readonly outBps: number;
  readonly rttMs: number;
  readonly lossPercent: number;
  readonly queueMs: number;
}

interface Count {
  readonly atUs: number;
  readonly value: number;
}

export class Sampler {
  readonly #mostClients: number;
  readonly #links: RowTable;
  readonly #paths: RowTable;
  readonly #peers: RowTable;
  readonly #linkReader: LinkReader;
  readonly #pathReader: PathReader;
  #counts = new Map<string, Count>();
  #clientCounts = new Map<string, Count>();
  readonly #clients: Set<string>;
  readonly #pathNames = new Set<string>();
  /** Rows of paths for which there is no room, and their birth: of thousands each is looked at once. */
  readonly #passedOver = new Map<number, number>();
  #clientsUs = Number.NEGATIVE_INFINITY;

  /** `clients`: those that have a history already; it grows to `mostClients`. */
  constructor(memory: SharedMemory, mostClients: number, clients: Set<string>) {
    this.#mostClients = mostClients;
    this.#clients = clients;
    this.#links = linkTable(memory.links);
    this.#paths = pathTable(memory.paths);
    this.#peers = peerTable(memory.peers);
    this.#linkReader = new LinkReader(memory);
    this.#pathReader = new PathReader(memory, {
      conditions: lifeStateNames,
      reasons: lifeReasonTexts,
      holds: pathHoldNames,
      zoneOf,
    });
  }

  sample(instance: InstanceInfo, nowUs: number): Sample[] {
    const before = this.#counts;
    this.#counts = new Map();
    const paths = this.#pathPoints(instance, nowUs, before);
    const samples = [...this.#linkSamples(instance, nowUs, before, paths), ...pathSamples(paths)];
    if (nowUs - this.#clientsUs < clientsEveryUs) return samples;
    this.#clientsUs = nowUs;
    return [...samples, ...this.#clientSamples(instance, nowUs)];
  }

  #linkSamples(
    instance: InstanceInfo,
    nowUs: number,
    before: ReadonlyMap<string, Count>,
    paths: readonly PathPoint[],
  ): Sample[] {
    const rates = new Map<string, number>();
    for (const [key, value] of this.#linkReader.counts(instance))
      rates.set(key, grown(this.#counts, before, key, value, nowUs));
    return instance.links.map(({ row, name }) => {
      const judged = this.#links.number(row, link.healthJudgedUsAt) !== 0;
      const busiest = busiestOf(paths.filter((one) => one.link === name));
      const rttUs = judged ? this.#links.number(row, link.healthRttUsAt) : 0;
      const inBps = rates.get(`link ${name} received`) ?? Number.NaN;
      const outBps = rates.get(`link ${name} sent`) ?? Number.NaN;
      const rttMs = rttUs > 0 ? rttUs / 1000 : (busiest?.rttMs ?? Number.NaN);
      const lossPercent = judged
        ? this.#links.number(row, link.healthLossAt) * 100
        : (busiest?.lossPercent ?? Number.NaN);
      const queueMs = busiest?.queueMs ?? Number.NaN;
      return {
        series: { kind: 'link', name },
        point: Float32Array.of(inBps, inBps, outBps, outBps, rttMs, rttMs, lossPercent, queueMs),
      };
    });
  }

  #pathPoints(instance: InstanceInfo, nowUs: number, before: ReadonlyMap<string, Count>): PathPoint[] {
    const points: PathPoint[] = [];
    for (const row of this.#pathReader.rows()) {
      if (points.length >= 2 * mostPaths) break;
      const bornUs = this.#paths.number(row, path.bornUsAt);
      if (this.#passedOver.get(row) === bornUs) continue;
      const place = this.#pathReader.moment(row, instance, nowUs);
      if (place === undefined) continue;
      const { peer: to, link: by, transport, peerLink } = place;
      const name = [to, by, transport, ...(peerLink === undefined ? [] : [peerLink])].join('/');
      if (!this.#admit(this.#pathNames, name, mostPaths)) {
        this.#passedOver.set(row, bornUs);
        continue;
      }
      const rate = (what: string, column: number): number =>
        grown(this.#counts, before, `path ${place.key} ${what}`, this.#paths.number(row, column), nowUs);
      const isJudged = this.#paths.number(row, path.changedUsAt) !== 0;
      points.push({
        name,
        link: by,
        inBps: rate('in', path.receivedBytesAt),
        outBps: rate('out', path.sentBytesAt),
        rttMs: place.rttMs ?? Number.NaN,
        lossPercent: place.lossPercent ?? Number.NaN,
        queueMs: isJudged ? this.#paths.number(row, path.queueDelayUsAt) / 1000 : Number.NaN,
      });
    }
    return points;
  }

  #clientSamples(instance: InstanceInfo, nowUs: number): Sample[] {
    const before = this.#clientCounts;
    this.#clientCounts = new Map();
    const samples: Sample[] = [];
    for (const row of this.#pathReader.peersInUse()) {
      if (row < 0 || row >= this.#peers.rows) continue;
      const name = this.#pathReader.nameOf(row, instance);
      if (this.#clients.size >= this.#mostClients && !this.#clients.has(name)) continue;
      const count = (what: string, column: number): number =>
        grown(this.#clientCounts, before, `${what} ${row} ${name}`, this.#peers.number(row, column), nowUs);
      const inBps = count('in', peer.receivedBytesAt);
      const outBps = count('out', peer.sentBytesAt);
      if (name === `row ${row}` || Number.isNaN(inBps) || Number.isNaN(outBps)) continue;
      if (!this.#admit(this.#clients, name, this.#mostClients)) continue;
      samples.push({ series: { kind: 'client', name }, point: Float32Array.of(inBps, inBps, outBps, outBps) });
    }
    return samples;
  }

  #admit(names: Set<string>, name: string, most: number): boolean {
    if (names.has(name)) return true;
    if (names.size >= most) return false;
    names.add(name);
    return true;
  }
}

/** Paths that differ in their endpoints only are one: their rates together, the rest of the one that carries most. */
function pathSamples(paths: readonly PathPoint[]): Sample[] {
  const groups = new Map<string, PathPoint[]>();
  for (const one of paths) groups.set(one.name, [...(groups.get(one.name) ?? []), one]);
  return [...groups].map(([name, group]) => {
    const sum = (read: (one: PathPoint) => number): number => group.reduce((all, one) => all + (read(one) || 0), 0);
    const isKnown = group.some(({ inBps }) => !Number.isNaN(inBps));
    const inBps = isKnown ? sum((one) => one.inBps) : Number.NaN;
    const outBps = isKnown ? sum((one) => one.outBps) : Number.NaN;
    const { rttMs, lossPercent, queueMs } = busiestOf(group) as PathPoint;
    return {
      series: { kind: 'path', name },
      point: Float32Array.of(inBps, inBps, outBps, outBps, rttMs, rttMs, lossPercent, queueMs),
    };
  });
}

function busiestOf(paths: readonly PathPoint[]): PathPoint | undefined {
  let busiest: PathPoint | undefined;
  for (const one of paths) {
    const isMore = busiest === undefined || carried(one) > carried(busiest);
    if (isMore || (Number.isNaN(busiest?.rttMs) && carried(one) === carried(busiest as PathPoint))) busiest = one;
  }
  return busiest;
}

function carried({ inBps, outBps }: PathPoint): number {
  return (inBps || 0) + (outBps || 0);
}

/** Bits a second since `before`; NaN without a before, and where the counter began anew. Keeps `value` in `counts`. */
function grown(
  counts: Map<string, Count>,
  before: ReadonlyMap<string, Count>,
  key: string,
  value: number,
  nowUs: number,
): number {
  counts.set(key, { atUs: nowUs, value });
  const last = before.get(key);
  if (last === undefined || value < last.value || nowUs <= last.atUs) return Number.NaN;
  return ((value - last.value) * 8e6) / (nowUs - last.atUs);
}
