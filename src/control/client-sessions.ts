/** Sessions of clients, with what the peer of each does now. Pure. */
import type { ClientSession } from './client-calls.ts';
import type { PeerStatus } from './rows.ts';

export interface SessionStatus extends ClientSession {
  readonly addresses: readonly string[];
  readonly endpoint: string | undefined;
  readonly link: string | undefined;
  readonly transport: string | undefined;
  /** Bits a second, from the client and to it. */
  readonly upBps: number;
  readonly downBps: number;
  readonly queuedBytes: number;
}

export function sessionsOf(sessions: readonly ClientSession[], peers: readonly PeerStatus[]): SessionStatus[] {
  const byName = new Map(peers.map((peer) => [peer.name, peer]));
  return sessions.map((session) => {
    const peer = byName.get(session.peer);
    return {
      ...session,
      addresses: peer?.allowedIPs ?? [],
      endpoint: peer?.endpoint,
      link: peer?.link,
      transport: peer?.transport,
      upBps: peer?.receivedBps ?? 0,
      downBps: peer?.sentBps ?? 0,
      queuedBytes: peer?.queuedBytes ?? 0,
    };
  });
}
