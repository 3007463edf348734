/** Why handshakes with a peer fail, as far as this side can see, and what helps. */
import type { Explanation } from './explain.ts';
import type { PeerRefusal, PeerStatus } from './rows.ts';
import { duration } from './words.ts';

/** Who is refused calls again within five minutes; what is older is over. */
export const recentRefusalMs = 600_000;

interface Words {
  readonly text: string;
  readonly remedy: string;
}

/** `instance`: what `--name` takes. */
export function explainRefusal(peer: PeerStatus, instance: string): Omit<Explanation, 'peer'>[] {
  const { refusal } = peer;
  if (refusal === undefined || refusal.ageMs >= recentRefusalMs) return [];
  const { text, remedy } = wordsOf(peer.name, refusal, instance);
  const last = `${refusal.count} times, ${duration(refusal.ageMs)} ago last`;
  return [{ severity: 'problem', text: `${text} (${last})`, remedy, numbers: { refusedHandshakes: refusal.count } }];
}

function wordsOf(name: string, { reason, behindMs }: PeerRefusal, instance: string): Words {
  switch (reason) {
    case 'clockBehind':
      return {
        text: `Handshakes of peer ${name} are refused: its clock is ${duration(behindMs ?? 0)} behind what it showed before, as a replay's would be`,
        remedy: `set the clock of ${name}; if it is right now and was wrong before, \`hawser peer forget-clock ${name} --name ${instance}\` here`,
      };
    case 'notItsKey':
      return {
        text: `Somebody calls with the public key of peer ${name} and does not have its private key`,
        remedy: `compare the key file of ${name} with the publicKey here; else it is somebody who tries`,
      };
    case 'unreadable':
      return {
        text: `Peer ${name} answers, but its response cannot be opened: the preshared keys differ`,
        remedy: `put the same presharedKeyFile for ${name} here and for this host there, or none on both sides`,
      };
    case 'unused':
      return {
        text: `Peer ${name} calls and does not use the responses: the preshared keys differ, or they do not arrive there`,
        remedy: `compare presharedKeyFile of both sides; \`hawser explain\` of ${name} says which it is`,
      };
    case 'obfuscation':
      return {
        text: `Peer ${name} calls with another obfuscation than is configured for it here, or with none: it gets no answer`,
        remedy: `give both sides the same s1 to s4 and h1 to h4 (obfuscation, here for ${name} and there for this host), or none on both`,
      };
    case 'quota':
      return {
        text: `Client ${name} has used up its quota: its handshakes are refused until the period ends`,
        remedy: `\`hawser client usage ${name}\` says when that is; \`hawser client set ${name} --daily 20GB\` gives it more at once`,
      };
    case 'perAddress':
      return {
        text: `Client ${name} is refused: as many clients as server.limits.perAddress allows have sessions from its address`,
        remedy: 'raise server.limits.perAddress in the file and reload, where many share one address',
      };
    case 'perClient':
      return {
        text: `Client ${name} is refused: as many of its devices as server.limits.perClient allows have sessions`,
        remedy: 'raise server.limits.perClient in the file and reload, or remove devices (hawser client device remove)',
      };
    case 'unauthorised':
      return {
        text: `Client ${name} is not let in by the plugin of server.authorise`,
        remedy:
          '`hawser events` has what it says of that; change what it goes by, or take server.authorise out of the file',
      };
    case 'authoriserSilent':
      return {
        text: `Client ${name} is not let in, because the plugin of server.authorise does not say whether it may`,
        remedy:
          '`hawser plugin list` says what is wrong with it; without server.authorise in the file everybody with a right key is let in',
      };
    case 'busy':
      return {
        text: `Peer ${name} is under load: it wants a cookie before it answers handshakes`,
        remedy: 'nothing to do here, the next one shows it; look at `hawser explain` there when it lasts',
      };
  }
}
