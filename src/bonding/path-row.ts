/**
 * A path's port to what others say of it: session-manager, link, kernel and opener, in a row of a shared table in the daemon. Each getter
 * reads afresh; nobody writes by it, for what the bond finds out its owner takes from the path.
 */
export interface PathRow {
  /** Tells two paths apart for as long as both exist. */
  readonly row: number;
  /** Among the peer's, from 0 on: what the flight record and probes call it. */
  readonly number: number;
  /** Number of the carrier that it leaves by: by one link and one transport. */
  readonly port: number;
  /** Number of its transport. */
  readonly transport: number;
  /** One of `pathState`: what may be sent by it. */
  readonly state: number;
  /** Number of the link that it leaves by. */
  readonly link: number;
  /** Place of its transport in the order that the operator prefers, from 1 on; 0 = as configured. */
  readonly place: number;
  /** The operator wants its transport as long as it lives. */
  readonly isForced: boolean;
  /** Of `pathOrigin`; of `pathWish`, what the peer wants of it, and when it said so. */
  readonly origin: number;
  readonly wish: number;
  readonly wishUs: number;
  /** Of `pathVote`, as a predecessor of the bond left it. */
  readonly vote: number;
  /** The peer showed once that it can be reached there. */
  readonly isAddressProven: boolean;
  /** When the peer's data last came by it, microseconds; 0 = never. */
  readonly dataReceivedUs: number;

  // Running totals, bytes: sealed for it, and of those what is past the pipeline, whether sent or not.
  readonly sealedBytes: number;
  readonly drainedBytes: number;
  /** Waits in the kernel and the device below. */
  readonly outqBytes: number;

  /** IP header and the transport's own in front of each of its packets. */
  readonly headerBytes: number;
  /** Of the interface; 0 = nobody has told of it, infinite = it does not matter to what is a stream below. */
  readonly interfaceMtu: number;
  /** Longest outer packet that a predecessor found to pass; 0 = not known. */
  readonly knownMtu: number;
  /** Packets that the kernel refused as too long, ever, and bytes of UDP payload of the last. */
  readonly refusedPackets: number;
  readonly refusedBytes: number;
  /** What routers said, ever: how often, and bytes of the outer packet that the last named. */
  readonly hints: number;
  readonly hintBytes: number;
}
