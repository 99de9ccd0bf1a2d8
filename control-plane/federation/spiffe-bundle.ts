import { isRecord, parseJsonObject } from "../../mesh/policy/request-authentication/encoded-json.ts";
import { parseForeignRoot, uniqueRoots } from "./foreign-root.ts";

/** The authorities of a trust domain, as it publishes them. */
export interface SpiffeBundle {
  /** PEM, one certificate each; at least one. */
  readonly roots: readonly string[];
  /** Grows with each change; absent: the publisher does not count. */
  readonly sequence?: number;
  /** When the publisher expects its readers back. */
  readonly refreshMs: number;
}

export type ReadBundle =
  | { readonly kind: "bundle"; readonly bundle: SpiffeBundle }
  | { readonly kind: "refused"; readonly reason: string };

/** Entries of a bundle, of all kinds; those of tokens come on top. */
const MAX_KEYS = 100;
/** Section 4.1.1. Beyond 2^53 two numbers may be read as the same one, which is not older. */
const MAX_SEQUENCE = 2 ** 64;
/** SPIFFE Federation, section 4.1: for a bundle without a hint. */
const DEFAULT_REFRESH_MS = 5 * 60_000;
/** As SPIRE's shortest interval. The longest bounds how late a root that its owner has withdrawn is still trusted. */
const REFRESH_MS = { min: 60_000, max: 60 * 60_000 };

/**
 * Parses a SPIFFE bundle (SPIFFE Trust Domain and Bundle, section 4): a JWK Set whose keys for `x509-svid` have one
 * certificate each (X509-SVID, section 6.2). Other keys are left out. A bundle without a root, or with one that cannot
 * be used, is refused whole: part of it would end connections that its owner wants to go on.
 */
export function parseSpiffeBundle(text: string): ReadBundle {
  const document = parseJsonObject(text);
  const keys: unknown = document?.["keys"];
  if (document === undefined || !Array.isArray(keys)) return refused("it is not a JSON Web Key Set");
  if (keys.length > MAX_KEYS) return refused(`it has ${keys.length} keys; at most ${MAX_KEYS} are read`);
  const sequence: unknown = document["spiffe_sequence"];
  if (sequence !== undefined && !(isCount(sequence) && sequence < MAX_SEQUENCE)) {
    return refused("its spiffe_sequence is not a whole number of 64 bits");
  }
  try {
    const roots = uniqueRoots(keys.flatMap(parseKey));
    if (roots.length === 0) {
      const fix = "to end the trust in a domain, take it out of caCertificates";
      return refused(`it is empty: it has no key with the use x509-svid; ${fix}`);
    }
    const refreshMs = refreshOf(document["spiffe_refresh_hint"]);
    return { kind: "bundle", bundle: { roots, refreshMs, ...(sequence !== undefined && { sequence }) } };
  } catch (caught) {
    return refused(caught instanceof Error ? caught.message : String(caught));
  }
}

/** Keys of unknown types and uses are ignored (section 4.1.3). */
function parseKey(key: unknown, index: number) {
  if (!isRecord(key) || key["use"] !== "x509-svid") return [];
  const { kty, x5c } = key;
  if (kty !== "RSA" && kty !== "EC") return [];
  const what = `the certificate of key ${index + 1}`;
  const [encoded]: readonly unknown[] = Array.isArray(x5c) && x5c.length === 1 ? x5c : [];
  if (typeof encoded !== "string") throw new Error(`key ${index + 1} has no x5c with exactly one certificate`);
  const der = Buffer.from(encoded, "base64");
  if (der.toString("base64") !== encoded) throw new Error(`${what} is not base64`);
  return [parseForeignRoot(der, what)];
}

/** A hint that makes no sense counts as none. @param hint in seconds */
function refreshOf(hint: unknown): number {
  if (!isCount(hint) || hint === 0) return DEFAULT_REFRESH_MS;
  return Math.min(REFRESH_MS.max, Math.max(REFRESH_MS.min, hint * 1000));
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}

function refused(reason: string): ReadBundle {
  return { kind: "refused", reason };
}
