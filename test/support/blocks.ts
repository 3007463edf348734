/** Somebody on the way who drops, by transport, length or rate: rules of nft at the provider's router, one table for each link. */
import type { EmulatedNet } from './link-emulator.ts';
import { port } from './pair.ts';

/** As the client sees it. */
export type Way = 'out' | 'in' | 'both';

export interface Block {
  /** Name of the link; all of them if left out. */
  readonly link?: string;
  readonly way: Way;
  /** Only IP packets of more bytes, or handshakes, or what is more than a rate. */
  readonly longerThan?: number;
  readonly only?: 'handshakes';
  readonly overMbit?: number;
}

/** Lengths of UDP with WireGuard's messages 1, 2 and 3: header and message. */
const handshakeLengths = '{ 156, 100, 72 }';
/** A policer's bucket holds so much of its rate. */
const bucketSeconds = 0.02;

/** Blocks plain UDP between client and server; returns how to stop. */
export function blockUdp(net: EmulatedNet, { link, way, longerThan, only, overMbit }: Block): () => void {
  const bytes = Math.round((overMbit ?? 0) * 125_000);
  const what = [
    longerThan === undefined ? '' : `meta length > ${longerThan}`,
    only === undefined ? '' : `udp length ${handshakeLengths}`,
    overMbit === undefined
      ? ''
      : `limit rate over ${bytes} bytes/second burst ${Math.round(bytes * bucketSeconds)} bytes`,
    'drop;',
  ].join(' ');
  // By where it goes: both ends may have the same port.
  const out = `oifname "core" ${link === undefined ? '' : `iifname "${link}"`} udp dport ${port} ${what}`;
  const back = `iifname "core" ${link === undefined ? '' : `oifname "${link}"`} udp sport ${port} ${what}`;
  const rules = [...(way === 'in' ? [] : [out]), ...(way === 'out' ? [] : [back])].join(' ');
  const table = `block_${link ?? 'all'}`;
  net.isp.run('nft', [`table inet ${table} { chain c { type filter hook forward priority 0; ${rules} }; }`]);
  return () => net.isp.run('nft', ['delete', 'table', 'inet', table]);
}
