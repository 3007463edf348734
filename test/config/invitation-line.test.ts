/** Invitations as people copy them: read back, and refused with the reason when something happened to them on the way. */
import fc from 'fast-check';
import t from 'tap';
import { type Invitation, invitationFromLine, invitationToLine } from '../../src/config/invitation-line.ts';
import { formatKey, publicKeyOf } from '../../src/config/keys.ts';
import { deriveInvitation } from '../../src/crypto/invitation.ts';

const invitation: Invitation = {
  endpoints: ['hub.example.net:51820', 'tls://hub.example.net:443'],
  hubKey: Uint8Array.from({ length: 32 }, (_, index) => index),
  secret: Uint8Array.from({ length: 16 }, (_, index) => 200 + index),
  obfuscation: undefined,
};

t.test('a line is read back', async (t) => {
  const line = invitationToLine(invitation);
  t.match(line, /^hub\.example\.net:51820,tls:\/\/hub\.example\.net:443#[A-Za-z0-9_-]{71}$/);
  t.strictSame(invitationFromLine(line), invitation);
  t.strictSame(invitationFromLine(`  ${line}\n`), invitation);
  const worn = { ...invitation, obfuscation: { s1: 30, h1: '5-15' } };
  t.strictSame(invitationFromLine(invitationToLine(worn)), worn);
});

t.test('what was cut, changed or is something else is refused in words that repeat nothing of it', async (t) => {
  const line = invitationToLine(invitation);
  const secret = line.slice(-40, -10);
  for (const [text, told] of [
    ['', /no "#"/],
    ['hub.example.net:51820', /no "#"/],
    [`${line}#x`, /more than one/],
    [line.slice(0, -1), /some of it is missing/],
    [line.slice(0, -40), /too short/],
    [`x${line}`, /missing, or was changed/],
    [line.replace('51820', '51821'), /missing, or was changed/],
    [`${line.slice(0, -20)} ${line.slice(-20)}`, /something else than letters/],
    ['#', /something else/],
    [`a${'b'.repeat(5000)}#c`, /no "#"/],
  ] as const) {
    const said = invitationFromLine(text);
    t.match(said, told, text);
    t.notOk(String(said).includes(secret));
  }
  for (let at = 0; at < line.length; at += 1) {
    const other = line[at] === 'A' ? 'B' : 'A';
    t.type(invitationFromLine(`${line.slice(0, at)}${other}${line.slice(at + 1)}`), 'string', `a slip at ${at}`);
  }
});

t.test('whatever is pasted, it is a sentence or an invitation', (t) => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), fc.base64String({ maxLength: 400 }), (places, code) => {
      const read = invitationFromLine(`${places}#${code.replace(/[=+/]/g, '')}`);
      if (typeof read !== 'string') throw new Error(`${places} ${code} is an invitation`);
    }),
    { numRuns: 2000, seed: 30 },
  );
  t.end();
});

t.test('keys follow from secret and hub, as docs/adr/0030 says', async (t) => {
  const { privateKey, presharedKey } = deriveInvitation(invitation.hubKey, invitation.secret);
  t.equal(formatKey(publicKeyOf(privateKey)), '/Np/SZNLYVaEKI+9g5WpWnRmKVf2bM4aiiBQNHgDGVw=');
  t.equal(formatKey(presharedKey), 'CKb5vhLaUF5TXxtF7dy8Eyd6Nf5cEjnUUxZ0s3SSrc0=');
  const elsewhere = deriveInvitation(invitation.secret, invitation.secret);
  t.notSame(elsewhere.privateKey, privateKey, 'of use at one hub alone');
});
