import { createHash, generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
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

/** `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 3650 -subj /CN=… -addext subjectAltName=DNS:…`, OpenSSL 3.0.19. */
const opensslPem = `-----BEGIN CERTIFICATE-----
MIIBpTCCAUugAwIBAgIUFyVhpYhn9jFb6zbp+q+/PqSNs24wCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPaHViLmV4YW1wbGUubmV0MB4XDTI2MTEyOTE2NDAxOVoXDTM2
MTEyNjE2NDAxOVowGjEYMBYGA1UEAwwPaHViLmV4YW1wbGUubmV0MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEUjLfIH/zTgEbsGEiT4KiqrnS4P0XLsREHjoDLMvV
EEkUeI3efqw6OGrH6yvA0/H0aNZXr1T3/LqgDP/v4isLrKNvMG0wHQYDVR0OBBYE
FDQqS3xxrJ2Zlevuc0WJSFGFikk5MB8GA1UdIwQYMBaAFDQqS3xxrJ2Zlevuc0WJ
SFGFikk5MA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMwEYIPaHViLmV4YW1wbGUu
bmV0MAoGCCqGSM49BAMCA0gAMEUCIQDoLjZaBOtGAXwfO8jfe1wBrJqZyolA89Oy
1Gv4uJtdGgIgZ4Z3teYj2N4Km23c1HeS9Uo10cOfx2Ohbjz7R4GcQ50=
-----END CERTIFICATE-----`;

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
      keyIdentifier: new Uint8Array(20),
      notBeforeS: Date.UTC(2026, 0, 2, 3, 4, 5) / 1000,
      notAfterS: Date.UTC(2050, 0, 1) / 1000,
    });
    const parsed = new X509Certificate(certificateEmit(toSign, sign('sha256', toSign, privateKey)));
    t.equal(parsed.subject, `CN=${name}`);
    t.equal(parsed.issuer, parsed.subject);
    t.equal(parsed.serialNumber, '450102');
    t.equal(parsed.subjectAltName, `DNS:${name}`);
    t.match(parsed.validFrom, /Jan {2}2 03:04:05 2026/);
    t.match(parsed.validTo, /Jan {2}1 00:00:00 2050/);
    t.ok(parsed.verify(publicKey));
    t.ok(parsed.checkPrivateKey(privateKey));
  }
});

t.test('certificateEmit() makes what openssl makes, to the byte', async (t) => {
  const theirs = new X509Certificate(opensslPem);
  const publicKey = theirs.publicKey.export({ type: 'spki', format: 'der' });
  const secondsOf = (date: string): number => Date.parse(date) / 1000;
  const toSign = certificateToSign({
    name: 'hub.example.net',
    serial: Buffer.from(theirs.serialNumber, 'hex'),
    publicKey,
    keyIdentifier: createHash('sha1').update(publicKey.subarray(-65)).digest(),
    notBeforeS: secondsOf(theirs.validFrom),
    notAfterS: secondsOf(theirs.validTo),
  });
  const { raw } = theirs;
  // The last part: SEQUENCE of two INTEGERs, in a BIT STRING.
  const signature = raw.subarray(raw.lastIndexOf(Uint8Array.of(0x03, 0x48, 0x00, 0x30)) + 3);
  t.equal(Buffer.from(certificateEmit(toSign, signature)).toString('hex'), raw.toString('hex'));
});
