/**
 * A certificate that its own key signs (X.509 version 3, RFC 5280), in DER: subject and issuer are one common name, which is an alternative
 * name too; ECDSA with SHA-256 (RFC 5758). Bit for bit what `openssl req -x509 -addext subjectAltName=DNS:NAME` makes, so that it does not say
 * who made it. Pure: whoever wants one brings the keys and signs.
 *
 * ```
 * Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING }
 * TBSCertificate ::= SEQUENCE { [0] version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, [3] extensions }
 * ```
 */
const tag = {
  boolean: 1,
  integer: 2,
  bitString: 3,
  octetString: 4,
  oid: 6,
  utf8: 12,
  utcTime: 23,
  generalizedTime: 24,
  sequence: 0x30,
  set: 0x31,
};
const explicit0 = 0xa0;
const explicit3 = 0xa3;
/** dNSName in GeneralName. */
const dnsName = 0x82;
const version3 = 2;
// 1.2.840.10045.4.3.2 ecdsa-with-SHA256, 2.5.4.3 commonName, 2.5.29 certificate extensions
const ecdsaWithSha256 = Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
const commonName = Uint8Array.of(0x55, 0x04, 0x03);
const subjectKeyIdentifier = Uint8Array.of(0x55, 0x1d, 14);
const subjectAltName = Uint8Array.of(0x55, 0x1d, 17);
const basicConstraints = Uint8Array.of(0x55, 0x1d, 19);
const authorityKeyIdentifier = Uint8Array.of(0x55, 0x1d, 35);
/** [0] keyIdentifier in AuthorityKeyIdentifier. */
const keyIdentifier0 = 0x80;
const yes = Uint8Array.of(0xff);

export interface CertificateFields {
  /** ASCII. */
  readonly name: string;
  /** Positive, 20 bytes at most (RFC 5280 section 4.1.2.2); the first bit is 0, the first byte is not. */
  readonly serial: Uint8Array;
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
  /** Of the public key: SHA-1 of the bits of subjectPublicKey (RFC 5280 section 4.2.1.2). */
  readonly keyIdentifier: Uint8Array;
  /** Seconds since 1970. */
  readonly notBeforeS: number;
  readonly notAfterS: number;
}

/** What is signed. */
export function certificateToSign(fields: CertificateFields): Uint8Array {
  const { name, serial, publicKey, keyIdentifier, notBeforeS, notAfterS } = fields;
  const named = sequence(der(tag.set, sequence(der(tag.oid, commonName), der(tag.utf8, ascii(name)))));
  return sequence(
    der(explicit0, der(tag.integer, Uint8Array.of(version3))),
    der(tag.integer, serial),
    algorithm(),
    named,
    sequence(time(notBeforeS), time(notAfterS)),
    named,
    publicKey,
    der(
      explicit3,
      sequence(
        extension(subjectKeyIdentifier, der(tag.octetString, keyIdentifier)),
        extension(authorityKeyIdentifier, sequence(der(keyIdentifier0, keyIdentifier))),
        extension(basicConstraints, sequence(der(tag.boolean, yes)), der(tag.boolean, yes)),
        extension(subjectAltName, sequence(der(dnsName, ascii(name)))),
      ),
    ),
  );
}

/** The whole of it. `signature`: ECDSA-Sig-Value in DER. */
export function certificateEmit(toSign: Uint8Array, signature: Uint8Array): Uint8Array {
  return sequence(toSign, algorithm(), der(tag.bitString, Uint8Array.of(0), signature));
}

/** `critical`: a BOOLEAN, for those that are. */
function extension(id: Uint8Array, value: Uint8Array, critical: Uint8Array = new Uint8Array(0)): Uint8Array {
  return sequence(der(tag.oid, id), critical, der(tag.octetString, value));
}

/** RFC 5280 section 4.1.2.5: two digits of the year up to 2049, four from then on. */
function time(unixS: number): Uint8Array {
  const digits = `${new Date(unixS * 1000).toISOString().replace(/\D/g, '').slice(0, 14)}Z`;
  return digits < '2050' ? der(tag.utcTime, ascii(digits.slice(2))) : der(tag.generalizedTime, ascii(digits));
}

function algorithm(): Uint8Array {
  return sequence(der(tag.oid, ecdsaWithSha256));
}

function sequence(...parts: Uint8Array[]): Uint8Array {
  return der(tag.sequence, ...parts);
}

/** Tag, length (X.690 section 8.1.3), contents. */
function der(kind: number, ...parts: Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head =
    length < 128 ? [kind, length] : length < 256 ? [kind, 0x81, length] : [kind, 0x82, length >> 8, length & 0xff];
  const whole = new Uint8Array(head.length + length);
  whole.set(head);
  let at = head.length;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
