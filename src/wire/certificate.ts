/**
 * A certificate that its own key signs (X.509 version 3, RFC 5280), in DER: subject and issuer are one common name, which is an alternative
 * name too; ECDSA with SHA-256 (RFC 5758). Pure: whoever wants one brings the keys and signs.
 *
 * ```
 * Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING }
 * TBSCertificate ::= SEQUENCE { [0] version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, [3] extensions }
 * ```
 */
const tag = {
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
// 1.2.840.10045.4.3.2 ecdsa-with-SHA256, 2.5.4.3 commonName, 2.5.29.17 subjectAltName
const ecdsaWithSha256 = Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
const commonName = Uint8Array.of(0x55, 0x04, 0x03);
const subjectAltName = Uint8Array.of(0x55, 0x1d, 0x11);

export interface CertificateFields {
  /** ASCII. */
  readonly name: string;
  /** Positive, 20 bytes at most (RFC 5280 section 4.1.2.2); the first bit is 0. */
  readonly serial: Uint8Array;
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
  /** `YYMMDDHHMMSSZ`. */
  readonly notBefore: string;
}

/** What is signed. Without an end: RFC 5280 section 4.1.2.5. */
export function certificateToSign({ name, serial, publicKey, notBefore }: CertificateFields): Uint8Array {
  const named = sequence(der(tag.set, sequence(der(tag.oid, commonName), der(tag.utf8, ascii(name)))));
  const validity = sequence(der(tag.utcTime, ascii(notBefore)), der(tag.generalizedTime, ascii('99991231235959Z')));
  const alternative = sequence(der(tag.oid, subjectAltName), der(tag.octetString, sequence(der(dnsName, ascii(name)))));
  return sequence(
    der(explicit0, der(tag.integer, Uint8Array.of(version3))),
    der(tag.integer, serial),
    algorithm(),
    named,
    validity,
    named,
    publicKey,
    der(explicit3, sequence(alternative)),
  );
}

/** The whole of it. `signature`: ECDSA-Sig-Value in DER. */
export function certificateEmit(toSign: Uint8Array, signature: Uint8Array): Uint8Array {
  return sequence(toSign, algorithm(), der(tag.bitString, Uint8Array.of(0), signature));
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
