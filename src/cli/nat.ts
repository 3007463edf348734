/** `hawser nat`: what clients have of the addresses and ports of this host, and with `--mappings` each of their connections. */
import type { Command } from 'commander';
import type { NatLeaseStatus, NatMapping, NatStatus } from '../control/nat-rows.ts';
import { ask } from './control-client.ts';
import { type Column, formatTable, humanAge, humanBytes, humanCount, humanDuration } from './humanize.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

interface NatOptions extends InstanceOptions {
  readonly mappings?: true;
  readonly client?: string;
}

export function addNatCommand(program: Command): void {
  addInstanceCommand(program, 'nat', 'show what clients have of addresses, ports and mappings (server.nat)')
    .option('--mappings', 'each mapping, with its traffic and its age')
    .option('--client <name>', 'of this client alone')
    .addHelpText(
      'after',
      `
Examples:
  hawser nat
  hawser nat --mappings --client laptop
  hawser nat --json --mappings | jq '.mappings[] | select(.protocol == "udp")'
`,
    )
    .action(async (options: NatOptions) => {
      const { client, mappings = false } = options;
      const status = await ask(options, 'nat', { mappings, ...(client === undefined ? {} : { client }) });
      printResult(options, status, natLines);
    });
}

const dash = '-';

const leaseColumns: readonly Column<NatLeaseStatus>[] = [
  { heading: 'CLIENT', text: ({ client }) => client },
  { heading: 'IPV4', text: ({ ipv4 }) => ipv4 ?? dash },
  { heading: 'IPV6', optional: true, text: ({ ipv6 }) => ipv6 ?? dash },
  { heading: 'OUTSIDE', optional: true, text: ({ publicAddress, block }) => publicAddress ?? block ?? dash },
  { heading: 'FORWARDS', optional: true, text: ({ forwards }) => (forwards.length === 0 ? dash : forwards.join(' ')) },
  { heading: 'MAPPINGS', align: 'right', text: ({ mappings }) => humanCount(mappings) },
  { heading: 'SENT', align: 'right', text: ({ sentBytes }) => humanBytes(sentBytes) },
  { heading: 'RECEIVED', align: 'right', text: ({ receivedBytes }) => humanBytes(receivedBytes) },
];

const mappingColumns: readonly Column<NatMapping>[] = [
  { heading: 'CLIENT', text: ({ client }) => client },
  { heading: 'PROTO', text: ({ protocol }) => protocol },
  { heading: 'INSIDE', text: ({ inside }) => inside },
  { heading: '', text: ({ direction }) => (direction === 'out' ? '→' : '←') },
  { heading: 'OUTSIDE', text: ({ outside }) => outside },
  { heading: 'REMOTE', text: ({ remote }) => remote },
  { heading: 'STATE', text: ({ state }) => state },
  {
    heading: 'SENT',
    align: 'right',
    text: ({ sentBytes }) => (sentBytes === undefined ? dash : humanBytes(sentBytes)),
  },
  {
    heading: 'RECEIVED',
    align: 'right',
    text: ({ receivedBytes }) => (receivedBytes === undefined ? dash : humanBytes(receivedBytes)),
  },
  { heading: 'AGE', align: 'right', text: ({ ageMs }) => humanAge(ageMs) },
  { heading: 'ENDS IN', align: 'right', text: ({ expiresMs }) => humanDuration(expiresMs) },
];

export function natLines(status: NatStatus): string[] {
  if (!status.isOn) return ['Addresses of clients are not translated (server.nat.mode).'];
  const leases = formatTable(leaseColumns, status.leases, 'No client has an address in the pools.');
  const { mappings } = status;
  const listed = mappings === undefined ? [] : ['', ...formatTable(mappingColumns, mappings, 'There are no mappings.')];
  return [...headLines(status), '', ...leases, ...listed];
}

function headLines(status: NatStatus): string[] {
  const outside = status.addresses.length === 0 ? 'the address of the interface' : status.addresses.join(', ');
  const shared = status.portsPerClient === 0 ? 'shared by all' : `${status.portsPerClient} for each client`;
  const limit = status.connectionLimit === 0 ? 'no limit' : `${humanCount(status.connectionLimit)} a client`;
  const host = status.hostConnections;
  return [
    `IPv4 ${status.ipv4}, IPv6 ${status.ipv6}, by ${outside}; ports ${status.ports}, ${shared}`,
    `Connections: ${limit}, ${humanCount(status.refusedConnections)} refused` +
      (host === undefined ? '' : `; this host has ${humanCount(host.used)} of at most ${humanCount(host.most)}`),
    `Isolation of clients: ${status.isolation ? 'on' : 'off'}; a mapping of UDP ends after ${humanDuration(status.timeoutSeconds * 1000)}`,
  ];
}
