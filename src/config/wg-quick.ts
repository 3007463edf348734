/**
 * A wg-quick file (`wg0.conf`) → our YAML with comments. Keys come back as data for files of mode 0600, which the caller writes;
 * what Hawser does otherwise or not at all becomes a note, what is wrong a problem with its line.
 */
import { formatCidr, maskCidr, parseCidr, parseEndpoint } from './address.ts';
import { generateConfig } from './generate.ts';
import { parseKey } from './keys.ts';
import type { Problem } from './problems.ts';
import type { ConfigInput } from './schema.ts';

type PeerInput = NonNullable<ConfigInput['peers']>[number];

export interface KeyFile {
  /** Relative to the folder of the YAML file. */
  readonly file: string;
  readonly key: string;
}

export interface WgQuickImport {
  readonly yaml: string;
  readonly keyFiles: readonly KeyFile[];
  /** One sentence for each line that was left out or means something else here. */
  readonly notes: readonly string[];
  /** Not empty = `yaml` must not be used. */
  readonly problems: readonly Problem[];
}

interface Entry {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

interface Section {
  readonly title: string;
  readonly line: number;
  /** A comment right above or below the section's title, by which people name their peers. */
  label: string | undefined;
  readonly entries: Entry[];
}

/** wg-quick's own verbs: what to do instead. */
const unsupported: Readonly<Record<string, string>> = {
  dns: 'set the resolver yourself (resolvectl dns INTERFACE ADDRESS)',
  table: 'routes follow allowedIPs in the main table',
  preup: 'use ExecStartPre= in a drop-in of hawser@.service',
  postup: 'use ExecStartPost= in a drop-in of hawser@.service',
  predown: 'use ExecStop= in a drop-in of hawser@.service',
  postdown: 'use ExecStopPost= in a drop-in of hawser@.service',
  saveconfig: 'Hawser never writes its configuration file',
};

/** `name` becomes the instance's name and the base of the key files. */
export function importWgQuick(text: string, name: string): WgQuickImport {
  const reader = new Reader(name);
  for (const section of splitSections(text, reader)) reader.take(section);
  return reader.finish();
}

function splitSections(text: string, reader: Reader): Section[] {
  const sections: Section[] = [];
  let above: string | undefined;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const [content = '', remark] = raw.split(/#(.*)/s).map((part) => part.trim());
    const title = /^\[(.+)\]$/.exec(content)?.[1];
    const current = sections.at(-1);
    if (title !== undefined) sections.push({ title, line: index + 1, label: remark ?? above, entries: [] });
    else if (content !== '') takeEntry(content, index + 1, current, reader);
    else if (remark !== undefined && current?.entries.length === 0) current.label ??= remark;
    above = content === '' ? remark : undefined;
  }
  return sections;
}

function takeEntry(content: string, line: number, section: Section | undefined, reader: Reader): void {
  const match = /^(\w+)\s*=\s*(.*)$/.exec(content);
  if (match === null || section === undefined) {
    reader.problem(line, '', `"${content}" is not "Key = value" below [Interface] or [Peer]`);
    return;
  }
  section.entries.push({ key: match[1] ?? '', value: match[2] ?? '', line });
}

class Reader {
  readonly #name: string;
  readonly #notes: string[] = [];
  readonly #problems: Problem[] = [];
  readonly #keyFiles: KeyFile[] = [];
  readonly #addresses: string[] = [];
  readonly #peers: (PeerInput & { allowedIPs: string[]; endpoints: string[] })[] = [];
  /** Keys that stand below [Interface], well formed or not. */
  readonly #seen = new Set<string>();
  #hasInterface = false;
  #mtu = 1420;
  #port = 0;
  #fwmark: number | 'auto' = 'auto';

  constructor(name: string) {
    this.#name = name;
  }

  problem(line: number, path: string, message: string, allowed: readonly string[] = []): void {
    this.#problems.push({ line, column: 1, path, message, allowed });
  }

  take(section: Section): void {
    const title = section.title.toLowerCase();
    if (title === 'interface') this.#takeInterface(section);
    else if (title === 'peer') this.#takePeer(section);
    else this.problem(section.line, '', `unknown section [${section.title}]`, ['[Interface]', '[Peer]']);
  }

  finish(): WgQuickImport {
    if (!this.#hasInterface) this.problem(1, '', 'has no [Interface] section');
    for (const key of ['PrivateKey', 'Address']) {
      if (this.#hasInterface && !this.#seen.has(key.toLowerCase()))
        this.problem(1, key, 'is missing below [Interface]');
    }
    this.#leavePrefixesToLastPeer();
    const input: ConfigInput = {
      name: this.#name,
      identity: { privateKeyFile: `${this.#name}.key` },
      tunnel: { interface: this.#name.slice(0, 15), addresses: this.#addresses, mtu: this.#mtu },
      listen: { udp: this.#port },
      peers: this.#peers.map(withoutEmptyLists),
      ...(this.#fwmark === 'auto' ? {} : { routing: { fwmark: this.#fwmark } }),
    };
    const head = ['Taken over from a wg-quick file.', ...this.#notes].join('\n');
    return {
      yaml: generateConfig(input, { name: head }),
      keyFiles: this.#keyFiles,
      notes: this.#notes,
      problems: this.#problems.sort((a, b) => a.line - b.line),
    };
  }

  #takeInterface(section: Section): void {
    this.#hasInterface = true;
    for (const entry of section.entries) {
      const key = entry.key.toLowerCase();
      this.#seen.add(key);
      if (key === 'privatekey') this.#takeKey(entry, `${this.#name}.key`);
      else if (key === 'address') this.#addresses.push(...this.#cidrs(entry));
      else if (key === 'listenport') this.#port = this.#number(entry, 0, 65_535) ?? 0;
      else if (key === 'mtu') this.#mtu = this.#number(entry, 576, 65_456) ?? 1420;
      else if (key === 'fwmark') this.#fwmark = this.#takeMark(entry);
      else this.#leaveOut(entry, 'Interface', ['PrivateKey', 'Address', 'ListenPort', 'MTU', 'FwMark']);
    }
  }

  #takePeer(section: Section): void {
    const name = this.#peerName(section.label);
    const peer: PeerInput & { allowedIPs: string[]; endpoints: string[] } = {
      name,
      publicKey: '',
      allowedIPs: [],
      endpoints: [],
    };
    for (const entry of section.entries) {
      const key = entry.key.toLowerCase();
      if (key === 'publickey') peer.publicKey = this.#key(entry);
      else if (key === 'presharedkey') peer.presharedKeyFile = this.#takeKey(entry, `${this.#name}-${name}.psk`);
      else if (key === 'allowedips') peer.allowedIPs.push(...this.#cidrs(entry));
      else if (key === 'endpoint') peer.endpoints.push(this.#endpoint(entry));
      else if (key === 'persistentkeepalive') peer.keepalive = this.#keepalive(entry);
      else
        this.#leaveOut(entry, 'Peer', ['PublicKey', 'PresharedKey', 'AllowedIPs', 'Endpoint', 'PersistentKeepalive']);
    }
    if (peer.publicKey === '') this.problem(section.line, 'PublicKey', 'is missing below [Peer]');
    this.#peers.push(peer);
  }

  /** `# Name = phone` or `# phone`; otherwise peer1, peer2 … */
  #peerName(label: string | undefined): string {
    const wanted = (label ?? '').replace(/^(friendly_?)?name\s*[=:]\s*/i, '').replace(/[^A-Za-z0-9_-]+/g, '-');
    const base = wanted.replace(/^[-_]+|-+$/g, '').slice(0, 28) || `peer${this.#peers.length + 1}`;
    const taken = new Set(this.#peers.map((peer) => peer.name));
    let name = base;
    for (let suffix = 2; taken.has(name); suffix++) name = `${base}-${suffix}`;
    return name;
  }

  /** A key that goes to a file of its own; returns the file. */
  #takeKey(entry: Entry, file: string): string {
    const key = this.#key(entry);
    if (key !== '') this.#keyFiles.push({ file, key });
    return file;
  }

  /** The value never stands in the message: it may be a secret. */
  #key(entry: Entry): string {
    if (parseKey(entry.value) !== undefined) return entry.value;
    this.problem(entry.line, entry.key, 'is not a key: 32 bytes as canonical base64 (44 characters)');
    return '';
  }

  #cidrs(entry: Entry): string[] {
    const texts = entry.value.split(',').map((text) => text.trim());
    return texts.flatMap((text) => {
      const cidr = parseCidr(text);
      if (cidr !== undefined) return [formatCidr(cidr)];
      const allowed = ['10.9.0.2/24', 'fd00:9::2/64'];
      if (text !== '') this.problem(entry.line, entry.key, `"${text}" is not an address with a prefix length`, allowed);
      return [];
    });
  }

  #endpoint(entry: Entry): string {
    if (parseEndpoint(entry.value) === undefined) {
      const allowed = ['203.0.113.1:51820', '[2001:db8::1]:51820', 'hub.example.net:51820'];
      this.problem(entry.line, entry.key, `"${entry.value}" is not an endpoint`, allowed);
    }
    return entry.value;
  }

  #keepalive(entry: Entry): string {
    if (/^(off|0)$/i.test(entry.value)) return 'off';
    return `${this.#number(entry, 1, 65_535) ?? 25}s`;
  }

  #takeMark(entry: Entry): number | 'auto' {
    if (/^(off|0)$/i.test(entry.value)) return 'auto';
    return this.#number(entry, 1, 0xffff_ffff) ?? 'auto';
  }

  #number(entry: Entry, least: number, most: number): number | undefined {
    const value = /^(\d+|0x[0-9a-f]+)$/i.test(entry.value) ? Number(entry.value) : Number.NaN;
    if (value >= least && value <= most) return value;
    this.problem(entry.line, entry.key, `"${entry.value}" is out of range`, [`${least}..${most}`]);
    return undefined;
  }

  #leaveOut(entry: Entry, section: string, known: readonly string[]): void {
    const instead = section === 'Interface' ? unsupported[entry.key.toLowerCase()] : undefined;
    if (instead === undefined) this.problem(entry.line, entry.key, `unknown key below [${section}]`, known);
    else this.#notes.push(`Line ${entry.line}, ${entry.key}, is left out: ${instead}.`);
  }

  /** As WireGuard does when one prefix is given to two peers; our own file would call it a problem. */
  #leavePrefixesToLastPeer(): void {
    const claimed = new Set<string>();
    for (const peer of [...this.#peers].reverse()) {
      const prefixes = new Set(peer.allowedIPs.map(maskText));
      const kept = [...prefixes].filter((prefix) => !claimed.has(prefix));
      for (const prefix of prefixes) {
        if (claimed.has(prefix))
          this.#notes.push(`${prefix} of peer ${peer.name} is left out: a later peer has it too.`);
        claimed.add(prefix);
      }
      peer.allowedIPs = kept;
    }
  }
}

/** A peer that is only ever called from outside needs no empty `endpoints: []`. */
function withoutEmptyLists(peer: PeerInput): PeerInput {
  const { endpoints = [], ...rest } = peer;
  return endpoints.length === 0 ? rest : { ...rest, endpoints };
}

function maskText(text: string): string {
  const cidr = parseCidr(text);
  return cidr === undefined ? text : formatCidr(maskCidr(cidr));
}
