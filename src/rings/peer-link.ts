/** What a peer calls its link at the other end of a path, in the path's row: written by the session-manager, read by whoever tells people. */
import { path } from '../contract/peer-tables.ts';
import type { RowTable } from './table.ts';

/** Empty = the peer has not said. */
export function readPeerLink(paths: RowTable, row: number): string {
  const bytes = Uint8Array.from(paths.slice(row, path.peerLinkAt, path.peerLinkBytes));
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end));
}

/** `name`: ASCII, checked to be a name. */
export function writePeerLink(paths: RowTable, row: number, name: string): void {
  const bytes = new Uint8Array(path.peerLinkBytes);
  for (let index = 0; index < name.length; index += 1) bytes[index] = name.charCodeAt(index);
  paths.slice(row, path.peerLinkAt, path.peerLinkBytes).set(bytes);
}
