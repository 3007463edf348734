/** What a congestion control is told by its sender, and says to it (as `tcp_congestion_ops` of Linux). All counts are of packets. */

/** Something arrived outside a recovery. */
export interface Arrival {
  readonly id: number;
  /** Of what will be sent next. */
  readonly nextId: number;
  readonly packets: number;
  /** Nothing but the window keeps more from leaving. */
  readonly isLimited: boolean;
  readonly inFlight: number;
  readonly smoothedRttUs: number;
  readonly nowUs: number;
}

/** One acknowledgement, after all that it names. */
export interface Acknowledgement {
  readonly nowUs: number;
  /** Of the newest that it names, and the least ever. */
  readonly rttUs: number;
  readonly leastRttUs: number;
  /** That it is the first to name. */
  readonly packets: number;
  /** Arrived, ever; by the time when the newest that it names left; and how long that difference took. */
  readonly delivered: number;
  readonly deliveredThen: number;
  readonly intervalUs: number;
  /** There was too little to send meanwhile. */
  readonly isAppLimited: boolean;
  /** What it names left before the last loss showed. */
  readonly isRecovering: boolean;
  readonly inFlight: number;
}

export interface CongestionControl {
  /** May be in flight. */
  readonly window: number;
  /** May leave in a microsecond; Infinity = what the window allows. */
  readonly pacePerUs: number;
  handleArrival(arrival: Arrival): void;
  handleAcknowledgement(acknowledgement: Acknowledgement): void;
  /** The first loss of a recovery. */
  handleLoss(inFlight: number): void;
  /** It was none. */
  undo(): void;
  /** Nothing was acknowledged for so long that all counts as lost. */
  handleTimeout(): void;
}

/** RFC 6928. */
export const firstWindow = 10;
