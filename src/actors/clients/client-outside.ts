/** What a client has of the hub's outside: ports that lead to it, an address of its own. What one has, no other gets, nor what the hub needs. */
import { HawserError } from '../../base/errors.ts';
import { parseCidr } from '../../config/address.ts';
import { formatForward, type PortForward, parseForward } from '../../config/nat-schema.ts';
import type { ClientRecord } from './client-record.ts';

export interface OutsideParts {
  /** server.nat.mode is not off. */
  readonly isOn: boolean;
  /** Addresses that are shared, or the hub's own: nobody's alone. */
  readonly shared: readonly string[];
  /** Whether a program of this host takes what comes to that port. */
  readonly isListening: (protocol: PortForward['protocol'], port: number) => boolean;
  /** Whether this host itself is reached at that address, in its canonical form, or calls from it. */
  readonly isHostAddress: (address: string) => boolean;
}

/** With a port more. Throws NAT_OFF, FORWARD, PORT_TAKEN. */
export function withForward(
  record: ClientRecord,
  text: string,
  all: Iterable<ClientRecord>,
  parts: OutsideParts,
): ClientRecord {
  checkOn(parts);
  const forward = forwardOf(text);
  const { protocol, port } = forward;
  for (const other of all) {
    if (!forwardsOf(other).some((one) => one.protocol === protocol && one.port === port)) continue;
    if (other.id === record.id) return withForward(withoutForward(record, text), text, [], parts);
    const message = `Port ${port}/${protocol} leads to client "${other.name}" already`;
    throw new HawserError(
      'PORT_TAKEN',
      message,
      `choose another, or hawser client forward ${other.name} ${port}/${protocol} --off`,
    );
  }
  if (parts.isListening(protocol, port)) {
    const message = `A program of this host listens on port ${port}/${protocol}: it would hear nothing any more`;
    throw new HawserError(
      'PORT_TAKEN',
      message,
      `choose another one (PORT:${forward.to}/${protocol}), or stop it (\`ss -lnp\`)`,
    );
  }
  const forwards = [...(record.nat?.forwards ?? []), formatForward(forward)];
  return { ...record, nat: { ...record.nat, forwards } };
}

/** Without what leads to it from that port, to whichever of its own. Throws FORWARD, NO_SUCH_FORWARD. */
export function withoutForward(record: ClientRecord, text: string): ClientRecord {
  const { protocol, port } = forwardOf(text);
  const kept = forwardsOf(record).filter((one) => one.protocol !== protocol || one.port !== port);
  if (kept.length === forwardsOf(record).length) {
    const message = `Port ${port}/${protocol} does not lead to client "${record.name}"`;
    throw new HawserError('NO_SUCH_FORWARD', message, `\`hawser client show ${record.name}\` names those that do`);
  }
  return { ...record, nat: { ...record.nat, forwards: kept.map(formatForward) } };
}

/** undefined = shared with others again. Throws NAT_OFF, PUBLIC_ADDRESS, ADDRESS_TAKEN. */
export function withPublicAddress(
  record: ClientRecord,
  text: string | undefined,
  all: Iterable<ClientRecord>,
  parts: OutsideParts,
): ClientRecord {
  if (text === undefined) return { ...record, nat: { forwards: record.nat?.forwards ?? [] } };
  checkOn(parts);
  const address = text.includes('/') ? undefined : parseCidr(text)?.address;
  if (address === undefined)
    throw new HawserError(
      'PUBLIC_ADDRESS',
      `"${text}" is no address`,
      'an IPv4 or IPv6 address that leads to this host',
    );
  if (parts.shared.includes(address)) {
    const message = `${address} is an address of the hub for all: everything that comes to it would go to one client`;
    throw new HawserError('ADDRESS_TAKEN', message, 'name another address that leads to this host');
  }
  if (parts.isHostAddress(address)) {
    const message = `${address} is the address of this host by its default route: all that comes to it, SSH too, would go to one client`;
    throw new HawserError('ADDRESS_TAKEN', message, 'name another address that leads to this host');
  }
  for (const other of all) {
    if (other.id !== record.id && other.nat?.publicAddress === address)
      throw new HawserError('ADDRESS_TAKEN', `${address} is the address of client "${other.name}"`, 'name another one');
  }
  return { ...record, nat: { forwards: record.nat?.forwards ?? [], publicAddress: address } };
}

/**
 * Records from elsewhere with what they have of the outside, if nobody of `others` has it. Where addresses are not translated now, only
 * that is looked at. Throws what `withForward` and `withPublicAddress` do.
 */
export function withOutsides(
  records: readonly ClientRecord[],
  others: Iterable<ClientRecord>,
  parts: OutsideParts,
): ClientRecord[] {
  const rules = parts.isOn ? parts : { isOn: true, shared: [], isListening: () => false, isHostAddress: () => false };
  const owners = new Map<string, ClientRecord>();
  const own = (record: ClientRecord): void => {
    for (const mark of marksOf(record)) owners.set(mark, record);
  };
  for (const other of others) own(other);
  return records.map((record) => {
    if (record.nat === undefined) return record;
    const rivals = marksOf(record).flatMap((mark) => owners.get(mark) ?? []);
    let wanted: ClientRecord = { ...record, nat: { forwards: [] } };
    for (const text of record.nat.forwards) wanted = withForward(wanted, text, [...rivals, wanted], rules);
    const { publicAddress } = record.nat;
    if (publicAddress !== undefined) wanted = withPublicAddress(wanted, publicAddress, rivals, rules);
    own(wanted);
    return wanted;
  });
}

/** What no two clients may have. */
function marksOf(record: ClientRecord): string[] {
  const ports = forwardsOf(record).map(({ protocol, port }) => `${port}/${protocol}`);
  return [...ports, record.nat?.publicAddress ?? []].flat();
}

export function forwardsOf({ nat }: ClientRecord): PortForward[] {
  return (nat?.forwards ?? []).flatMap((text) => parseForward(text) ?? []);
}

function forwardOf(text: string): PortForward {
  const forward = parseForward(text);
  if (forward !== undefined) return forward;
  const message = `"${text}" is not a port, or two, with a protocol`;
  throw new HawserError('FORWARD', message, '443/tcp, or 443:8443/tcp: 443 here leads to 8443 at the client');
}

function checkOn({ isOn }: OutsideParts): void {
  if (isOn) return;
  const message = 'This hub does not translate addresses, so nothing of its outside leads to clients';
  throw new HawserError('NAT_OFF', message, 'write server.nat: { mode: masquerade } in its file, and reload');
}
