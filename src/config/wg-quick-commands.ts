/**
 * PostUp and its siblings: commands that a shell would run. Those that set what a configuration of ours can say are understood, as data;
 * nothing is ever run.
 */

/** What a command sets. `key` is one of wg-quick's own, or the name of a file in its place. */
export type Meaning =
  | { readonly of: 'interface'; readonly key: InterfaceKey; readonly value: string }
  | { readonly of: 'peer'; readonly publicKey: string; readonly key: PeerKey; readonly value: string };

export type InterfaceKey = 'Address' | 'ListenPort' | 'FwMark' | 'MTU' | 'PrivateKeyFile' | 'DNS' | 'Search';
export type PeerKey = 'PresharedKeyFile' | 'AllowedIPs' | 'Endpoint' | 'PersistentKeepalive';

/** What all commands of a line set; undefined = at least one of them does something else, or needs a shell to be understood. */
export function meaningsOf(line: string, interfaceName: string): Meaning[] | undefined {
  const commands = commandsOf(line.replaceAll('%i', interfaceName));
  const meanings = commands?.map((words) => meaningOf(words, interfaceName));
  if (meanings === undefined || !meanings.every((one) => one !== undefined)) return undefined;
  return meanings.flat();
}

/** Whether a line only takes back what an earlier one has done: left out together with that, it changes nothing. */
export function onlyUndoes(line: string): boolean {
  const commands = commandsOf(line);
  return commands?.every(([program = '', ...words]) => undoes(baseOf(program), words)) === true;
}

function undoes(program: string, words: readonly string[]): boolean {
  if (/^ip6?tables(-nft|-legacy)?$/.test(program)) return words.some((word) => word === '-D' || word === '--delete');
  if (program === 'ip') return words.some((word) => word === 'del' || word === 'delete');
  if (program === 'nft') return words[0] === 'delete';
  return (program === 'resolvectl' && words[0] === 'revert') || (program === 'resolvconf' && words[0] === '-d');
}

/** Words of each command, quotes taken away; undefined where a shell would do more than that. */
function commandsOf(line: string): string[][] | undefined {
  const commands: string[][] = [[]];
  const piece = /\s+|&&|;|'([^']*)'|"((?:[^"\\$`]|\\["\\])*)"|\\(.)|([^\s;&'"\\$`|<>(){}*?[\]~!]+|~)/y;
  let word: string | undefined;
  const endWord = (): void => {
    if (word !== undefined) commands.at(-1)?.push(word);
    word = undefined;
  };
  while (piece.lastIndex < line.length) {
    const match = piece.exec(line);
    if (match === null) return undefined;
    const [whole, single, double, escaped, plain] = match;
    const text = single ?? double?.replaceAll(/\\(.)/g, '$1') ?? escaped ?? plain;
    if (text !== undefined) word = `${word ?? ''}${text}`;
    else endWord();
    if (whole === ';' || whole === '&&') commands.push([]);
  }
  endWord();
  return commands.filter((words) => words.length > 0);
}

function meaningOf([program = '', ...words]: readonly string[], interfaceName: string): Meaning[] | undefined {
  if (words.some((word) => word.startsWith('~/'))) return undefined;
  const name = baseOf(program);
  if (name === 'wg' && words[0] === 'set' && words[1] === interfaceName) return wgSet(words.slice(2));
  if (name === 'ip') return ip(words, interfaceName);
  if (name === 'resolvectl' && words[1] === interfaceName) return resolvectl(words[0], words.slice(2));
  return undefined;
}

const interfaceSettings: Readonly<Record<string, InterfaceKey>> = {
  'private-key': 'PrivateKeyFile',
  'listen-port': 'ListenPort',
  fwmark: 'FwMark',
};
const peerSettings: Readonly<Record<string, PeerKey>> = {
  'preshared-key': 'PresharedKeyFile',
  'allowed-ips': 'AllowedIPs',
  endpoint: 'Endpoint',
  'persistent-keepalive': 'PersistentKeepalive',
};

/** `wg set IF private-key FILE peer KEY preshared-key FILE …` (wg(8)); each word but `remove` has a value. */
function wgSet(words: readonly string[]): Meaning[] | undefined {
  const meanings: Meaning[] = [];
  let publicKey: string | undefined;
  for (let at = 0; at < words.length; at += 2) {
    const [setting = '', value] = words.slice(at, at + 2);
    const ofInterface = interfaceSettings[setting];
    const ofPeer = peerSettings[setting];
    if (value === undefined) return undefined;
    if (setting === 'peer') publicKey = value;
    else if (publicKey === undefined && ofInterface !== undefined)
      meanings.push({ of: 'interface', key: ofInterface, value });
    else if (publicKey !== undefined && ofPeer !== undefined)
      meanings.push({ of: 'peer', publicKey, key: ofPeer, value });
    else return undefined;
  }
  return meanings;
}

/** `ip address add 10.0.0.2/24 dev IF`, `ip link set IF mtu 1400 up` (ip-address(8), ip-link(8)). */
function ip(all: readonly string[], interfaceName: string): Meaning[] | undefined {
  const [object = '', verb = '', ...rest] = all.filter((word) => word !== '-4' && word !== '-6');
  const words = rest.filter((word, at) => word !== 'dev' && !(word === interfaceName && isDevice(rest, at, object)));
  if (words.length === rest.length) return undefined;
  if (object !== '' && 'address'.startsWith(object) && ['add', 'a', 'replace'].includes(verb)) {
    const [value, ...more] = words;
    return value !== undefined && more.length === 0 ? [{ of: 'interface', key: 'Address', value }] : undefined;
  }
  if (object === '' || !'link'.startsWith(object) || verb !== 'set') return undefined;
  const settings = words.filter((word) => word !== 'up');
  if (settings.length === 0) return [];
  const [setting, value = ''] = settings;
  return setting === 'mtu' && settings.length === 2 ? [{ of: 'interface', key: 'MTU', value }] : undefined;
}

/** Behind `dev`, or where `ip link set` may have it without. */
function isDevice(words: readonly string[], at: number, object: string): boolean {
  return words[at - 1] === 'dev' || ('link'.startsWith(object) && at === 0);
}

function resolvectl(verb: string | undefined, values: readonly string[]): Meaning[] | undefined {
  const value = values.join(', ');
  if (verb === 'dns') return [{ of: 'interface', key: 'DNS', value }];
  return verb === 'domain' ? [{ of: 'interface', key: 'Search', value }] : undefined;
}

function baseOf(program: string): string {
  return program.slice(program.lastIndexOf('/') + 1);
}
