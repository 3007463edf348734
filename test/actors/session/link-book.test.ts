/** What is said of links, and what may leave by them. */
import t from 'tap';
import { LinkBook } from '../../../src/actors/session/link-book.ts';
import type { LinkSettings, LinkStateCommand } from '../../../src/actors/session/settings.ts';
import { link } from '../../../src/contract/link-tables.ts';
import { endpoint } from '../../../src/contract/peer-tables.ts';
import { createRowTable, linkTable } from '../../../src/rings/table.ts';
import { namedEndpointEmit } from '../../../src/wire/named-endpoint.ts';
import { sockaddrEmit, sockaddrMaxBytes } from '../../../src/wire/sockaddr.ts';

const named = new Uint8Array(endpoint.bytes);
namedEndpointEmit(named, 'hub.example.net', 443);
const address = new Uint8Array(sockaddrMaxBytes);
sockaddrEmit(address, 0, { address: Uint8Array.of(203, 0, 113, 1), port: 51820, scopeId: 0 });

function bookOf(state: Partial<LinkStateCommand>): LinkBook {
  const settings = { row: 0, name: 'wan', interface: '', priority: 0 } as LinkSettings;
  const book = new LinkBook([settings], linkTable(createRowTable(link, 4)));
  book.handleState({
    kind: 'link-state',
    link: 'wan',
    isUp: true,
    reason: 'no address',
    addresses: [],
    routes: [],
    ...state,
  });
  return book;
}

t.test(
  'refusal() lets everything leave by a link without an interface, of which the kernel says nothing',
  async (t) => {
    const book = bookOf({ routes: undefined });
    t.equal(book.refusal(0, named), undefined, 'what has a name, as TLS reaches it');
    t.equal(book.refusal(0, address), undefined);
  },
);

t.test('refusal() lets nothing that has a name leave by an interface without an address', async (t) => {
  t.equal(bookOf({}).refusal(0, named), 'no address');
  t.equal(bookOf({ addresses: ['10.0.0.1'] }).refusal(0, named), undefined);
  t.equal(bookOf({ addresses: ['10.0.0.1'], routes: ['10.0.0.0/8'] }).refusal(0, address), 'no route by this link');
  t.equal(bookOf({ isUp: false, addresses: ['10.0.0.1'], reason: 'down' }).refusal(0, named), 'down');
});

t.test(
  'translate() gives IPv4 an address of IPv6 where a translator is needed, and none where it is not',
  async (t) => {
    const nat64 = '64:ff9b::/96';
    const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
    const translated = '0064ff9b0000000000000000cb007101';
    t.equal(hex(bookOf({ routes: ['::/0'], nat64 }).translate(0, address)), translated);
    t.equal(hex(bookOf({ routes: undefined, nat64 }).translate(0, address)), translated, 'of a host as a whole');
    t.equal(bookOf({ routes: ['::/0', '203.0.113.0/24'], nat64 }).translate(0, address), undefined, 'there is a route');
    t.equal(bookOf({ routes: ['::/0'] }).translate(0, address), undefined);
    const near = new Uint8Array(sockaddrMaxBytes);
    sockaddrEmit(near, 0, { address: Uint8Array.of(10, 0, 0, 5), port: 51820, scopeId: 0 });
    t.equal(bookOf({ routes: undefined, nat64 }).translate(0, near), undefined, 'no address of the Internet');
    t.equal(bookOf({ routes: ['::/0'], nat64 }).translate(0, near), undefined, 'which the well-known prefix never has');
    const own = '2001:db8:64::/96';
    t.equal(
      hex(bookOf({ routes: ['::/0'], nat64: own }).translate(0, near)),
      '20010db800640000000000000a000005',
      'a site has its own',
    );
    t.equal(bookOf({ routes: undefined, nat64: own }).translate(0, near), undefined, 'a host may be its neighbour');
    t.equal(bookOf({ routes: ['::/0'], nat64 }).translate(0, named), undefined, 'its carrier finds the way');
  },
);
