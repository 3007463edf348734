/** Every counter of every role: its cell (`Throughput.count`), its name `role_event_unit`, and what it says. One table, one truth. */
export interface CounterName {
  readonly name: string;
  readonly help: string;
}

export const tunReaderCounters = { full: 0, shed: 1 } as const;
export const sealerCounters = {
  noRoute: 0,
  malformed: 1,
  overflow: 2,
  codel: 3,
  expired: 4,
  marked: 5,
  stashed: 6,
  sealFailed: 7,
  parity: 8,
  thinned: 9,
  cut: 10,
  fragmented: 11,
  outerFragments: 12,
  tooLong: 13,
  told: 14,
} as const;
export const openerCounters = {
  replayed: 0,
  rejected: 1,
  keepalives: 2,
  control: 3,
  unknown: 4,
  stalled: 5,
  parity: 6,
  reports: 7,
  givenUp: 8,
  rebuilt: 9,
  unmarkable: 10,
  fragments: 11,
  unjoined: 12,
} as const;
export const tunWriterCounters = { refused: 0 } as const;
export const sessionManagerCounters = {
  initiations: 0,
  responses: 1,
  cookies: 2,
  malformed: 3,
  badMac1: 4,
  forged: 5,
  replayed: 6,
  limited: 7,
  overload: 8,
  noSlot: 9,
  established: 10,
  roamed: 11,
  unknownKey: 12,
  otherObfuscation: 13,
  late: 14,
  refused: 15,
} as const;
export const wanLinkCounters = { blocked: 0, full: 1 } as const;
export const fakeTcpCounters = { full: 0, opened: 1, judged: 2, uncalled: 3, answered: 4, ignored: 5 } as const;
export const tlsLinkCounters = { opened: 0, accepted: 1, uncalled: 2, malformed: 3, crowded: 4 } as const;

/** In cell order. */
export const counterNames: Readonly<Record<string, readonly CounterName[]>> = {
  'tun-reader': [
    { name: 'tun_reader_ring_full_turns', help: 'Turns in which the sealer had left no room' },
    {
      name: 'tun_reader_shed_trains',
      help: 'Dropped: the sealer of one shard had left no room for long, and others went on',
    },
  ],
  sealer: [
    { name: 'sealer_no_route_packets', help: 'Dropped: no allowed IP of any peer holds the destination' },
    { name: 'sealer_malformed_packets', help: 'Dropped: not an IP packet, or headers that make no sense' },
    { name: 'sealer_overflow_packets', help: 'Dropped: the queue of the peer or flow was full' },
    { name: 'sealer_codel_packets', help: 'Dropped by CoDel: waited above target for an interval (RFC 8289)' },
    { name: 'sealer_expired_packets', help: 'Dropped: waited too long for a session' },
    { name: 'sealer_marked_packets', help: 'Marked congestion-experienced instead of dropped (RFC 3168)' },
    { name: 'sealer_stashed_packets', help: 'Queued, because the path had no credit' },
    { name: 'sealer_failed_runs', help: 'Runs that the key slot refused' },
    { name: 'sealer_parity_packets', help: 'Parity of forward error correction that was sent' },
    {
      name: 'sealer_thinned_packets',
      help: 'Acknowledgements of TCP that a later one took the place of, while a flow begins',
    },
    { name: 'sealer_cut_packets', help: 'Longer than the paths take: sent in several frames' },
    { name: 'sealer_fragmented_packets', help: 'Longer than the path takes: sent in fragments of the inner IP' },
    {
      name: 'sealer_outer_fragmented_packets',
      help: 'Longer than the path takes: left in fragments of the outer IP (tunnel.fragment)',
    },
    { name: 'sealer_too_long_packets', help: 'Dropped: longer than the path takes, and not to be fragmented' },
    { name: 'sealer_too_big_answers', help: 'Senders told by ICMP how long their packets may be' },
  ],
  opener: [
    { name: 'opener_replayed_packets', help: 'Dropped: counter seen before, or older than the window' },
    {
      name: 'opener_rejected_packets',
      help: "Dropped: forged, malformed, or from an inner address that is not the peer's",
    },
    { name: 'opener_keepalive_packets', help: 'Empty packets' },
    { name: 'opener_control_packets', help: 'Control frames for the session-manager or the sealer' },
    { name: 'opener_unknown_packets', help: 'Dropped: no session has this receiver index' },
    { name: 'opener_stalled_turns', help: 'Turns that ended because the tun-writer had left no room' },
    { name: 'opener_parity_packets', help: 'Parity of forward error correction' },
    { name: 'opener_report_frames', help: 'Reports to peers of what arrived' },
    { name: 'opener_given_up_gaps', help: 'Gaps that were not waited for any longer' },
    { name: 'opener_rebuilt_packets', help: 'Lost packets rebuilt from parity' },
    {
      name: 'opener_unmarkable_packets',
      help: 'Dropped: marked congestion-experienced on the way, and their sender would not understand it (RFC 6040)',
    },
    { name: 'opener_fragment_frames', help: 'Pieces of packets that are longer than their path takes' },
    { name: 'opener_unjoined_packets', help: 'Dropped: pieces of them whose others did not come, or made no sense' },
  ],
  'tun-writer': [{ name: 'tun_writer_refused_trains', help: 'Trains the kernel did not take' }],
  'session-manager': [
    { name: 'session_manager_initiation_messages', help: 'Handshake initiations sent' },
    { name: 'session_manager_response_messages', help: 'Handshake responses sent' },
    { name: 'session_manager_cookie_messages', help: 'Cookie replies sent, because of load' },
    { name: 'session_manager_malformed_messages', help: 'Dropped: not a handshake message' },
    { name: 'session_manager_bad_mac1_messages', help: 'Dropped: the sender does not know our public key' },
    { name: 'session_manager_forged_messages', help: 'Dropped: did not authenticate, or from no peer of ours' },
    { name: 'session_manager_replayed_messages', help: 'Dropped: initiation seen before, or too soon after another' },
    {
      name: 'session_manager_limited_messages',
      help: 'Dropped under load: too many from one address, or too many cookie replies',
    },
    { name: 'session_manager_overload_messages', help: 'Dropped under load: too many wait for X25519' },
    { name: 'session_manager_no_slot_sessions', help: 'Handshakes that found no free key slot' },
    { name: 'session_manager_established_sessions', help: 'Sessions that came into use' },
    { name: 'session_manager_roamed_endpoints', help: 'Peers that were heard from another endpoint' },
    { name: 'session_manager_unknown_key_messages', help: 'Dropped: initiations with a key that no peer here has' },
    {
      name: 'session_manager_other_obfuscation_messages',
      help: 'Dropped: handshakes that wear another obfuscation than their peer does here',
    },
    { name: 'session_manager_late_messages', help: 'Dropped: initiations that waited until their sender calls again' },
    { name: 'session_manager_refused_initiations', help: 'Not answered: the client has come to a limit' },
  ],
  'wan-link': [
    { name: 'wan_link_blocked_turns', help: 'Turns in which the socket was full' },
    { name: 'wan_link_ring_full_turns', help: 'Turns in which the opener had left no room' },
  ],
  'faketcp-stack': [
    { name: 'faketcp_stack_ring_full_turns', help: 'Turns in which the opener had left no room' },
    { name: 'faketcp_stack_opened_connections', help: 'Connections that we called for and that were answered' },
    { name: 'faketcp_stack_judged_segments', help: 'Segments that were no plain data of an open connection' },
    {
      name: 'faketcp_stack_uncalled_packets',
      help: 'Dropped: there was no connection to their endpoint, and none could be called for',
    },
    { name: 'faketcp_stack_answered_calls', help: 'SYNs that were answered with a cookie, and forgotten' },
    {
      name: 'faketcp_stack_ignored_calls',
      help: 'SYNs that were not answered: their address had more than 500 answers in that second',
    },
  ],
  'tls-link': [
    { name: 'tls_link_opened_connections', help: 'Connections that we called for and that the peer answered' },
    { name: 'tls_link_accepted_connections', help: 'Connections whose caller has proven that he is a peer' },
    {
      name: 'tls_link_uncalled_packets',
      help: 'Dropped: there was no connection to their endpoint, and none could be called for, or not yet again',
    },
    { name: 'tls_link_malformed_messages', help: 'Dropped: messages of a peer that hold no packets' },
    { name: 'tls_link_crowded_connections', help: 'Strangers that were sent away because there were too many' },
  ],
};
