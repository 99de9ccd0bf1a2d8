import { createPrivateKey, X509Certificate } from "node:crypto";
import { splitCertificates, splitWholeCertificates } from "../../../mesh/identity/pem-certificates.ts";
import { MeshError } from "../../../mesh/mesh-error.ts";
import {
  type AuthorityFiles,
  type FileTexts,
  ISTIO_FORM,
  type RotationMark,
  selectAuthorityFiles,
} from "../../authority/authority-files.ts";
import type { RootPair } from "../../authority/self-signed-root.ts";
import { CaError } from "../../ca-error.ts";
import { LaterVersionError } from "../../control/document-version.ts";
import { fingerprintOf, leavesOf, type RotationState } from "../rotation-state.ts";
import { NAMES, OWN_FILE_NAMES, ROTATION_FILE_NAMES } from "./own-file-names.ts";
import { parseRotationRecord, type RotationRecord } from "./rotation-record.ts";

/** The content of the Secret or directory of the mesh's own authority. */
export type OwnAuthority =
  | {
      readonly kind: "root";
      readonly state: RotationState;
      /** As `RotationRecord`. */
      readonly laterVersion?: number;
    }
  /** An operator has put an authority there that is not a root: it is replaced by editing it. */
  | { readonly kind: "not_a_root" };

/**
 * Reads the state of a rotation. Files of two states, half of a state, or a root that another program has replaced are a
 * CaError that names the file: no state is guessed.
 */
export function parseOwnAuthority(found: FileTexts): OwnAuthority {
  const recordText = found.texts.get(NAMES.record);
  if (recordText !== undefined) {
    const record = parseRecord(found, recordText);
    const { laterVersion } = record;
    return { kind: "root", state: parseRecorded(found, record), ...(laterVersion !== undefined && { laterVersion }) };
  }
  const stray = ROTATION_FILE_NAMES.find((name) => found.texts.has(name));
  if (stray !== undefined) throw damaged(found, `${found.locate(stray)} exists, but ${NAMES.record} is missing`);
  return parseUnrecorded(found);
}

/** The files that sign, with what the state tells a running authority; undefined if there are none. */
export function readOwnAuthority(found: FileTexts): AuthorityFiles | undefined {
  const files = selectAuthorityFiles(found);
  if (files === undefined) return undefined;
  const own = parseOwnAuthority(found);
  return own.kind === "root" ? { ...files, rotation: markOf(own.state) } : files;
}

function markOf(state: RotationState): RotationMark {
  const { revision, dropped } = state;
  return { revision, leavesOf: leavesOf(state), dropped };
}

/** An authority that has never been rotated: of this version, an earlier one, Istio, or an operator. */
function parseUnrecorded(found: FileTexts): OwnAuthority {
  const files = selectAuthorityFiles(found);
  if (files === undefined) throw damaged(found, "it contains no authority");
  const [certificatePem] = splitCertificates(files.certificatePem);
  if (certificatePem === undefined || !isOwnRoot(certificatePem)) return { kind: "not_a_root" };
  const roots = splitRoots(found, files.rootsPem ?? certificatePem);
  const current = { certificatePem, keyPem: files.keyPem };
  const others = without(roots, [certificatePem]);
  const base = { revision: 0, requestId: undefined, dropped: [] };
  return { kind: "root", state: { kind: "steady", ...base, current, others, last: undefined } };
}

function parseRecorded(found: FileTexts, record: RotationRecord): RotationState {
  const { revision, requestId, dropped } = record;
  const base = { revision, requestId, dropped };
  const current = readPair(found, { ...ISTIO_FORM, fingerprint: record.current });
  const roots = splitRoots(found, read(found, ISTIO_FORM.roots));
  const trusted = (pem: string): string => requireTrusted(found, roots, fingerprintOf(pem));
  trusted(current.certificatePem);
  refuseStrays(found, record.kind);
  const others = (...slots: readonly string[]): readonly string[] => without(roots, [current.certificatePem, ...slots]);
  switch (record.kind) {
    case "steady":
      return { ...base, kind: "steady", current, others: others(), last: record.last };
    case "published": {
      const { kind, cause, sinceMs, countedMs } = record;
      const names = { certificate: NAMES.nextCertificate, key: NAMES.nextKey, fingerprint: record.next };
      const next = readPair(found, names);
      return { ...base, kind, current, next, others: others(trusted(next.certificatePem)), cause, sinceMs, countedMs };
    }
    case "signing": {
      const { kind, cause, sinceMs, countedMs, isFollowed, leavesEndMs } = record;
      const names = { certificate: NAMES.previousCertificate, key: NAMES.previousKey, fingerprint: record.previous };
      const previous = readPair(found, names);
      const times = { cause, sinceMs, countedMs, isFollowed, leavesEndMs };
      const crossSignedPem = readCrossSigned(found);
      const rest = others(trusted(previous.certificatePem));
      return { ...base, kind, current, previous, crossSignedPem, others: rest, ...times };
    }
    case "withdrawing": {
      const { kind, cause, reason, sinceMs, countedMs, isFollowed, leavesEndMs } = record;
      const leavingPem = requireTrusted(found, roots, record.leaving);
      const times = { cause, reason, sinceMs, countedMs, isFollowed, leavesEndMs };
      return { ...base, kind, current, leavingPem, others: others(leavingPem), ...times };
    }
  }
}

function parseRecord(found: FileTexts, text: string): RotationRecord {
  try {
    return parseRotationRecord(text);
  } catch (caught) {
    if (caught instanceof LaterVersionError) {
      throw new CaError("authority_version", `${found.locate(NAMES.record)}: ${caught.message}`, { cause: caught });
    }
    throw damaged(found, `${found.locate(NAMES.record)} cannot be read: ${messageOf(caught)}`, caught);
  }
}

interface PairNames {
  readonly certificate: string;
  readonly key: string;
  readonly fingerprint: string;
}

/** A certificate that the record names, and its key. */
function readPair(found: FileTexts, { certificate, key, fingerprint }: PairNames): RootPair {
  const [certificatePem = ""] = splitCertificates(read(found, certificate));
  const keyPem = read(found, key);
  try {
    const parsed = new X509Certificate(certificatePem);
    if (parsed.fingerprint256 !== fingerprint) {
      throw damaged(found, `${found.locate(certificate)} is not the root ${fingerprint} of ${NAMES.record}`);
    }
    if (!parsed.checkPrivateKey(createPrivateKey(keyPem))) {
      throw damaged(found, `${found.locate(key)} is not the key of ${certificate}`);
    }
  } catch (caught) {
    if (caught instanceof CaError) throw caught;
    throw damaged(found, `${found.locate(certificate)} or its key cannot be read`, caught);
  }
  return { certificatePem, keyPem };
}

function read(found: FileTexts, name: string): string {
  const text = found.texts.get(name);
  if (text === undefined || text.trim() === "") throw damaged(found, `${found.locate(name)} is missing or empty`);
  return text;
}

function splitRoots(found: FileTexts, text: string): readonly string[] {
  try {
    return splitWholeCertificates(text);
  } catch (caught) {
    const message = caught instanceof Error ? caught.message : String(caught);
    throw damaged(found, `${found.locate(ISTIO_FORM.roots)} cannot be read: ${message}`, caught);
  }
}

/** A file of another phase shows that two states were mixed. */
function refuseStrays(found: FileTexts, kind: RotationState["kind"]): void {
  const allowed: readonly string[] = {
    steady: [NAMES.record],
    withdrawing: [NAMES.record],
    published: [NAMES.record, NAMES.nextCertificate, NAMES.nextKey],
    signing: [NAMES.record, NAMES.previousCertificate, NAMES.previousKey],
  }[kind];
  const known = [...Object.values(ISTIO_FORM), ...allowed];
  const stray = OWN_FILE_NAMES.find((name) => found.texts.has(name) && !known.includes(name));
  if (stray !== undefined) throw damaged(found, `${found.locate(stray)} does not belong to the phase "${kind}"`);
}

/** The trusted root with this fingerprint. */
function requireTrusted(found: FileTexts, roots: readonly string[], fingerprint: string): string {
  const root = roots.find((pem) => isReadable(pem) && fingerprintOf(pem) === fingerprint);
  if (root === undefined) throw damaged(found, `${found.locate(ISTIO_FORM.roots)} does not contain ${fingerprint}`);
  return root;
}

function readCrossSigned(found: FileTexts): string | undefined {
  const [crossSigned, ...rest] = splitCertificates(found.texts.get(ISTIO_FORM.chain) ?? "");
  if (rest.length > 0)
    throw damaged(found, `${found.locate(ISTIO_FORM.chain)} contains more than the cross certificate`);
  return crossSigned;
}

function without(roots: readonly string[], slots: readonly string[]): readonly string[] {
  const known = new Set(slots.map(fingerprintOf));
  return roots.filter((pem) => !isReadable(pem) || !known.has(fingerprintOf(pem)));
}

/** Unreadable certificates are refused where the authority is parsed, by name. */
function isReadable(pem: string): boolean {
  try {
    return new X509Certificate(pem) !== undefined;
  } catch {
    return false;
  }
}

/** Whether a certificate is signed by its own key. */
function isOwnRoot(pem: string): boolean {
  try {
    const certificate = new X509Certificate(pem);
    return certificate.ca && certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
  } catch {
    return false;
  }
}

function damaged({ from }: FileTexts, what: string, cause?: unknown): CaError {
  const fix = `restore all of it from one backup; to replace the root by hand, remove ${ROTATION_FILE_NAMES.join(", ")}`;
  return new CaError("authority_files", `${from} is not one state of a rotation: ${what}; ${fix}`, {
    ...(cause !== undefined && { cause }),
  });
}

function messageOf(caught: unknown): string {
  return MeshError.from(caught).message;
}
