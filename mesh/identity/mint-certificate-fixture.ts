/**
 * Creates valid and invalid certificates for tests and for the demo's attackers. Nothing that runs in a mesh may import
 * this file: it signs anything.
 */
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { DER_TAG, DerReader } from "./der-reader.ts";
import { formatDer, formatInteger, formatOid, formatSequence, formatTime } from "./der-writer.ts";
import { EXTENSION_OID, readExtensions } from "./x509-extensions.ts";

/** A certificate with its private key (EC P-256 unless another is given). */
export interface MintedCertificate {
  readonly pem: string;
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
  /** PKCS#8. */
  readonly keyPem: string;
}

/** An extension that is added unchanged; `der` is the content of its octet string. */
export interface RawExtension {
  readonly oid: string;
  readonly critical: boolean;
  readonly der: Uint8Array;
}

export interface MintRootOptions {
  /** @default "test root" */
  readonly commonName?: string;
  /** A name in DER instead of the common name. */
  readonly subject?: Buffer;
  /** @default 2020-01-01 */
  readonly notBefore?: Date;
  /** A time in DER need not be one. @default 2045-01-01 */
  readonly notAfter?: Date | Buffer;
  readonly key?: KeyObject;
  /** @default SHA-1 of the key; "none": neither its own nor its issuer's */
  readonly keyIdentifier?: Buffer | "none";
  /**
   * Issues an intermediate CA certificate (or, with the `key` of another root, a cross certificate) instead of a root.
   */
  readonly issuer?: MintedCertificate;
  /** In DER. @default as the issuer spells it */
  readonly issuerName?: Buffer;
  /** @default none */
  readonly pathLength?: number;
  /** @default true; false creates a certificate without the CA flag */
  readonly ca?: boolean;
  readonly extensions?: readonly RawExtension[];
  /** Positive, big-endian. @default random */
  readonly serialNumber?: Uint8Array;
}

export interface MintLeafOptions {
  readonly issuer: MintedCertificate;
  /** In DER. @default as the issuer spells it */
  readonly issuerName?: Buffer;
  /** "none": without that of its issuer. @default the issuer's */
  readonly keyIdentifier?: "none";
  /** Written unchanged, valid or not. */
  readonly uriSans: readonly string[];
  readonly dnsSans?: readonly string[];
  /** A time in DER need not be one. */
  readonly notBefore: Date | Buffer;
  readonly notAfter: Date;
  readonly key?: KeyObject;
  /** The BIT STRING of the key usage; "none": no such extension. @default digitalSignature, keyEncipherment */
  readonly keyUsage?: Buffer | "none";
  /** @default ["server", "client"]; empty: no such extension */
  readonly usages?: readonly ("server" | "client")[];
  /** Added after the others, duplicates included. */
  readonly extensions?: readonly RawExtension[];
  /** Positive, big-endian. @default random */
  readonly serialNumber?: Uint8Array;
}

const SIGNATURE_ALGORITHM = { ec: "1.2.840.10045.4.3.2", rsa: "1.2.840.113549.1.1.11" } as const;
const USAGE_OID = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const;
const TRUE = formatDer(0x01, Buffer.from([0xff]));

/** A self-signed root, or, with `issuer`, an intermediate CA certificate. */
export function mintRoot(options: MintRootOptions = {}): MintedCertificate {
  const key = options.key ?? mintKey();
  const identifier = options.keyIdentifier === "none" ? undefined : (options.keyIdentifier ?? keyIdentifier(key));
  const limit = options.pathLength === undefined ? [] : [formatInteger(Buffer.from([options.pathLength]))];
  const extensions: RawExtension[] = [...(options.extensions ?? [])];
  if (identifier !== undefined) {
    extensions.unshift({
      oid: EXTENSION_OID.subjectKeyIdentifier,
      critical: false,
      der: formatDer(DER_TAG.octetString, identifier),
    });
  }
  if (options.ca ?? true) {
    extensions.push(
      { oid: EXTENSION_OID.basicConstraints, critical: true, der: formatSequence(TRUE, ...limit) },
      { oid: EXTENSION_OID.keyUsage, critical: true, der: Buffer.from([0x03, 0x02, 0x01, 0x06]) },
    );
  }
  return mint({
    key,
    issuer: options.issuer,
    issuerName: options.issuerName,
    ownIdentifier: identifier ?? "none",
    subject: options.subject ?? formatName(options.commonName ?? "test root"),
    notBefore: options.notBefore ?? new Date("2020-01-01T00:00:00Z"),
    notAfter: options.notAfter ?? new Date("2045-01-01T00:00:00Z"),
    serialNumber: options.serialNumber,
    extensions,
  });
}

/** A workload certificate, or an imitation: empty subject, names only in the SAN extension. */
export function mintLeaf(options: MintLeafOptions): MintedCertificate {
  const usages = options.usages ?? ["server", "client"];
  const names = [
    ...options.uriSans.map((uri) => formatDer(0x86, Buffer.from(uri, "latin1"))),
    ...(options.dnsSans ?? []).map((name) => formatDer(0x82, Buffer.from(name, "latin1"))),
  ];
  const { keyUsage = Buffer.from([0x03, 0x02, 0x05, 0xa0]) } = options;
  const extensions: RawExtension[] = [
    ...(keyUsage === "none" ? [] : [{ oid: EXTENSION_OID.keyUsage, critical: true, der: keyUsage }]),
    { oid: EXTENSION_OID.basicConstraints, critical: true, der: formatSequence() },
  ];
  if (usages.length > 0) {
    const der = formatSequence(...usages.map((usage) => formatOid(USAGE_OID[usage])));
    extensions.push({ oid: EXTENSION_OID.extendedKeyUsage, critical: false, der });
  }
  if (names.length > 0) {
    extensions.push({ oid: EXTENSION_OID.subjectAltName, critical: true, der: formatSequence(...names) });
  }
  return mint({
    key: options.key ?? mintKey(),
    issuer: options.issuer,
    issuerName: options.issuerName,
    ownIdentifier: options.keyIdentifier,
    subject: formatSequence(),
    notBefore: options.notBefore,
    notAfter: options.notAfter,
    serialNumber: options.serialNumber,
    extensions: [...extensions, ...(options.extensions ?? [])],
  });
}

interface MintInput {
  readonly key: KeyObject;
  readonly issuer: MintedCertificate | undefined;
  readonly issuerName: Buffer | undefined;
  /** Of a certificate that signs itself; "none": no authority's is named. @default SHA-1 of the key */
  readonly ownIdentifier: Buffer | "none" | undefined;
  readonly subject: Buffer;
  readonly notBefore: Date | Buffer;
  readonly notAfter: Date | Buffer;
  readonly serialNumber: Uint8Array | undefined;
  readonly extensions: readonly RawExtension[];
}

function mint(input: MintInput): MintedCertificate {
  const signer = input.issuer?.key ?? input.key;
  const algorithm = signatureAlgorithm(signer);
  const authority =
    input.ownIdentifier === "none"
      ? []
      : [authorityKeyIdentifier(input.issuer, input.ownIdentifier ?? keyIdentifier(signer))];
  const signed = formatSequence(
    formatDer(0xa0, formatInteger(Buffer.from([2]))),
    formatInteger(Buffer.from(input.serialNumber ?? [0x40, ...randomBytes(15)])),
    algorithm,
    input.issuerName ?? (input.issuer === undefined ? input.subject : subjectOf(input.issuer)),
    formatSequence(
      ...[input.notBefore, input.notAfter].map((time) => (time instanceof Date ? formatTime(time) : time)),
    ),
    input.subject,
    createPublicKey(input.key).export({ type: "spki", format: "der" }),
    formatDer(0xa3, formatSequence(...[...authority, ...input.extensions].map(formatExtension))),
  );
  const signature = formatDer(0x03, Buffer.from([0]), sign("sha256", signed, signer));
  const certificate = new X509Certificate(formatSequence(signed, algorithm, signature));
  return {
    certificate,
    pem: certificate.toString(),
    key: input.key,
    keyPem: input.key.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function mintKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

function signatureAlgorithm(key: KeyObject): Buffer {
  return key.asymmetricKeyType === "rsa"
    ? formatSequence(formatOid(SIGNATURE_ALGORITHM.rsa), formatDer(0x05))
    : formatSequence(formatOid(SIGNATURE_ALGORITHM.ec));
}

function keyIdentifier(key: KeyObject): Buffer {
  return createHash("sha1")
    .update(createPublicKey(key).export({ type: "spki", format: "der" }))
    .digest();
}

/** The issuer's own key identifier if it has one: verifiers compare the two. */
function authorityKeyIdentifier(issuer: MintedCertificate | undefined, byDefault: Buffer): RawExtension {
  const extensions = issuer === undefined ? [] : readExtensions(issuer.certificate.raw);
  const stated = extensions.find(({ oid }) => oid === EXTENSION_OID.subjectKeyIdentifier)?.value;
  const identifier = stated === undefined ? byDefault : readOctetString(stated);
  const der = formatSequence(formatDer(0x80, identifier));
  return { oid: EXTENSION_OID.authorityKeyIdentifier, critical: false, der };
}

function readOctetString(der: Uint8Array): Buffer {
  const reader = new DerReader(der);
  return Buffer.from(reader.content(reader.expect(DER_TAG.octetString, "the subject key identifier")));
}

function formatName(commonName: string): Buffer {
  return formatSequence(
    formatDer(0x31, formatSequence(formatOid("2.5.4.3"), formatDer(0x0c, Buffer.from(commonName)))),
  );
}

/** Copied from the issuer's bytes, so that CA certificates from elsewhere can sign too. */
function subjectOf(issuer: MintedCertificate): Buffer {
  const whole = new DerReader(issuer.certificate.raw);
  const certificate = whole.inside(whole.expect(DER_TAG.sequence, "the issuer"));
  const signed = certificate.inside(certificate.expect(DER_TAG.sequence, "the issuer's signed part"));
  signed.optional(0xa0, "the version");
  for (const part of ["the serial number", "the algorithm", "the issuer's name", "the validity"]) signed.next(part);
  return formatDer(DER_TAG.sequence, signed.content(signed.expect(DER_TAG.sequence, "the subject")));
}

function formatExtension(extension: RawExtension): Buffer {
  const flag = extension.critical ? [TRUE] : [];
  return formatSequence(formatOid(extension.oid), ...flag, formatDer(0x04, extension.der));
}
