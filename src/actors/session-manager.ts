/** Keeps sessions with all peers: shakes hands, owns key slots, peer rows and paths, and runs WireGuard's timers on what the data path leaves there. */
import { readKeyFile } from '../config/keys.ts';
import { recordType } from '../contract/records.ts';
import { sessionManagerCounters as counted } from '../rings/counter-names.ts';
import { shardPorts } from '../rings/shards.ts';
import type { RingConsumer } from '../rings/spsc-ring.ts';
import type { Actor, ActorContext, ActorDefinition, Command } from './kit/contract.ts';
import { consumer } from './kit/ports.ts';
import { buildDesks, type Desks } from './session/build-desks.ts';
import type { Route } from './session/path-book.ts';
import { ageOf, frameOf, MessageReader, routeOf, slotOf, wireBytesOf } from './session/records.ts';
import type { SessionManagerCommand, SessionManagerSettings } from './session/settings.ts';

/**
 * An eighth of a processor or so where the data path needs all there are, which is 200 handshakes a second, and all that is left where it does not: whoever
 * connects waits a moment longer, and thousands who do so at once take next to nothing from those who are there (docs/adr/0048).
 */
const handshakesNice = 5;

export const definition: ActorDefinition = {
  role: 'session-manager',
  turn: 'hybrid',
  isPatient: true,
  nice: handshakesNice,
  start: (context) => new SessionManager(context),
};

/** Messages of one carrier a turn: at 0.3 ms for a whole handshake a turn stays short. */
const messagesPerTurn = 32;
const eventsPerTurn = 256;

class SessionManager implements Actor {
  readonly #desks: Desks;
  readonly #handshakes: readonly RingConsumer[];
  /** By shard. */
  readonly #events: readonly RingConsumer[];
  readonly #reader = new MessageReader();
  readonly #requests: readonly RingConsumer[];
  #first = 0;
  #nowUs: number;

  constructor(context: ActorContext) {
    const settings = context.spec.settings as SessionManagerSettings;
    this.#handshakes = settings.carriers.map(({ name }) => consumer(context.spec, `handshakes.${name}`));
    this.#events = shardPorts('events', settings.shards).map((name) => consumer(context.spec, name));
    this.#requests = shardPorts('requests', settings.shards).map((name) => consumer(context.spec, name));
    this.#desks = buildDesks(context, settings, readKeyFile(settings.privateKeyFile));
    this.#nowUs = context.addon.nowUs();
    this.#desks.watch.start(this.#nowUs);
  }

  work(nowUs: number): number {
    this.#nowUs = nowUs;
    let done = 0;
    for (const ring of this.#events) done += this.#takeEvents(ring);
    for (const ring of this.#requests) done += this.#takeRequests(ring);
    const inputs = this.#handshakes.length;
    for (let turned = 0; turned < inputs; turned += 1) {
      done += this.#takeHandshakes(this.#handshakes[(this.#first + turned) % inputs], nowUs);
    }
    this.#first = (this.#first + 1) % Math.max(1, inputs);
    done += this.#desks.pool.turn(nowUs);
    this.#desks.access.turn(nowUs);
    this.#desks.watch.turn(nowUs);
    this.#desks.silence.turn(nowUs);
    return done;
  }

  onCommand(command: Command): void {
    const known = command as SessionManagerCommand;
    const { watch } = this.#desks;
    if (known.kind === 'peers') watch.changePeers(known, this.#nowUs);
    else if (known.kind === 'endpoints') watch.setEndpoints(known.peer, known.endpoints);
    else if (known.kind === 'rekey') watch.rekey(known.peer);
    else if (known.kind === 'plugin-answer') this.#desks.access.handleAnswer(known, this.#nowUs);
    else if (known.kind === 'enrolled') this.#desks.enrol.handleAnswer(known);
    else if (known.kind === 'forget-clock') watch.forgetClock(known.peer);
    else if (known.kind === 'network-changed') watch.handleNetworkChange(known.change, this.#nowUs);
    else if (known.kind === 'link-state') watch.handleLinkState(known);
  }

  close(): void {
    this.#desks.watch.close();
    this.#desks.files.close();
    this.#desks.pool.close();
  }

  /** Each record is released by itself: one that throws is not seen more than twice (`contract/`, suspectAt). */
  #takeHandshakes(ring: RingConsumer | undefined, nowUs: number): number {
    if (ring === undefined) return 0;
    let done = 0;
    for (; done < messagesPerTurn; done += 1) {
      const at = ring.peek();
      if (at < 0) break;
      ring.begin();
      if (ring.type === recordType.handshakeIn) {
        const message = this.#reader.read(ring, at);
        const { handshakes } = this.#desks;
        const from = (): Route => routeOf(ring, at, this.#desks.links);
        if (handshakes.gate.isWorthReading(message, from, nowUs)) {
          handshakes.handleMessage(from(), message, ageOf(ring, at, this.#desks.unixUs()), nowUs);
        }
      }
      ring.end();
      ring.advance();
      ring.release();
    }
    return done;
  }

  /** The sealer's requests say for which peers the tables have news (`handshakeWantedAt`, `lifeAt`); they also wake this thread. */
  #takeRequests(ring: RingConsumer): number {
    let done = 0;
    for (let at = ring.peek(); at >= 0; at = ring.peek()) {
      this.#desks.watch.handleRequest(ring.view.getInt32(at, true));
      ring.advance();
      done += 1;
    }
    ring.release();
    return done;
  }

  #takeEvents(ring: RingConsumer): number {
    let done = 0;
    for (; done < eventsPerTurn; done += 1) {
      const at = ring.peek();
      if (at < 0) break;
      ring.begin();
      this.#takeEvent(ring, at);
      ring.end();
      ring.advance();
      ring.release();
    }
    return done;
  }

  #takeEvent(ring: RingConsumer, at: number): void {
    const { watch, count } = this.#desks;
    if (ring.type === recordType.keysUsed) watch.handleKeysUsed(ring.view.getInt32(at, true));
    else if (ring.type === recordType.roamed) {
      const isNews = watch.handleRoamed(
        slotOf(ring, at),
        routeOf(ring, at, this.#desks.links),
        wireBytesOf(ring, at),
        this.#nowUs,
      );
      if (isNews) count(counted.roamed);
    } else if (ring.type === recordType.frameIn) {
      watch.handleFrame(frameOf(ring, at), this.#nowUs);
    }
  }
}
