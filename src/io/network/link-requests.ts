/** What the kernel is asked to do with the tunnel's interface: its MTU, up and down, its end. */
import { rtm } from '../../wire/rtnetlink.ts';
import { type LinkState, linkDeleteEmit, linkSetEmit } from '../../wire/rtnetlink-link.ts';
import type { NetlinkRequest } from '../netlink.ts';
import type { NetworkPlan } from './plan.ts';

/** What takes `link` to the MTU of the plan, and up. */
export function linkRequests(plan: NetworkPlan, link: LinkState, ipv6: boolean): NetlinkRequest[] {
  const { index } = link;
  const requests: NetlinkRequest[] = [];
  if (link.mtu !== plan.mtu) {
    const undo = () => setLink(plan.interface, { index, mtu: link.mtu }, `set MTU ${link.mtu} of`);
    requests.push({ ...setLink(plan.interface, { index, mtu: plan.mtu }, `set MTU ${plan.mtu} of`), undo });
  }
  if (link.up) return requests;
  if (ipv6) requests.push(setLink(plan.interface, { index, quiet: true }, 'switch off link-local addresses of'));
  requests.push(setLink(plan.interface, { index, up: true }, 'take up'));
  return requests;
}

export function setLink(name: string, change: Parameters<typeof linkSetEmit>[2], verb: string): NetlinkRequest {
  return {
    type: rtm.setLink,
    flags: 0,
    what: `${verb} interface ${name}`,
    emit: (target, at) => linkSetEmit(target, at, change),
  };
}

export function deleteLink(link: LinkState): NetlinkRequest {
  return {
    type: rtm.deleteLink,
    flags: 0,
    what: `remove interface ${link.name}`,
    emit: (target, at) => linkDeleteEmit(target, at, link.index),
  };
}
