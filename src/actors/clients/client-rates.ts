/** What a client may send and be sent: as `server.client` says, but for what was said of this one. Pure. */
import type { PeerLimits } from '../../config/config.ts';
import type { ClientRates } from '../../control/client-calls.ts';
import type { ClientLimitsRecord, ClientRecord } from './client-record.ts';

const bpsPerMbps = 1e6;

/** With what was said: null takes back what was said before, what is left out stays. */
export function withRates(record: ClientRecord, asked: ClientRates | undefined): ClientRecord {
  if (asked === undefined) return record;
  const { limits: before, ...rest } = record;
  const limits = limitsOf(asked, before);
  return limits === undefined ? rest : { ...rest, limits };
}

/** The same of the limits alone; undefined = there are none of its own. */
export function limitsOf(
  asked: ClientRates | undefined,
  before: ClientLimitsRecord | undefined,
): ClientLimitsRecord | undefined {
  const limits: ClientLimitsRecord = {
    ...chosen('upBps', asked?.up, bpsOf, before?.upBps),
    ...chosen('downBps', asked?.down, bpsOf, before?.downBps),
    ...chosen('priority', asked?.priority, (priority) => priority, before?.priority),
  };
  return Object.keys(limits).length === 0 ? undefined : limits;
}

/** All its devices have them together. */
export function ratesOf(record: ClientRecord, usual: PeerLimits): PeerLimits {
  return { ...usual, ...record.limits };
}

function chosen<Name extends keyof ClientLimitsRecord, Asked>(
  name: Name,
  asked: Asked | null | undefined,
  numberOf: (asked: Asked) => number,
  before: number | undefined,
): ClientLimitsRecord {
  if (asked === null) return {};
  const value = asked === undefined ? before : numberOf(asked);
  return value === undefined ? {} : { [name]: value };
}

/** Bits a second, 0 = no limit. */
function bpsOf(rate: 'off' | number): number {
  return rate === 'off' ? 0 : rate * bpsPerMbps;
}
