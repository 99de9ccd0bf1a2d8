import { createHash } from "node:crypto";
import { IdentityError } from "./identity-error.ts";
import type { SpiffeId } from "./spiffe-id.ts";

/**
 * Stands for a pod in the serial numbers of its certificates: 64 bits of a hash, hexadecimal in upper case. A pod cannot
 * choose it, so no two pods share one but by chance. Only this file creates it.
 */
export type PodTag = string & { readonly __brand: "PodTag" };

/** `pod` in ASCII: positive, and no leading zero (RFC 5280, section 4.1.2.2). */
const MARKER = Buffer.from("pod");
const TAG_BYTES = 8;
const TAG = /^[0-9A-F]{16}$/;
const TAGGED_SERIAL = /^706F64([0-9A-F]{16})[0-9A-F]{18}$/;

/** The longest serial number (RFC 5280, section 4.1.2.2). 72 bits after the tag are random. */
export const TAGGED_SERIAL_BYTES = 20;

/** The tag of a pod that an API server has given a uid. */
export function tagOfPodUid(uid: string): PodTag {
  return hashTag("entente pod uid", uid);
}

/** The tag of a pod that has only a name, which a later pod may have again. */
export function tagOfPodName({ namespace, name }: { readonly namespace: string; readonly name: string }): PodTag {
  return hashTag("entente pod name", `${namespace}/${name}`);
}

/**
 * The tag of a caller that has no pod: all of an identity share it. A new one for each certificate would make the caller another
 * one for every limit.
 */
export function tagOfIdentity(identity: SpiffeId): PodTag {
  return hashTag("entente identity", identity);
}

function hashTag(domain: string, text: string): PodTag {
  const hash = createHash("sha256").update(`${domain}\0${text}`).digest();
  return hash.subarray(0, TAG_BYTES).toString("hex").toUpperCase() as PodTag;
}

/** Parses a tag that another process has sent. Throws an IdentityError. */
export function parsePodTag(text: string): PodTag {
  if (TAG.test(text)) return text as PodTag;
  throw new IdentityError("pod_tag", `${JSON.stringify(text.slice(0, 40))} is not the tag of a pod`);
}

/**
 * The tag in a serial number; `undefined` for one of another form, as earlier versions and other authorities give them.
 * @param serialNumber as by `normalizeSerialNumber`
 */
export function readPodTag(serialNumber: string): PodTag | undefined {
  const tag = TAGGED_SERIAL.exec(serialNumber)?.[1];
  return tag === undefined ? undefined : parsePodTag(tag);
}

/**
 * A serial number with this tag; without one, the tag is random, and the certificates that are renewed by one another
 * share it.
 * @param random `TAGGED_SERIAL_BYTES` octets
 */
export function formatTaggedSerial(random: Uint8Array, tag?: PodTag): Uint8Array<ArrayBuffer> {
  const octets = Uint8Array.from(random);
  octets.set(MARKER);
  if (tag !== undefined) octets.set(Buffer.from(tag, "hex"), MARKER.length);
  return octets;
}
