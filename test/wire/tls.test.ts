import { generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import t from 'tap';
import { endpoint } from '../../src/contract/peer-tables.ts';
import { certificateEmit, certificateToSign } from '../../src/wire/certificate.ts';
import {
  namedEndpointEmit,
  namedEndpointHost,
  namedEndpointIs,
  namedEndpointPort,
} from '../../src/wire/named-endpoint.ts';
import { sockaddrEmit } from '../../src/wire/sockaddr.ts';
import {
  tlsMessageCheck,
  tlsMessageEmitHeader,
  tlsMessageMostBytes,
  tlsMessageSegment,
} from '../../src/wire/tls-message.ts';

t.test('tlsMessageCheck() takes whole packets of equal length but the last', async (t) => {
  const message = (segment: number, bytes: number): Uint8Array => {
    const made = new Uint8Array(2 + bytes);
    tlsMessageEmitHeader(made, segment);
    return made;
  };
  t.ok(tlsMessageCheck(message(1452, 1452)));
  t.ok(tlsMessageCheck(message(1452, 3 * 1452 + 80)));
  t.equal(tlsMessageSegment(message(1452, 5000)), 1452);
  t.ok(tlsMessageCheck(message(32, 32)), 'a keepalive');
  t.notOk(tlsMessageCheck(message(31, 62)), 'shorter than any packet');
  t.notOk(tlsMessageCheck(message(0, 100)), 'endless packets');
  t.notOk(tlsMessageCheck(message(1000, 999)), 'less than it says');
  t.notOk(tlsMessageCheck(new Uint8Array(0)));
  t.notOk(tlsMessageCheck(new Uint8Array(2)));
  t.ok(tlsMessageCheck(message(1452, tlsMessageMostBytes - 2)));
  t.notOk(tlsMessageCheck(message(1452, tlsMessageMostBytes - 1)));
});

t.test('a named endpoint has one spelling, and is told from an address', async (t) => {
  const bytes = new Uint8Array(endpoint.bytes).fill(255);
  namedEndpointEmit(bytes, 'Hub.Example.net', 443);
  t.ok(namedEndpointIs(bytes));
  t.equal(namedEndpointHost(bytes), 'hub.example.net');
  t.equal(namedEndpointPort(bytes), 443);
  const longest = 'n'.repeat(endpoint.mostNameBytes);
  namedEndpointEmit(bytes, longest, 65535);
  t.equal(namedEndpointHost(bytes), longest);
  namedEndpointEmit(bytes, 'a', 1);
  t.same(bytes.subarray(5), new Uint8Array(59), 'nothing is left of the one before');
  t.throws(() => namedEndpointEmit(bytes, `${longest}n`, 1));
  sockaddrEmit(bytes, 0, { address: Uint8Array.of(203, 0, 113, 1), port: 443, scopeId: 0 });
  t.notOk(namedEndpointIs(bytes));
});

t.test('a certificate that signs itself is one to OpenSSL', async (t) => {
  for (const name of ['hub.example.net', `${'long.'.repeat(45)}example`]) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const toSign = certificateToSign({
      name,
      serial: Uint8Array.of(0x45, 1, 2),
      publicKey: spki,
      notBefore: '200101000000Z',
    });
    const parsed = new X509Certificate(certificateEmit(toSign, sign('sha256', toSign, privateKey)));
    t.equal(parsed.subject, `CN=${name}`);
    t.equal(parsed.issuer, parsed.subject);
    t.equal(parsed.serialNumber, '450102');
    t.equal(parsed.subjectAltName, `DNS:${name}`);
    t.match(parsed.validTo, /Dec 31 23:59:59 9999/);
    t.ok(parsed.verify(publicKey));
    t.ok(parsed.checkPrivateKey(privateKey));
  }
});
