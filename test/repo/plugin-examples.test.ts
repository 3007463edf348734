/** The plugins that are shipped as examples do what they say. */
import path from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/base/package-info.ts';

interface Example {
  readonly hawserPlugin: number;
  start(context: { readonly settings: object }): void;
  webhook(question: object): { readonly body: string } | null;
  authorise(question: object, date?: Date): { readonly allow: boolean; readonly reason?: string };
}

const load = async (name: string): Promise<Example> =>
  (await import(`${path.join(packageRoot(), 'packaging/plugins', name)}.mjs?${Math.random()}`)) as Example;

t.test('chat makes one line of an event, and mentions nobody', async (t) => {
  const chat = await load('chat');
  t.equal(chat.hawserPlugin, 1);
  chat.start({ settings: {} });
  const event = { kind: 'failover', detail: 'peer=hub from=<!channel> to=@here `x` [a](b)\nnext' };
  const { text } = JSON.parse(chat.webhook({ instance: 'home', time: 'now', event })?.body ?? '{}') as { text: string };
  t.match(text, /Hawser home: failover peer=hub from= !channel to= here x a b next \(now\)$/);
  chat.start({ settings: { style: 'discord' } });
  t.match(JSON.parse(chat.webhook({ instance: 'home', event: { kind: 'webhook-test' } })?.body ?? ''), {
    content: /a test/,
  });
  t.equal(chat.webhook({ instance: 'home', event: { kind: 'session' } }), null);
  t.throws(() => chat.start({ settings: { style: 'fax' } }), /style is fax/);
});

t.test('timetable lets clients in at their times, over midnight too', async (t) => {
  const timetable = await load('timetable');
  const rules = [
    { clients: ['kiosk', 'shop-*'], days: ['mon', 'tue'], from: '08:00', to: '18:30' },
    { clients: ['night'], days: ['fri'], from: '22:00', to: '06:00' },
  ];
  timetable.start({ settings: { timezone: 'Europe/Berlin', rules } });
  const may = (client: string, at: string): boolean => timetable.authorise({ client }, new Date(at)).allow;
  // 2026-11-30 is a Monday; Berlin is an hour ahead of UTC.
  t.equal(may('kiosk', '2026-11-30T07:00:00Z'), true);
  t.equal(may('kiosk', '2026-11-30T06:59:00Z'), false);
  t.equal(may('shop-7', '2026-11-30T17:29:00Z'), true);
  t.equal(may('shop-7', '2026-11-30T17:30:00Z'), false);
  t.equal(may('kiosk', '2026-12-02T10:00:00Z'), false, 'Wednesday');
  t.equal(may('night', '2026-12-04T21:30:00Z'), true, 'Friday');
  t.equal(may('night', '2026-12-05T04:59:00Z'), true, 'until Saturday morning');
  t.equal(may('night', '2026-12-05T21:30:00Z'), false, 'not on Saturday');
  t.equal(may('anybody', '2026-12-05T21:30:00Z'), true);
  t.match(timetable.authorise({ client: 'kiosk' }, new Date('2026-12-05T10:00:00Z')).reason, /kiosk may not come/);
  for (const rule of [
    { clients: [] },
    { clients: ['a'], days: ['someday'] },
    { clients: ['a'], from: '8' },
    { clients: ['a'], to: '25:00' },
  ])
    t.throws(() => timetable.start({ settings: { rules: [rule] } }), /settings\.rules\[0\]/);
  t.throws(() => timetable.start({ settings: { timezone: 'Mars/Olympus' } }));
});
