/**
 * Who drops what clients send, when packets pass our chain at the forward hook and do not leave. A drop of another table cannot be undone
 * by ours (nft(8): a drop is final, an accept only ends its own chain), so the remedy is a rule there. Pure, over what `nft -j list
 * ruleset` says.
 */

export interface Suspect {
  /** `table ip filter, chain FORWARD (policy drop)` */
  readonly where: string;
  /** Whose it looks like. */
  readonly owner: 'Docker' | 'ufw' | 'firewalld' | 'iptables' | 'nftables';
  /** Commands. */
  readonly remedy: string;
}

interface NftChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly policy?: string;
}

interface NftRule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly expr?: readonly unknown[];
}

/** `legacyTables`: of /proc/net/ip_tables_names and ip6_tables_names: nft does not show what iptables-legacy has made. */
export function findSuspects(
  ruleset: unknown,
  own: { readonly table: string; readonly tunnel: string },
  legacyTables: readonly string[],
): Suspect[] {
  const entries = entriesOf(ruleset);
  const chains = entries.flatMap((entry) => (entry.chain === undefined ? [] : [entry.chain as NftChain]));
  const rules = entries.flatMap((entry) => (entry.rule === undefined ? [] : [entry.rule as NftRule]));
  const foreign = chains.filter(({ hook, table }) => hook === 'forward' && table !== own.table);
  const found = foreign.filter((chain) => chain.policy === 'drop' || mayRefuse(chain, chains, rules));
  const suspects = found.map((chain): Suspect => {
    const names = chains.filter((one) => isOfTable(one, chain)).map(({ name }) => name);
    const owner = ownerOf(chain, names);
    const policy = chain.policy === 'drop' ? ' (policy drop)' : '';
    return {
      where: `table ${chain.family} ${chain.table}, chain ${chain.name}${policy}`,
      owner,
      remedy: remedyOf(owner, chain, own.tunnel),
    };
  });
  const legacy = legacyTables.includes('filter')
    ? [
        {
          where: 'iptables-legacy, chain FORWARD',
          owner: 'iptables' as const,
          remedy: `iptables-legacy -I FORWARD -i ${own.tunnel} -j ACCEPT; iptables-legacy -I FORWARD -o ${own.tunnel} -j ACCEPT`,
        },
      ]
    : [];
  return [...suspects, ...legacy];
}

function entriesOf(ruleset: unknown): Readonly<Record<string, unknown>>[] {
  if (typeof ruleset !== 'object' || ruleset === null || !('nftables' in ruleset)) return [];
  return Array.isArray(ruleset.nftables) ? ruleset.nftables : [];
}

function isOfTable(one: NftChain | NftRule, { family, table }: NftChain): boolean {
  return one.family === family && one.table === table;
}

/** Whether a rule drops or rejects in the chain, or in one that it leads to. */
function mayRefuse(base: NftChain, chains: readonly NftChain[], rules: readonly NftRule[]): boolean {
  const ofTable = rules.filter((rule) => isOfTable(rule, base));
  const names = new Set(chains.filter((chain) => isOfTable(chain, base)).map(({ name }) => name));
  const reached = new Set<string>();
  const open = [base.name];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (reached.has(name)) continue;
    reached.add(name);
    for (const { chain, expr } of ofTable) {
      if (chain !== name) continue;
      const words = wordsOf(expr);
      if (words.some((word) => word === 'drop' || word === 'reject')) return true;
      open.push(...words.filter((word) => names.has(word)));
    }
  }
  return false;
}

/** Keys and texts of a rule: verdicts and the chains they lead to are among them, in verdict maps too. */
function wordsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(wordsOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...wordsOf(inner)]);
}

function ownerOf({ family, table, name }: NftChain, names: readonly string[]): Suspect['owner'] {
  if (table === 'firewalld') return 'firewalld';
  if (names.some((one) => one.startsWith('ufw-') || one.startsWith('ufw6-'))) return 'ufw';
  if (table.startsWith('docker') || names.some((one) => one.startsWith('DOCKER'))) return 'Docker';
  return (family === 'ip' || family === 'ip6') && table === 'filter' && name === 'FORWARD' ? 'iptables' : 'nftables';
}

/** What comes back is let through by all of them as established; what is begun outside (ports that lead to clients) needs the second. */
function remedyOf(owner: Suspect['owner'], { family, table, name }: NftChain, tunnel: string): string {
  const iptables = family === 'ip6' ? 'ip6tables' : 'iptables';
  switch (owner) {
    case 'Docker':
      if (name !== 'FORWARD') break;
      return `${iptables} -I DOCKER-USER -i ${tunnel} -j ACCEPT; ${iptables} -I DOCKER-USER -o ${tunnel} -j ACCEPT`;
    case 'ufw':
      return `ufw route allow in on ${tunnel}; ufw route allow out on ${tunnel}`;
    case 'firewalld':
      return `firewall-cmd --permanent --zone=trusted --add-interface=${tunnel}; firewall-cmd --reload`;
    case 'iptables':
      return `${iptables} -I FORWARD -i ${tunnel} -j ACCEPT; ${iptables} -I FORWARD -o ${tunnel} -j ACCEPT`;
    default:
  }
  const rule = `nft insert rule ${family} ${table} ${name}`;
  return `${rule} iifname "${tunnel}" accept; ${rule} oifname "${tunnel}" accept (and write both where the table is made)`;
}
