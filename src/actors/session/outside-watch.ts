/** What happens to this host and matters to sessions: links, addresses, default routes, and a sleep of the machine. */
import { parseCidr } from '../../config/address.ts';
import type { Peer } from './peer-book.ts';
import type { PeerSchedule } from './peer-schedule.ts';
import type { LinkStateCommand, OutsideChange } from './settings.ts';
import type { WatchParts } from './watch-parts.ts';

/** A gap between turns that no park explains: the machine slept, or we were stopped. */
const sleptUs = 10_000_000;
/** After an address is gone another one comes within this, or a person brings it. */
const astrayUs = 60_000_000;

export class OutsideWatch {
  readonly #parts: WatchParts;
  readonly #schedule: PeerSchedule;
  /** Who was reached from an address that is gone, and until when it hears of each that comes. */
  readonly #astrayUntilUs = new Map<Peer, number>();
  #lastTurnUs = 0;
  /** What operators and health-checker last said of the links. */
  #verdicts = '';

  constructor(parts: WatchParts, schedule: PeerSchedule) {
    this.#parts = parts;
    this.#schedule = schedule;
  }

  start(nowUs: number): void {
    this.#lastTurnUs = nowUs;
  }

  turn(nowUs: number): void {
    if (nowUs - this.#lastTurnUs > sleptUs) this.#handleSleep();
    this.#lastTurnUs = nowUs;
    const verdicts = this.#parts.links.verdicts(nowUs);
    if (verdicts !== this.#verdicts) this.#schedule.touchAll();
    this.#verdicts = verdicts;
  }

  /** The peer has gone. */
  forget(peer: Peer): void {
    this.#astrayUntilUs.delete(peer);
  }

  /** The kernel says something about a link: paths over it are withdrawn at once, or tried. */
  handleLinkState(command: LinkStateCommand): void {
    const { links, peers, paths } = this.#parts;
    const row = links.find(command.link)?.row;
    const translator = row === undefined ? '' : links.translatorOf(row);
    const change = links.handleState(command);
    if (change === 'same') return;
    this.#schedule.touchAll();
    // Endpoints of IPv4 are elsewhere by it now.
    if (row !== undefined && links.translatorOf(row) !== translator)
      for (const peer of peers.all()) {
        paths.handleChange(peer);
        this.#schedule.callIfExpected(peer);
      }
    if (change === 'moved') for (const peer of peers.all()) this.#tellMoved(peer, row);
  }

  /**
   * This host is elsewhere by one link: no peer shall wait for a packet that nobody has a reason to send, in the middle of a download.
   * A peer with many paths is challenged by each of that link (`PathDesk`), and one without a session called.
   */
  #tellMoved(peer: Peer, linkRow: number | undefined): void {
    const { peers, outbox } = this.#parts;
    const { current } = peer.session.keys;
    if (current === undefined) this.#schedule.callIfExpected(peer);
    else if (!peer.hasPaths && peers.pathOf(peer)?.link === linkRow) {
      peers.forgetLocal(peer);
      outbox.sendKeepalive(peer.row, current.slot);
    }
  }

  /**
   * Our own address in a path binds its packets to that address. One that is gone would keep them from leaving; after a change
   * of the default route it may be another link's, for peers we know how to call. They hear at once where we are, and again when an
   * address or a default route comes: what was said before had perhaps no way out.
   */
  handleNetworkChange(change: OutsideChange, nowUs: number): void {
    // Containers come and go on a host by the hundred: an address that came concerns nobody else.
    if (change.kind !== 'address-came')
      this.#leaveLocal(change.kind === 'address-gone' ? change.address : undefined, nowUs);
    for (const [peer, untilUs] of this.#astrayUntilUs) {
      const { current } = peer.session.keys;
      if (nowUs >= untilUs) this.#astrayUntilUs.delete(peer);
      else if (current !== undefined) this.#parts.outbox.sendKeepalive(peer.row, current.slot);
      else {
        peer.session.handleWanted();
        this.#schedule.touch(peer);
      }
    }
  }

  /** `address`: that is gone; undefined = the default route changed. */
  #leaveLocal(address: string | undefined, nowUs: number): void {
    const { peers, paths } = this.#parts;
    const gone = address === undefined ? undefined : Buffer.from(parseCidr(address)?.addressHex ?? '', 'hex');
    for (const peer of peers.all()) {
      if (gone === undefined && peer.places.length === 0) continue;
      if (paths.handleLocalGone(peer, gone, nowUs)) this.#astrayUntilUs.set(peer, nowUs + astrayUs);
    }
    this.#schedule.touchAll();
  }

  /** Ages include the sleep (CLOCK_BOOTTIME), but the peer and every NAT between us may have forgotten us. */
  #handleSleep(): void {
    for (const peer of this.#parts.peers.all()) {
      if (peer.session.keys.current !== undefined) peer.session.handleWanted();
      else if (peer.settings.keepaliveMs > 0) this.#schedule.call(peer);
    }
    this.#schedule.touchAll();
  }
}
