/** Rows about paths and links: units in the names, ages instead of the daemon's clock; undefined = unknown or never. */

export interface PathStatus {
  readonly id: number;
  readonly peer: string;
  readonly link: string;
  /** What the peer calls its link at the other end; undefined = it has not said. */
  readonly peerLink: string | undefined;
  readonly transport: string;
  readonly endpoint: string;
  /** Source address, undefined = the kernel chooses. */
  readonly local: string | undefined;
  /** What the kernel and the handshakes say: up, down, unproven, standby. */
  readonly state: string;
  /** What feedback and probes say: unproven, live, suspect, dead, recovering, flapping, withdrawn; undefined = nobody judges it. */
  readonly condition: string | undefined;
  /** Why it is in that condition, in words. */
  readonly reason: string | undefined;
  /** Why it carries nothing though it lives: `far`, `unneeded`, `role`, `trip`, `jitter`, `loss`, `size`, `forced`; undefined = nothing keeps it. */
  readonly heldBy: string | undefined;
  /** Handshakes and what has no path of its own take it. */
  readonly isCurrent: boolean;
  readonly rttMs: number | undefined;
  readonly minRttMs: number | undefined;
  readonly jitterMs: number | undefined;
  readonly lossPercent: number | undefined;
  /** Bytes of the longest IP packet that is known to pass, in our direction. */
  readonly mtu: number | undefined;
  /** Since it is known, or is another. */
  readonly mtuAgeMs: number | undefined;
  /** What the peer received by it when it was last busy, and how fast it is used at most now. */
  readonly deliveryBps: number | undefined;
  readonly paceBps: number | undefined;
  /** Since `deliveryBps` was measured and not merely kept: a path that is not filled shows nothing of what it carries. */
  readonly rateAgeMs: number | undefined;
  /** Of what was asked by it: questions that never arrived, and answers that got lost on their way back by it, 0 to 100. */
  readonly probeLossPercent: number;
  readonly answerLossPercent: number;
  /** Since it loses much; undefined = it does not. */
  readonly lossyAgeMs: number | undefined;
  /** Since the path is known. */
  readonly ageMs: number | undefined;
  readonly inFlightBytes: number;
  readonly queueDelayMs: number | undefined;
  /** Of what is sent to the peer now, 0 to 100; undefined = nothing is sent. */
  readonly sharePercent: number | undefined;
  readonly sentBps: number;
  readonly receivedBps: number;
  readonly sentPacketsPerSecond: number;
  /** As the peer says: packets that came by it with an ECN field, and those that a queue on the way had marked as congested. */
  readonly ecnPacketsPerSecond: number;
  readonly markedPacketsPerSecond: number;
  /** Marked on the way to the peer, and on the way from it, ever. */
  readonly markedPackets: number;
  readonly receivedMarkedPackets: number;
  readonly changedAgeMs: number | undefined;
  readonly acknowledgedAgeMs: number | undefined;
  readonly lastReceivedAgeMs: number | undefined;
  readonly lostPackets: number;
  readonly resentPackets: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly lateBytes: number;
  readonly refusedBytes: number;
  readonly receivedBytes: number;
  readonly receivedPackets: number;
}

export interface LinkStatus {
  readonly name: string;
  readonly interface: string | undefined;
  /** `disabled`, `gone`, `down`, `no carrier`, `no address`, `dead` (probes), `degraded` (probes), `up`. */
  readonly state: string;
  readonly role: string;
  /** What a plugin suggests in place of the configuration, as far as it does. */
  readonly suggested: { readonly role?: string; readonly weight?: number };
  readonly priority: number;
  readonly isEnabled: boolean;
  /** The operator wants all data on it (`hawser failover`). */
  readonly isForced: boolean;
  /** undefined = not known, or no interface is named. */
  readonly hasCarrier: boolean | undefined;
  readonly addresses: readonly string[];
  /** What the configuration allows at most; undefined = learnt. */
  readonly limitBps: number | undefined;
  readonly sentBps: number;
  readonly receivedBps: number;
  readonly gso: boolean;
  readonly gro: boolean;
  readonly outqBytes: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly errors: number;
  readonly droppedPackets: number;
  /** Name of the errno of the last refused send. */
  readonly lastError: string | undefined;
}

export interface HealthChange {
  readonly ageMs: number;
  readonly state: string;
  readonly reason: string;
}

export interface CheckStatus {
  readonly name: string;
  /** unknown, up, degraded, down. */
  readonly state: string;
  /** What was answered last, or why that was no answer. */
  readonly last: string;
  readonly askedAgeMs: number | undefined;
  readonly changedAgeMs: number | undefined;
  readonly rttMs: number | undefined;
  /** Positive: right answers in a row; negative: failures. */
  readonly inRow: number;
  readonly probes: number;
  readonly answers: number;
}

export interface HealthStatus {
  readonly link: string;
  /** As configured: auto, icmp … off. */
  readonly method: string;
  /** The one that `auto` prefers now. */
  readonly methodInUse: string | undefined;
  readonly targets: readonly string[];
  /** One for each of `links.health.checks`, and how many must pass. */
  readonly checks: readonly CheckStatus[];
  readonly need: number;
  /** What was answered last, whoever was asked. */
  readonly last: string | undefined;
  /** unknown, up, degraded, down; undefined = nobody probes it. */
  readonly state: string | undefined;
  readonly reason: string | undefined;
  readonly changedAgeMs: number | undefined;
  /** Reliability of each method in use, 0 to 1. */
  readonly scores: Readonly<Record<string, number>>;
  readonly minRttMs: number | undefined;
  readonly rttMs: number | undefined;
  readonly maxRttMs: number | undefined;
  readonly jitterMs: number | undefined;
  readonly lossPercent: number | undefined;
  readonly uptimePercent: number | undefined;
  /** Positive: answers in a row; negative: failures. */
  readonly inRow: number;
  readonly probes: number;
  readonly answers: number;
  /** Newest first. */
  readonly history: readonly HealthChange[];
}
