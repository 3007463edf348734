/** `hawser peers`: who is connected, over which path, with which keys, and what went through. */
import type { Command } from 'commander';
import type { PeerRefusal, PeerStatus } from '../control/rows.ts';
import { ask } from './control-client.ts';
import { type Column, formatTable, humanAge, humanBytes, humanCount, humanDuration, humanRate } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

export function addPeersCommand(program: Command): void {
  addInstanceCommand(program, 'peers', 'show the peers of a running instance').action(
    async (options: InstanceOptions) => {
      printResult(options, await ask(options, 'peers'), peerLines);
    },
  );
}

const columns: readonly Column<PeerStatus>[] = [
  { heading: 'PEER', text: (peer) => peer.name },
  { heading: 'STATE', text: stateOf },
  { heading: 'ENDPOINT', text: (peer) => peer.endpoint ?? '-' },
  {
    heading: 'VIA',
    optional: true,
    text: (peer) => (peer.link === undefined ? '-' : `${peer.link}/${peer.transport}`),
  },
  { heading: 'CIPHER', optional: true, text: (peer) => peer.cipher ?? '-' },
  { heading: 'KIND', optional: true, text: kindOf },
  { heading: 'HANDSHAKE', text: (peer) => humanAge(peer.handshakeAgeMs) },
  { heading: 'RECEIVED', optional: true, align: 'right', text: (peer) => humanBytes(peer.receivedBytes) },
  { heading: 'SENT', optional: true, align: 'right', text: (peer) => humanBytes(peer.sentBytes) },
  { heading: 'IN', align: 'right', text: (peer) => humanRate(peer.receivedBps) },
  { heading: 'OUT', align: 'right', text: (peer) => humanRate(peer.sentBps) },
  { heading: 'QUEUE', optional: true, align: 'right', text: (peer) => humanBytes(peer.queuedBytes) },
  { heading: 'DROPPED', align: 'right', text: (peer) => humanCount(peer.droppedPackets) },
  {
    heading: 'REFUSED',
    optional: true,
    text: ({ refusal }) => (refusal === undefined ? '-' : refusals[refusal.reason]),
  },
];

/** Why a handshake failed last, in few letters. */
const refusals: Readonly<Record<PeerRefusal['reason'], string>> = {
  clockBehind: 'clock behind',
  notItsKey: 'wrong key',
  unreadable: 'preshared key',
  unused: 'unused',
  busy: 'busy',
  obfuscation: 'obfuscation',
};

function stateOf({ state, cutOffAgeMs }: PeerStatus): string {
  return cutOffAgeMs === undefined ? state : `${state} since ${humanDuration(cutOffAgeMs)}`;
}

function kindOf({ isHawser }: PeerStatus): string {
  if (isHawser === undefined) return '-';
  return isHawser ? 'hawser' : 'wireguard';
}

export function peerLines(peers: readonly PeerStatus[]): string[] {
  return formatTable(columns, peers, 'No peers are configured.');
}
