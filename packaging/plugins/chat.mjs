// Makes of events what chat services take at their incoming webhooks: Slack, Mattermost and Rocket.Chat ({ text }), or Discord ({ content }).
//
//   plugins:
//     - { file: /usr/local/lib/hawser/chat.mjs, settings: { style: slack } }
//   webhooks:
//     - { url: https://hooks.slack.com/services/…, events: [failover, failback, link-*, quota-exceeded], secretFile: hook.secret, format: chat }

export const hawserPlugin = 1;

const styles = { slack: 'text', mattermost: 'text', rocketchat: 'text', discord: 'content' };
/** Discord takes no more. */
const mostCharacters = 2000;

const signs = {
  failover: '⚠️',
  'cut-off': '🔴',
  'link-down': '⚠️',
  failback: '✅',
  'link-up': '✅',
  'quota-exceeded': '⛔',
};

let field = styles.slack;

export function start({ settings }) {
  const { style = 'slack' } = settings;
  field = styles[style];
  if (field === undefined) throw new Error(`settings.style is ${style}: it may be ${Object.keys(styles).join(', ')}`);
}

// What the names of links and peers hold must not mention everybody, nor become a link.
function plain(text) {
  return String(text).replace(/[&<>@*_`~|[\]()]/g, ' ').replace(/\s+/g, ' ').trim();
}

// null: nothing is sent.
export function webhook({ instance, time, event }) {
  const { kind, detail = '' } = event;
  if (kind === 'webhook-test') return body(`Hawser ${plain(instance)}: a test`);
  if (kind === 'session') return null;
  return body(`${signs[kind] ?? 'ℹ️'} Hawser ${plain(instance)}: ${kind} ${plain(detail)} (${time})`);
}

function body(text) {
  return { body: JSON.stringify({ [field]: text.slice(0, mostCharacters) }), contentType: 'application/json' };
}
