import { readLaterVersion, VERSION_FIELDS } from "../../control/document-version.ts";
import {
  type Fields,
  parseJson,
  readFields,
  readItems,
  readText,
  type UnknownFields,
} from "../../control/strict-json.ts";
import type { EndedRotation, RotationCause, RotationState } from "../rotation-state.ts";

/**
 * What is stored of a rotation beside the certificates and keys: `rotation.json`. Roots are named by fingerprint, so that
 * files of two states, or changed by another program, are noticed.
 */
export type RotationRecord = RecordBase &
  (
    | { readonly kind: "steady"; readonly last: EndedRotation | undefined }
    | ({ readonly kind: "published"; readonly next: string; readonly cause: RotationCause } & PhaseTimes)
    | (LeavingRecord & { readonly kind: "signing"; readonly previous: string })
    | (LeavingRecord & { readonly kind: "withdrawing"; readonly leaving: string; readonly reason: string })
  );

interface RecordBase {
  readonly revision: number;
  readonly requestId: string | undefined;
  /** The fingerprint of the root that signs. */
  readonly current: string;
  /** Of roots that have left the bundle, the newest first. */
  readonly dropped: readonly string[];
  /** Set: this later version has written the record. It is followed, and never overwritten. */
  readonly laterVersion?: number;
}

interface PhaseTimes {
  readonly sinceMs: number;
  readonly countedMs: number;
}

interface LeavingRecord extends PhaseTimes {
  readonly cause: RotationCause;
  readonly isFollowed: boolean;
  readonly leavesEndMs: number;
}

const MAX_CHARACTERS = 16_384;
const MAX_REASON = 1000;
const FINGERPRINT = /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/;
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const BASE = [...VERSION_FIELDS, "kind", "revision", "requestId", "current", "dropped"];
const PHASE = [...BASE, "cause", "since", "countedMs"];
const FIELDS: Readonly<Record<RotationState["kind"], readonly string[]>> = {
  steady: [...BASE, "last"],
  published: [...PHASE, "next"],
  signing: [...PHASE, "previous", "followed", "leavesEndMs"],
  withdrawing: [...PHASE, "leaving", "reason", "followed", "leavesEndMs"],
};
const LAST_FIELDS = ["cause", "outcome", "reason", "at"];

/** Throws a plain Error that names the field: a record that is not understood must not become another state. */
export function parseRotationRecord(text: string): RotationRecord {
  if (text.length > MAX_CHARACTERS) throw new Error(`it has ${text.length} characters, the limit is ${MAX_CHARACTERS}`);
  const value = parseJson(text, "it");
  const laterVersion = readLaterVersion("rotation", readFields(value, "it", [], "ignored"), "it");
  const unknown = laterVersion === undefined ? "refused" : "ignored";
  const kind = readKind(value);
  const fields = readFields(value, "it", FIELDS[kind], unknown);
  const base = {
    revision: readRevision(fields),
    requestId: readText(fields, "requestId", "it", REQUEST_ID),
    current: readFingerprint(fields, "current"),
    dropped: readDropped(fields),
    ...(laterVersion !== undefined && { laterVersion }),
  };
  switch (kind) {
    case "steady":
      return { kind, ...base, last: Object.hasOwn(fields, "last") ? readLast(fields["last"], unknown) : undefined };
    case "published":
      return {
        kind,
        ...base,
        next: readFingerprint(fields, "next"),
        cause: readCause(fields),
        ...readTimes(fields),
      };
    case "signing":
      return { kind, ...base, previous: readFingerprint(fields, "previous"), ...readLeaving(fields) };
    case "withdrawing":
      return {
        kind,
        ...base,
        leaving: readFingerprint(fields, "leaving"),
        reason: readReason(fields),
        ...readLeaving(fields),
      };
  }
}

/** JSON with a final newline. */
export function formatRotationRecord(record: RotationRecord): string {
  const { kind, revision, requestId, current, dropped } = record;
  const base = { kind, revision, requestId, current, ...(dropped.length > 0 && { dropped }) };
  return `${JSON.stringify({ ...base, ...formatKind(record) }, undefined, 2)}\n`;
}

function formatKind(record: RotationRecord): Fields {
  switch (record.kind) {
    case "steady":
      return { last: record.last && formatLast(record.last) };
    case "published":
      return { next: record.next, cause: record.cause, ...formatTimes(record) };
    case "signing":
      return { previous: record.previous, ...formatLeaving(record) };
    case "withdrawing":
      return { leaving: record.leaving, reason: record.reason.slice(0, MAX_REASON), ...formatLeaving(record) };
  }
}

function formatLeaving({ cause, isFollowed, leavesEndMs, ...times }: LeavingRecord): Fields {
  return { cause, ...formatTimes(times), followed: isFollowed, leavesEndMs };
}

function formatTimes({ sinceMs, countedMs }: PhaseTimes): Fields {
  return { since: formatTime(sinceMs), countedMs };
}

function formatLast({ cause, outcome, reason, atMs }: EndedRotation): Fields {
  return { cause, outcome, reason: reason.slice(0, MAX_REASON), at: formatTime(atMs) };
}

function readKind(value: unknown): RotationState["kind"] {
  const kind = typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
  if (kind === "steady" || kind === "published" || kind === "signing" || kind === "withdrawing") return kind;
  throw new Error(`its kind is none of ${Object.keys(FIELDS).join(", ")}: a newer version may have written it`);
}

function readLeaving(fields: Fields): LeavingRecord {
  return {
    cause: readCause(fields),
    ...readTimes(fields),
    isFollowed: readFlag(fields, "followed"),
    leavesEndMs: readDuration(fields, "leavesEndMs"),
  };
}

function readLast(value: unknown, unknown: UnknownFields): EndedRotation {
  const fields = readFields(value, "its last rotation", LAST_FIELDS, unknown);
  return {
    cause: readCause(fields),
    outcome: readOneOf(fields, "outcome", ["completed", "rolled_back"]),
    reason: readReason(fields),
    atMs: readTime(fields, "at"),
  };
}

function readRevision({ revision }: Fields): number {
  if (typeof revision === "number" && Number.isSafeInteger(revision) && revision > 0) return revision;
  throw new Error("its revision is not a number from 1 on");
}

function readCause(fields: Fields): RotationCause {
  return readOneOf(fields, "cause", ["request", "age"]);
}

function readOneOf<Value extends string>(fields: Fields, name: string, values: readonly Value[]): Value {
  const found = values.find((value) => value === fields[name]);
  if (found === undefined) throw new Error(`its ${name} is none of ${values.join(", ")}`);
  return found;
}

function readReason({ reason }: Fields): string {
  if (typeof reason === "string" && reason.length <= MAX_REASON) return reason;
  throw new Error(`its reason is not a text of at most ${MAX_REASON} characters`);
}

function readFingerprint(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === "string" && FINGERPRINT.test(value)) return value;
  throw new Error(`its ${name} is not the SHA-256 of a certificate`);
}

function readDropped(fields: Fields): readonly string[] {
  const items = Object.hasOwn(fields, "dropped") ? readItems(fields["dropped"], "its list of dropped roots") : [];
  return items.map((dropped) => readFingerprint({ dropped }, "dropped"));
}

function readFlag(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value === "boolean") return value;
  throw new Error(`its ${name} is neither true nor false`);
}

function readTimes(fields: Fields): PhaseTimes {
  return { sinceMs: readTime(fields, "since"), countedMs: readDuration(fields, "countedMs") };
}

function readDuration(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`its ${name} is not a number of milliseconds from 0 on`);
}

function readTime(fields: Fields, name: string): number {
  const value = fields[name];
  const ms = typeof value === "string" && TIME.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) throw new Error(`its ${name} is not a time such as 2026-01-01T00:00:00.000Z`);
  return ms;
}

function formatTime(ms: number): string {
  return new Date(ms).toISOString();
}
