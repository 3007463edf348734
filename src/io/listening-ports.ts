/** Ports that programs of this host listen on, of this network namespace (proc_net(5): local address, then state, in hexadecimal). */
import { readFileSync } from 'node:fs';

/** TCP_LISTEN; a UDP socket that belongs to nobody in particular is "closed". */
const states = { tcp: ['0A'], udp: ['07', '01'] } as const;
const loopback = /^(?:[0-9A-F]{6}7F|0{24}01000000)$/;

/** Whether somebody takes what comes to that port from outside; a socket of loopback does not. */
export function isListening(protocol: 'tcp' | 'udp', port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return [protocol, `${protocol}6`].some((file) =>
    readLines(`/proc/net/${file}`).some((line) => {
      const [, local = '', remote = '', state = ''] = line.trim().split(/\s+/);
      const [address = '', own] = local.split(':');
      const isOpen = protocol === 'tcp' || /^0+:0000$/.test(remote);
      return own === hex && isOpen && states[protocol].some((one) => one === state) && !loopback.test(address);
    }),
  );
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'latin1').split('\n').slice(1);
  } catch (error) {
    // A kernel without IPv6.
    if (error instanceof Error && 'code' in error) return [];
    throw error;
  }
}
