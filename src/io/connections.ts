/** How full the kernel's table of connections (conntrack) is: when nothing more fits in, it drops what begins a new one. */
import { readFileSync } from 'node:fs';

export interface Connections {
  readonly used: number;
  readonly most: number;
}

const folder = '/proc/sys/net/netfilter';

/** Of this network namespace; undefined where nothing is tracked. */
export function readConnections(): Connections | undefined {
  try {
    const [used = 0, most = 0] = ['count', 'max'].map((name) =>
      Number(readFileSync(`${folder}/nf_conntrack_${name}`, 'latin1')),
    );
    return { used, most };
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}
