/** For tests: signing requests, valid and invalid. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import {
  type DerValue,
  formatBitString,
  formatBoolean,
  formatDer,
  formatExplicit,
  formatImplicit,
  formatInteger,
  formatOctetString,
  formatOid,
  formatSequence,
  formatSet,
  parseDer,
} from "./der-values.ts";
import { formatPem } from "./pem.ts";
import { formatPublicKey } from "./public-key.ts";
import { formatSignatureAlgorithm } from "./signature-algorithm.ts";

export interface RequestOptions {
  /** The signing key; its public half is in the request unless `spki` is set. @default a P-256 key */
  readonly key?: KeyObject;
  readonly spki?: Buffer;
  readonly algorithm?: DerValue;
  /** @default sha256 */
  readonly hash?: string;
  /** @default 0 */
  readonly version?: number;
  /** @default none */
  readonly attributes?: readonly DerValue[];
  /** Follows the attributes. @default nothing */
  readonly rest?: readonly DerValue[];
}

/** The signing key of `createRequest`. */
export const REQUEST_KEY = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

export function createRequest(options: RequestOptions = {}): string {
  const key = options.key ?? REQUEST_KEY;
  const info = formatSequence([
    formatInteger(Uint8Array.of(options.version ?? 0)),
    formatSequence([]),
    parseDer(options.spki ?? formatPublicKey(key)),
    formatExplicit(0, options.attributes ?? []),
    ...(options.rest ?? []),
  ]);
  return signRequest(formatDer(info), key, options);
}

/** The attribute with which a request asks for a URI as its name (RFC 2985, section 5.4.2). */
export function requestForName(uri: string): DerValue {
  const names = formatOctetString(formatDer(formatSequence([formatImplicit(6, Buffer.from(uri))])));
  const extension = formatSequence([formatOid("2.5.29.17"), formatBoolean(true), names]);
  return formatSequence([formatOid("1.2.840.113549.1.9.14"), formatSet([formatSequence([extension])])]);
}

/** A request around a signed part, whatever that contains; the signature is the key's. */
export function signRequest(
  info: Uint8Array,
  key: KeyObject,
  { hash = "sha256", algorithm }: Pick<RequestOptions, "hash" | "algorithm"> = {},
): string {
  const signature = formatDer(formatBitString(sign(hash, info, key)));
  const content = Buffer.concat([info, formatDer(algorithm ?? formatSignatureAlgorithm(key)), signature]);
  return formatPem("CERTIFICATE REQUEST", Buffer.concat([header(content.length), content]));
}

/** Tag and length of a SEQUENCE of 128 to 65,535 bytes. */
function header(length: number): Buffer {
  return length < 0x100 ? Buffer.from([0x30, 0x81, length]) : Buffer.from([0x30, 0x82, length >> 8, length & 0xff]);
}

/** The bytes of a PEM block. */
export function derOf(pem: string): Buffer {
  return Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ""), "base64");
}
