// Lets clients of a hub in by a time table. Who is in no rule may always come.
//
//   plugins:
//     - file: /usr/local/lib/hawser/timetable.mjs
//       settings:
//         timezone: Europe/Berlin
//         rules:
//           - { clients: [kiosk, "shop-*"], days: [mon, tue, wed, thu, fri], from: "08:00", to: "18:30" }
//           - { clients: [night-watch], from: "22:00", to: "06:00" }
//   server: { …, authorise: timetable }

export const hawserPlugin = 1;

const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const dayMinutes = 24 * 60;

let timezone = 'UTC';
let rules = [];

export function start({ settings }) {
  timezone = settings.timezone ?? 'UTC';
  // Throws when there is no such zone: better now than at the first client.
  minuteAndDay(new Date());
  rules = (settings.rules ?? []).map((rule, index) => readRule(rule, `settings.rules[${index}]`));
}

function readRule({ clients, days = weekdays, from = '00:00', to = '24:00' }, where) {
  if (!Array.isArray(clients) || clients.length === 0) throw new Error(`${where}.clients names nobody`);
  const strange = days.find((day) => !weekdays.includes(day));
  if (strange !== undefined) throw new Error(`${where}.days: ${strange} is none of ${weekdays.join(', ')}`);
  return { clients, days, from: minuteOf(from, `${where}.from`), to: minuteOf(to, `${where}.to`) };
}

function minuteOf(text, where) {
  const [, hours, minutes] = /^(\d\d):(\d\d)$/.exec(text) ?? [];
  const minute = Number(hours) * 60 + Number(minutes);
  if (!(minute <= dayMinutes) || Number(minutes) > 59) throw new Error(`${where} is ${text}, and no time of a day such as 08:30`);
  return minute;
}

function minuteAndDay(date) {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: timezone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(date);
  const part = (type) => parts.find((one) => one.type === type)?.value ?? '';
  return { day: part('weekday').toLowerCase(), minute: Number(part('hour')) * 60 + Number(part('minute')) };
}

function isMeant(client, pattern) {
  return pattern.endsWith('*') ? client.startsWith(pattern.slice(0, -1)) : client === pattern;
}

// A rule that ends before it begins goes over midnight, and belongs to the day on which it begins.
function isOpen({ days, from, to }, { day, minute }) {
  const dayBefore = weekdays[(weekdays.indexOf(day) + 6) % 7];
  if (from <= to) return days.includes(day) && minute >= from && minute < to;
  return (days.includes(day) && minute >= from) || (days.includes(dayBefore) && minute < to);
}

export function authorise({ client }, date = new Date()) {
  const own = rules.filter(({ clients }) => clients.some((pattern) => isMeant(client, pattern)));
  const now = minuteAndDay(date);
  if (own.length === 0 || own.some((rule) => isOpen(rule, now))) return { allow: true };
  return { allow: false, reason: `${client} may not come at this time (${now.day}, ${timezone})` };
}
