/** `links` of a configuration that `hawser init` writes: what the host has now, live where it leads out, as a comment where it may. */
import { messageOf } from '../base/errors.ts';
import type { SpareLink } from '../config/generate.ts';
import { findLinkCandidates, type LinkCandidate } from '../io/link-candidates.ts';
import { loadAddon } from '../native/addon.ts';
import type { Role } from './init.ts';

export interface InitLinks {
  readonly used: readonly { readonly name: string; readonly interface: string }[];
  readonly spare: readonly SpareLink[];
  /** Lines for the person who ran the command. */
  readonly told: readonly string[];
}

export function findInitLinks(role: Role): InitLinks {
  try {
    return chooseInitLinks(role, findLinkCandidates(loadAddon()));
  } catch (error) {
    const told = `links: not looked for (${messageOf(error)}); the routing of the kernel chooses, as \`links\` is left out`;
    return { used: [], spare: [], told: [told] };
  }
}

/**
 * A client uses all that have a default route. A server is reached by whatever address its clients know, so it needs none: there all
 * stand as comments.
 */
export function chooseInitLinks(role: Role, candidates: readonly LinkCandidate[]): InitLinks {
  const named = nameLinks(candidates);
  const used = role === 'client' ? named.filter(({ hasDefaultRoute }) => hasDefaultRoute) : [];
  const spare = named
    .filter((link) => !used.includes(link))
    .map(({ hasDefaultRoute, ...link }) => {
      return { ...link, remark: hasDefaultRoute ? 'has a default route' : 'has a carrier and no default route now' };
    });
  const live = used.map(({ name, interface: device }) => ({ name, interface: device }));
  if (live.length > 0) {
    const rest =
      spare.length === 0 ? '' : `; as a comment: ${spare.map((link) => link.interface).join(', ')} (no default route)`;
    const told = `links: ${live.map((link) => link.interface).join(', ')} (default route)${rest}`;
    return { used: live, spare, told: [told] };
  }
  if (spare.length === 0) return { used: [], spare, told: ['links: none found, so the routing of the kernel chooses'] };
  const why = role === 'server' ? 'a server needs none' : 'none has a default route';
  const told = `links: left out, the routing of the kernel chooses (${why}); as a comment: ${spare.map((link) => link.interface).join(', ')}`;
  return { used: [], spare, told: [told] };
}

/** Interfaces may bear names that are none of ours: `enp3s0.100`. */
function nameLinks(candidates: readonly LinkCandidate[]): (LinkCandidate & { readonly name: string })[] {
  const taken = new Set<string>();
  return candidates.map((candidate) => {
    const base = candidate.interface.replace(/[^A-Za-z0-9_-]/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'link';
    let name = base;
    for (let number = 2; taken.has(name); number++) name = `${base}-${number}`;
    taken.add(name);
    return { ...candidate, name };
  });
}
