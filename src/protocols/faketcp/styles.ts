/** What our segments look like. An answer to a SYN says what the SYN said and no more, so a style is that of who calls. */

export interface Style {
  /** Whether SYNs offer segment sizes, selective acknowledgement and timestamps. */
  readonly isFull: boolean;
  /** The first number of who calls is 0, and can be guessed. */
  readonly startsAtZero: boolean;
  readonly windowShift: number;
  /** Window fields: of a SYN, of the answer to one, and of all that follow. */
  readonly synWindow: number;
  readonly synAckWindow: number;
  readonly openWindow: number;
  /** An acknowledgement follows soon after so many segments, else after a while, unless data that goes the other way says it; at once after so many bytes. */
  readonly owedSegments: number;
  readonly soonUs: number;
  readonly acknowledgeUs: number;
  readonly owedBytes: number;
}

export type StyleName = keyof typeof styles;

export const styles = {
  /**
   * Linux since tcp_rmem ends at 32 MiB (6.16: shift 10), with a window as it is after a fast transfer. Acknowledgements: RFC 9293 section
   * 3.8.6.3, TCP_DELACK_MIN of include/net/tcp.h; of what cards and GRO join there is one for many segments, here for a millisecond's, as a
   * packet a turn that says nothing else cost both ends a wake-up.
   */
  linux: {
    isFull: true,
    startsAtZero: false,
    windowShift: 10,
    synWindow: 64_240,
    synAckWindow: 65_160,
    openWindow: 32_767,
    owedSegments: 2,
    soonUs: 1_000,
    acknowledgeUs: 40_000,
    owedBytes: 1 << 20,
  },
  /** phantun 0.8.1 (fake-tcp/src/lib.rs and packet.rs): a window of 1 GiB, acknowledged each 128 MiB. It resets calls that begin with another number. */
  phantun: {
    isFull: false,
    startsAtZero: true,
    windowShift: 14,
    synWindow: 65_535,
    synAckWindow: 65_535,
    openWindow: 65_535,
    owedSegments: Number.POSITIVE_INFINITY,
    soonUs: Number.POSITIVE_INFINITY,
    acknowledgeUs: Number.POSITIVE_INFINITY,
    owedBytes: 128 << 20,
  },
} as const satisfies Readonly<Record<string, Style>>;
