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

/** Of a peer of which nothing else is said. */
const usualPriority = 50;

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
  { heading: 'LIMITS', optional: true, text: limitsOf },
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
  quota: 'quota used up',
  perAddress: 'per address',
  perClient: 'per client',
  unauthorised: 'not authorised',
  authoriserSilent: 'no authoriser',
};

function stateOf({ state, cutOffAgeMs }: PeerStatus): string {
  return cutOffAgeMs === undefined ? state : `${state} since ${humanDuration(cutOffAgeMs)}`;
}

function kindOf({ isHawser }: PeerStatus): string {
  if (isHawser === undefined) return '-';
  return isHawser ? 'hawser' : 'wireguard';
}

/** `out 20 Mbit/s (reached), in 10 Mbit/s`: what we send to the peer, and what it may send to us. */
function limitsOf({ limits }: PeerStatus): string {
  const { sendBps, receiveBps, isTold, reached, priority } = limits;
  const noteOf = (notes: readonly (string | false)[]): string => {
    const said = notes.filter((note) => note !== false);
    return said.length === 0 ? '' : ` (${said.join(', ')})`;
  };
  const texts = [
    ...(sendBps === undefined
      ? []
      : [`out ${humanRate(sendBps)}${noteOf([isTold && 'as it asks', reached.includes('send') && 'reached'])}`]),
    ...(receiveBps === undefined
      ? []
      : [`in ${humanRate(receiveBps)}${noteOf([reached.includes('receive') && 'reached'])}`]),
    ...(priority === usualPriority ? [] : [`priority ${priority}`]),
  ];
  return texts.length === 0 ? '-' : texts.join(', ');
}

export function peerLines(peers: readonly PeerStatus[]): string[] {
  // Where nobody is limited there is nothing to say of it.
  const isLimited = peers.some((peer) => limitsOf(peer) !== '-');
  const shown = isLimited ? columns : columns.filter(({ heading }) => heading !== 'LIMITS');
  return formatTable(shown, peers, 'No peers are configured.');
}
