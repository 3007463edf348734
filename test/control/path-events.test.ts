import t from 'tap';
import { subjectOf } from '../../src/control/event-text.ts';
import { PathEvents, type PathMoment } from '../../src/control/path-events.ts';

const fibre: PathMoment = {
  key: '32 1',
  peer: 'hub',
  link: 'fibre',
  transport: 'udp',
  endpoint: '203.0.113.1:51820',
  condition: 'live',
  reason: 'a probe was answered',
  rttMs: 20,
  lossPercent: 0,
};
const lte: PathMoment = { ...fibre, key: '33 1', link: 'lte', rttMs: 60 };
const place = { peer: 'hub', link: 'fibre', transport: 'udp', endpoint: fibre.endpoint };

/** Looks at all paths each time. */
class Looks {
  readonly #events = new PathEvents();
  #keys: readonly string[] = [];

  look(changed: readonly PathMoment[]) {
    const keys = changed.map(({ key }) => key);
    const gone = this.#keys.filter((key) => !keys.includes(key));
    this.#keys = keys;
    return this.#events.look({ changed, gone });
  }
}

function kinds(events: readonly { kind: string }[]): string[] {
  return events.map((one) => one.kind);
}

t.test('subjectOf() keeps two interfaces apart, and puts sentences together that differ in numbers', async (t) => {
  const down = (name: string) => subjectOf({ kind: 'interface', interface: name, state: 'down' });
  t.not(down('eth0'), down('eth1'));
  const warning = (message: string) => subjectOf({ kind: 'warning', message });
  t.equal(warning('3 of 7 are late'), warning('4 of 8 are late'));
});

t.test('PathEvents tells nothing at its first look, and nothing when nothing changed', async (t) => {
  const events = new Looks();
  t.strictSame(events.look([fibre, lte]), []);
  t.strictSame(events.look([fibre, { ...lte, rttMs: 61 }]), []);
});

t.test('PathEvents tells of a death, a failover and a failback, with reasons', async (t) => {
  const events = new Looks();
  events.look([fibre, lte]);
  const suspect = { ...fibre, condition: 'suspect', reason: 'nothing was acknowledged' };
  t.strictSame(events.look([suspect, lte]), [
    { kind: 'path-suspect', ...place, was: 'live', reason: suspect.reason },
    { kind: 'failover', peer: 'hub', from: 'fibre', to: 'lte', reason: suspect.reason },
    { kind: 'link-down', link: 'fibre', reason: suspect.reason },
  ]);
  t.strictSame(kinds(events.look([{ ...fibre, condition: 'dead' }, lte])), ['path-dead']);
  t.strictSame(kinds(events.look([{ ...fibre, condition: 'recovering' }, lte])), ['path-recovering']);
  t.strictSame(kinds(events.look([fibre, lte])), ['failback', 'link-up']);
  t.strictSame(kinds(events.look([{ ...fibre, condition: 'flapping' }, lte])), ['flapping', 'failover', 'link-down']);
  t.strictSame(kinds(events.look([suspect, { ...lte, condition: 'dead' }])), [
    'path-suspect',
    'path-dead',
    'cut-off',
    'link-down',
  ]);
  t.strictSame(kinds(events.look([fibre, { ...lte, condition: 'dead' }])), ['path-cleared', 'link-up']);
});

t.test('PathEvents tells which transport of a link carries, and of no cut while another one is about to', async (t) => {
  const events = new Looks();
  const udp = { ...fibre, place: 1 };
  const other = { ...fibre, key: '34 1', transport: 'faketcp', place: 2 };
  const standby = { ...other, isStandby: true };
  const suspect = { ...udp, condition: 'suspect', reason: 'nothing was acknowledged' };
  events.look([udp, standby]);
  t.strictSame(kinds(events.look([suspect, standby])), ['path-suspect'], 'not cut off, and no failover yet');
  const told = { peer: 'hub', link: 'fibre' };
  t.strictSame(events.look([{ ...suspect, isStandby: true }, other]), [
    { kind: 'transport-failover', ...told, from: 'udp', to: 'faketcp', reason: suspect.reason },
  ]);
  const stable = { ...udp, reason: 'it answered for the whole stability time' };
  events.look([{ ...udp, condition: 'recovering', isStandby: true }, other]);
  t.match(events.look([stable, standby]), [
    { kind: 'failback', transport: 'udp' },
    { kind: 'transport-failback', ...told, from: 'faketcp', to: 'udp', reason: stable.reason },
  ]);
  t.strictSame(kinds(events.look([suspect, { ...standby, condition: 'dead' }])), [
    'path-suspect',
    'path-dead',
    'cut-off',
    'link-down',
  ]);
});

t.test('PathEvents tells two paths of one row apart, and a link from its paths', async (t) => {
  const events = new Looks();
  const other = { ...fibre, key: '34 1', endpoint: '[2001:db8::1]:51820' };
  events.look([fibre, other]);
  const successor = { ...other, key: '34 2', condition: 'dead' };
  t.strictSame(events.look([fibre, successor]), [], 'what the row had before did not die');
  t.strictSame(events.look([fibre]), []);
  t.strictSame(events.look([]), [{ kind: 'link-down', link: 'fibre', reason: 'it has no path' }]);
  const unproven = { ...fibre, condition: 'unproven' };
  events.look([unproven, { ...lte, condition: undefined }]);
  t.strictSame(
    kinds(events.look([fibre, { ...lte, condition: undefined }])),
    ['link-up'],
    'its proof is told elsewhere',
  );
});

t.test('PathEvents calls a live path degraded from 200 ms or 5 % on, and takes that back a fifth below', async (t) => {
  const events = new Looks();
  const look = (rttMs: number, lossPercent: number, condition = 'live') =>
    events.look([{ ...fibre, rttMs, lossPercent, condition }, lte]);
  look(20, 0);
  t.match(look(200, 0), [{ kind: 'degraded', link: 'fibre', rttMs: 200, lossPercent: 0 }]);
  t.strictSame(look(161, 0), []);
  t.match(look(159, 3.99), [{ kind: 'degraded-end' }]);
  t.match(look(20, 5), [{ kind: 'degraded' }]);
  t.notOk(kinds(look(20, 5, 'dead')).includes('degraded-end'), 'what died did not get better');
});

t.test(
  'PathEvents tells what a path takes when the search has ended, and not what an ordinary one takes',
  async (t) => {
    const events = new Looks();
    const look = (mtu: number, mtuAgeMs: number) => events.look([{ ...fibre, mtu, mtuAgeMs }]);
    look(1200, 10);
    t.strictSame(look(1500, 1500), []);
    t.strictSame(look(1280, 50), [], 'the search is under way');
    const told = { kind: 'path-mtu', ...place, direction: 'out' };
    t.strictSame(look(1428, 1100), [{ ...told, size: 1428, before: 1500 }]);
    t.strictSame(look(1428, 5000), []);
    t.strictSame(look(1500, 2000), [{ ...told, size: 1500, before: 1428 }]);
  },
);

t.test('PathEvents needs to be told of what changed alone', async (t) => {
  const events = new PathEvents();
  const others = Array.from({ length: 50 }, (_, index) => ({ ...lte, key: `${100 + index} 1`, peer: `other${index}` }));
  events.look({ changed: [fibre, lte, ...others], gone: [] });
  const dead = { ...fibre, condition: 'dead', reason: 'silent' };
  t.strictSame(kinds(events.look({ changed: [dead], gone: [] })), ['path-dead', 'failover', 'link-down']);
  t.strictSame(kinds(events.look({ changed: [], gone: [lte.key] })), ['cut-off']);
  t.strictSame(events.look({ changed: [], gone: others.slice(1).map(({ key }) => key) }), []);
  t.strictSame(kinds(events.look({ changed: [], gone: [others[0]?.key ?? ''] })), ['link-down']);
});
