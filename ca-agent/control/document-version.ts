import type { Fields } from "./strict-json.ts";

/**
 * The versions of the stored documents that this program writes. Documents of version 1 do not name it. A later version writes
 * `version`, its own, and `minReaderVersion`: the earliest one that can follow the document when it ignores the fields that it
 * does not know. A change that adds a field increments this number, and sets `minReaderVersion` to 1 only if ignoring the field
 * is safe.
 */
export const DOCUMENT_VERSIONS = {
  /**
   * What is asked of the authority. Version 2 added `revisions`. Version 1 can follow it without them: it obeys what is stored,
   * as it always did. It never writes over it, so that no replica of an earlier version drops them.
   */
  control: { version: 2, minReaderVersion: 1 },
  /** The state of a rotation. */
  rotation: { version: 1, minReaderVersion: 1 },
} as const;

/** One of the stored documents. */
export type DocumentKind = keyof typeof DOCUMENT_VERSIONS;

/** The fields of every document that name its version. */
export const VERSION_FIELDS = ["version", "minReaderVersion"] as const;

/** A document is too new to be followed: the message says by how much, and what to do. */
export class LaterVersionError extends Error {}

/**
 * Compares a document's version with this program's. Throws a LaterVersionError if the document is too new to be followed.
 * @returns the document's version if it is a later one, which is followed and never overwritten; undefined: it is ours
 */
export function readLaterVersion(kind: DocumentKind, fields: Fields, what: string): number | undefined {
  const ours = DOCUMENT_VERSIONS[kind].version;
  const version = readVersion(fields, "version", what) ?? 1;
  const minReaderVersion = readVersion(fields, "minReaderVersion", what) ?? version;
  if (minReaderVersion > version) throw new Error(`${what} has a minReaderVersion above its version`);
  if (version <= ours) return undefined;
  if (minReaderVersion <= ours) return version;
  throw new LaterVersionError(
    `${what} was written by a later version: it has version ${version}, for readers from ${minReaderVersion} on, and this ` +
      `program reads ${ours}: upgrade it`,
  );
}

/** Why a document is not overwritten. */
export function describeLater(kind: DocumentKind, version: number): string {
  return (
    `it has version ${version}, and this program writes ${DOCUMENT_VERSIONS[kind].version}: what it does not know would be lost. Upgrade it, or ` +
    "use the later version for changes"
  );
}

function readVersion(fields: Fields, name: (typeof VERSION_FIELDS)[number], what: string): number | undefined {
  if (!Object.hasOwn(fields, name)) return undefined;
  const value = fields[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1) return value;
  throw new Error(`${what}: ${name} must be a whole number from 1 on`);
}
