/** Which obfuscations the carriers of UDP must know: what any peer wears, and what those wear who come. */
import type { WanLinkSettings } from '../actors/wan-link.ts';
import type { Config } from '../config/config.ts';
import { type ObfuscationConfig, obfuscationIds } from '../config/obfuscation.ts';
import { obfuscationsEmit } from '../wire/obfuscation.ts';

export function planObfuscations(config: Config): Pick<WanLinkSettings, 'worn' | 'expected' | 'takesPlain'> {
  // Peers from other sources than the file wear the common one.
  const all = [config.obfuscation, ...config.peers.map((peer) => peer.obfuscation)];
  const byId = new Map(all.map((one) => [obfuscationIds(one).id, one]));
  const worn = [...byId.values()].filter((one) => one !== undefined);
  const isExpected = worn.some((one) => obfuscationIds(one).wear !== 0);
  const encoded = worn.length === 0 ? undefined : obfuscationsEmit(worn.map(fieldsOf));
  return {
    ...(encoded === undefined ? {} : { worn: encoded }),
    // Whoever comes as WireGuard is, junk before him or not, is taken without a look.
    ...(encoded === undefined || !isExpected ? {} : { expected: encoded }),
    takesPlain: all.some((one) => obfuscationIds(one).wear === 0),
  };
}

function fieldsOf(config: ObfuscationConfig) {
  const chains = config.signatures.flatMap((one) => (one === undefined ? [] : [one.parts]));
  return { ...config, ...obfuscationIds(config), chains };
}
