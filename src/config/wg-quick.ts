/**
 * A wg-quick file (`wg0.conf`), AmneziaWG's among them → our YAML with comments. Keys come back as data for files of mode 0600, which the caller writes;
 * what is of no consequence here becomes a note; what is wrong, or would change where traffic goes or whether it is protected and
 * cannot be said in a configuration of ours, a problem with its line.
 */
import { formatCidr, maskCidr, parseCidr } from './address.ts';
import { generateConfig } from './generate.ts';
import { isDomain } from './leaves.ts';
import type { Problem } from './problems.ts';
import type { ConfigInput } from './schema.ts';
import { hideKeys, showValue } from './show.ts';
import { type Meaning, meaningsOf, onlyUndoes } from './wg-quick-commands.ts';
import { type Entry, readSections, type Section } from './wg-quick-lines.ts';
import { interfaceNameOf, peerNameOf } from './wg-quick-names.ts';
import { WgQuickObfuscation } from './wg-quick-obfuscation.ts';
import { listOf, type RouteTable, WgQuickValues } from './wg-quick-values.ts';

type Peer = NonNullable<ConfigInput['peers']>[number] & { allowedIPs: string[]; endpoints: string[] };

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

export interface WgQuickOptions {
  /** Of the instance, and the base of the key files. */
  readonly name: string;
  /** What wg-quick would put for `%i`: the file's base name. */
  readonly interfaceName: string;
  /** Numbers of lines that the user wants left out. */
  readonly leaveOut: ReadonlySet<number>;
}

const interfaceKeys = ['PrivateKey', 'Address', 'ListenPort', 'MTU', 'FwMark', 'Table', 'DNS', 'PostUp'];
const peerKeys = ['PublicKey', 'PresharedKey', 'AllowedIPs', 'Endpoint', 'PersistentKeepalive'];
/** Commands of a shell, and where systemd has such a place. */
const hooks: Readonly<Record<string, string>> = {
  preup: 'ExecStartPre=',
  postup: 'ExecStartPost=',
  predown: 'ExecStop=',
  postdown: 'ExecStopPost=',
};

export function importWgQuick(text: string, options: WgQuickOptions): WgQuickImport {
  return new Reader(options).read(text);
}

class Reader {
  readonly #options: WgQuickOptions;
  readonly #notes: string[] = [];
  readonly #problems: Problem[] = [];
  readonly #values = new WgQuickValues(this.#problems, this.#notes);
  readonly #obfuscation = new WgQuickObfuscation(this.#values, this.#notes);
  readonly #keyFiles: KeyFile[] = [];
  readonly #addresses: string[] = [];
  readonly #peers: Peer[] = [];
  /** Keys that stand below [Interface], well formed or not. */
  readonly #seen = new Set<string>();
  readonly #hooks: Entry[] = [];
  /** Hooks that cannot be said in a configuration. */
  readonly #refused: Entry[] = [];
  readonly #dns = { servers: new Set<string>(), search: new Set<string>() };
  #dnsNames: 'all' | 'search' = 'all';
  readonly #routing: { fwmark?: number; table?: RouteTable } = {};
  #hasInterface = false;
  #privateKeyFile: string;
  #mtu: number | undefined;
  #port = 0;

  constructor(options: WgQuickOptions) {
    this.#options = options;
    this.#privateKeyFile = `${options.name}.key`;
  }

  read(text: string): WgQuickImport {
    const { sections, unread } = readSections(text);
    for (const { line, word = '' } of unread) {
      if (this.#isLeftOut({ line, key: word })) continue;
      this.#seen.add(word.toLowerCase());
      this.#values.problem(line, word, 'the line is not "Key = value" below [Interface] or [Peer]');
    }
    for (const section of sections) {
      const title = section.title.toLowerCase();
      if (title === 'interface') this.#takeInterface(section);
      else if (title === 'peer') this.#takePeer(section);
      else
        this.#values.problem(section.line, '', `unknown section ${showValue(section.title)}`, [
          '[Interface]',
          '[Peer]',
        ]);
    }
    // wg-quick runs them when all else is set.
    for (const hook of this.#hooks) this.#takeHook(hook);
    this.#refuseHooks();
    this.#checkComplete();
    this.#leavePrefixesToLastPeer();
    return this.#finish();
  }

  #finish(): WgQuickImport {
    const { name } = this.#options;
    const interfaceName = interfaceNameOf(name);
    if (interfaceName !== name)
      this.#notes.push(`The tunnel's interface is called ${interfaceName}: the kernel takes 15 letters.`);
    const dns = { servers: [...this.#dns.servers], search: [...this.#dns.search], names: this.#dnsNames };
    const obfuscation = this.#obfuscation.finish();
    const input: ConfigInput = {
      name,
      identity: { privateKeyFile: this.#privateKeyFile },
      tunnel: {
        interface: interfaceName,
        addresses: this.#addresses,
        ...(this.#mtu === undefined ? {} : { mtu: this.#mtu }),
        ...(dns.servers.length === 0 ? {} : { dns }),
      },
      listen: { udp: this.#port },
      ...(obfuscation === undefined ? {} : { obfuscation }),
      peers: this.#peers.map(withoutEmptyLists),
      ...(Object.keys(this.#routing).length === 0 ? {} : { routing: this.#routing }),
    };
    const notes = this.#notes.map(hideKeys);
    return {
      yaml: generateConfig(input, { name: ['Taken over from a wg-quick file.', ...notes].join('\n') }),
      keyFiles: this.#keyFiles,
      notes,
      problems: this.#problems.sort((a, b) => a.line - b.line),
    };
  }

  #isLeftOut({ line, key }: Pick<Entry, 'line' | 'key'>): boolean {
    if (!this.#options.leaveOut.has(line)) return false;
    this.#notes.push(`Line ${line}${key === '' ? '' : `, ${key},`} is left out, as asked.`);
    return true;
  }

  #takeInterface(section: Section): void {
    this.#hasInterface = true;
    for (const entry of section.entries) {
      if (this.#isLeftOut(entry)) continue;
      this.#seen.add(entry.key.toLowerCase());
      if (hooks[entry.key.toLowerCase()] !== undefined) this.#hooks.push(entry);
      else this.#takeSetting(entry);
    }
  }

  #takeSetting(entry: Entry): void {
    const key = entry.key.toLowerCase();
    if (key === 'privatekey') this.#takeKey(entry, this.#privateKeyFile);
    else if (key === 'privatekeyfile') this.#takePrivateKeyFile(entry);
    else if (key === 'address') this.#addresses.push(...this.#values.cidrs(entry));
    else if (key === 'listenport') this.#port = this.#values.number(entry, 0, 65_535) ?? 0;
    else if (key === 'mtu') this.#mtu = this.#values.number(entry, 576, 65_456);
    else if (key === 'fwmark') this.#takeRouting({ fwmark: this.#values.mark(entry) });
    else if (key === 'table') this.#takeRouting({ table: this.#values.table(entry) });
    else if (key === 'dns') this.#takeDns(entry);
    else if (key === 'search') this.#takeSearch(entry);
    else if (key === 'saveconfig') this.#takeSaveConfig(entry);
    else if (!this.#obfuscation.take(entry))
      this.#values.problem(entry.line, entry.key, 'unknown key below [Interface]', interfaceKeys);
  }

  #takeRouting({
    fwmark,
    table,
  }: {
    readonly fwmark?: number | undefined;
    readonly table?: RouteTable | undefined;
  }): void {
    if (fwmark !== undefined) this.#routing.fwmark = fwmark;
    if (table !== undefined) this.#routing.table = table;
  }

  #takePeer(section: Section): void {
    const taken = this.#peers.map((peer) => peer.name);
    const peer: Peer = { name: peerNameOf(section.label, taken), publicKey: '', allowedIPs: [], endpoints: [] };
    for (const entry of section.entries) {
      if (!this.#isLeftOut(entry)) this.#takePeerSetting(peer, entry);
    }
    if (peer.publicKey === '') this.#values.problem(section.line, 'PublicKey', 'is missing below [Peer]');
    this.#peers.push(peer);
  }

  #takePeerSetting(peer: Peer, entry: Entry): void {
    const key = entry.key.toLowerCase();
    if (key === 'publickey') peer.publicKey = this.#values.key(entry);
    else if (key === 'presharedkey')
      peer.presharedKeyFile = this.#takeKey(entry, `${this.#options.name}-${peer.name}.psk`);
    else if (key === 'presharedkeyfile')
      peer.presharedKeyFile = this.#values.keyFile(entry, `peer ${peer.name}'s preshared key`);
    else if (key === 'allowedips') peer.allowedIPs.push(...this.#values.cidrs(entry));
    else if (key === 'endpoint') peer.endpoints.push(this.#values.endpoint(entry));
    else if (key === 'persistentkeepalive') peer.keepalive = this.#values.keepalive(entry);
    else this.#values.problem(entry.line, entry.key, 'unknown key below [Peer]', peerKeys);
  }

  #takeHook(hook: Entry): void {
    const isDown = /down$/i.test(hook.key);
    if (isDown && onlyUndoes(hook.value))
      this.#notes.push(`Line ${hook.line}, ${hook.key}, is left out: it only takes back what another line does.`);
    const meanings = isDown ? undefined : meaningsOf(hook.value, this.#options.interfaceName);
    if (meanings !== undefined) for (const meaning of meanings) this.#takeMeaning(meaning, hook);
    else if (!isDown || !onlyUndoes(hook.value)) this.#refused.push(hook);
  }

  #takeMeaning(meaning: Meaning, { line, key: hook }: Entry): void {
    const { key, value } = meaning;
    this.#notes.push(`Line ${line}, ${hook}: ${key.replace(/File$/, '')} is taken from this command.`);
    this.#seen.add(key.toLowerCase().replace(/file$/, ''));
    if (meaning.of === 'interface') {
      this.#takeSetting({ key, value, line });
      return;
    }
    const peer = this.#peers.find(({ publicKey }) => publicKey === meaning.publicKey);
    if (peer === undefined) {
      this.#values.problem(line, hook, 'sets a peer that has no [Peer] section in this file: write one for it');
      return;
    }
    // As wg set does, in place of what the file says (wg(8)).
    if (key === 'AllowedIPs') peer.allowedIPs = [];
    if (key === 'Endpoint') peer.endpoints = [];
    this.#takePeerSetting(peer, { key, value, line });
  }

  /** All lines at once, so that one further try is enough. */
  #refuseHooks(): void {
    const lines = this.#refused.map(({ line }) => line).join(',');
    for (const { line, key } of this.#refused) {
      const place = `${hooks[key.toLowerCase()]} in a drop-in of hawser@${this.#options.name}.service`;
      const message =
        'runs a command that no key of a configuration stands for, and without it traffic may go elsewhere or unprotected: ' +
        `put it into ${place}, then import with --leave-out ${lines}`;
      this.#values.problem(line, key, message);
    }
  }

  #checkComplete(): void {
    if (!this.#hasInterface) this.#values.problem(1, '', 'has no [Interface] section');
    // A refused command may have set them; that is said, and enough.
    if (!this.#hasInterface || this.#refused.length > 0) return;
    if (!this.#seen.has('privatekey'))
      this.#values.problem(
        1,
        'PrivateKey',
        'is missing below [Interface], and no PostUp = wg set %i private-key FILE stands there',
      );
    if (!this.#seen.has('address')) this.#values.problem(1, 'Address', 'is missing below [Interface]', ['10.9.0.2/24']);
  }

  #takePrivateKeyFile(entry: Entry): void {
    this.#privateKeyFile = this.#values.keyFile(entry, 'the private key');
    // What PrivateKey says is replaced by the command and needs no file.
    this.#keyFiles.splice(0, Infinity, ...this.#keyFiles.filter(({ file }) => file !== `${this.#options.name}.key`));
  }

  /** A key that goes to a file of its own; returns the file. */
  #takeKey(entry: Entry, file: string): string {
    const key = this.#values.key(entry);
    const known = this.#keyFiles.findIndex((one) => one.file === file);
    if (known >= 0) this.#keyFiles.splice(known, 1);
    if (key !== '') this.#keyFiles.push({ file, key });
    return file;
  }

  /** wg-quick(8): addresses are servers, all else search domains. */
  #takeDns(entry: Entry): void {
    for (const text of listOf(entry)) {
      const server = text.includes('/') ? undefined : parseCidr(text)?.address;
      if (server !== undefined) this.#dns.servers.add(server);
      else this.#addSearch(entry, text);
    }
    if (this.#dns.servers.size > 0 || this.#dns.search.size === 0) return;
    this.#notes.push(`Line ${entry.line}, ${entry.key}, has no effect without the address of a server.`);
  }

  /** What `resolvectl domain` takes: questions below these domains go to the link, all of them with "~.". */
  #takeSearch(entry: Entry): void {
    const domains = listOf(entry);
    this.#dnsNames = domains.includes('~.') ? 'all' : 'search';
    for (const text of domains) if (text !== '~.') this.#addSearch(entry, text.replace(/^~/, ''));
  }

  #addSearch(entry: Entry, text: string): void {
    if (isDomain(text)) this.#dns.search.add(text.toLowerCase());
    else
      this.#values.problem(entry.line, entry.key, `${showValue(text)} is neither an address nor a domain`, [
        '10.9.0.1',
        'corp.example',
      ]);
  }

  #takeSaveConfig(entry: Entry): void {
    if (/^true$/i.test(entry.value))
      this.#notes.push(
        `Line ${entry.line}, ${entry.key}, is left out: Hawser never writes its configuration file by itself.`,
      );
    else if (!/^false$/i.test(entry.value))
      this.#values.problem(entry.line, entry.key, `${showValue(entry.value)} is neither true nor false`);
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
function withoutEmptyLists(peer: Peer): NonNullable<ConfigInput['peers']>[number] {
  const { endpoints, ...rest } = peer;
  return endpoints.length === 0 ? rest : { ...rest, endpoints };
}

function maskText(text: string): string {
  const cidr = parseCidr(text);
  return cidr === undefined ? text : formatCidr(maskCidr(cidr));
}
