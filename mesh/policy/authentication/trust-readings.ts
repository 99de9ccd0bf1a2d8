import { hash } from "node:crypto";

/** The sources of a trust bundle that several control planes read, each for itself. */
export const TRUST_SOURCES = ["plugged", "own", "revocations", "lists"] as const;

/**
 * `plugged`: the operator's own authority, also if there is none. `own`: the mesh's own root, while that is in force.
 * `revocations`: what operators have revoked. `lists`: the operator's certificate revocation lists.
 */
export type TrustSourceName = (typeof TRUST_SOURCES)[number];

/** Those of the mesh's own authorities: their states are taken together, or not at all. */
export const AUTHORITY_SOURCES: readonly TrustSourceName[] = ["plugged", "own"];

/** What a control plane has read of a source. */
export interface SourceReading {
  /** The same at all control planes that have read the same. */
  readonly digest: string;
  /** How long ago it was last known to be what is stored, in milliseconds. */
  readonly ageMs: number;
  /** The revision of what was read, and those that it was made of, the newest first. @default the source has none */
  readonly revisions?: readonly number[];
}

/** From what a control plane has made a trust bundle. A source is absent if nothing is known of its age. */
export interface TrustReadings extends Readonly<Partial<Record<TrustSourceName, SourceReading>>> {
  /** Names the process: what it sends later was read later. */
  readonly controlPlane: string;
}

/** The digest of what was read. Only what is public may be in it. */
export function digestContent(content: unknown): string {
  return hash("sha256", JSON.stringify(content)).slice(0, DIGEST_LENGTH);
}

/** Half of SHA-256, in hexadecimal. */
const DIGEST_LENGTH = 32;

/** A reading in the receiver's own time, in milliseconds of its monotonic clock. */
interface TimedReading {
  readonly digest: string;
  readonly controlPlane: string;
  /** It was known to be what is stored at a time between these: a message takes a while. */
  readonly earliestMs: number;
  readonly latestMs: number;
  /** As sent; empty if there are none. */
  readonly revisions: readonly number[];
  /** What a later state is made of: the newest revision, of what was mixed those of both. */
  readonly newest: readonly number[];
  /** When a state was received for the first time that was not made of it. */
  readonly divergedMs?: number;
}

export type TimedReadings = Readonly<Partial<Record<TrustSourceName, TimedReading>>>;

/** When a message was made: between these times. */
export interface MessageTimes {
  readonly askedMs: number;
  readonly receivedMs: number;
}

/**
 * Ages become times of the receiver, so that no two clocks need to agree. A suspended receiver takes what it receives for
 * older than it is, which delays trust and lifts nothing.
 */
export function timeReadings(
  { controlPlane, ...readings }: TrustReadings,
  { askedMs, receivedMs }: MessageTimes,
): TimedReadings {
  return mapSources((source) => {
    const reading = readings[source];
    if (reading === undefined) return undefined;
    const { digest, ageMs, revisions = [] } = reading;
    const times = { earliestMs: askedMs - ageMs, latestMs: receivedMs - ageMs };
    return { digest, controlPlane, ...times, revisions, newest: revisions.slice(0, 1) };
  });
}

/** What follows from the readings of a received bundle and those of the one that is held. */
export interface ReadingsOrder {
  /** Sources of which the sender may have read an earlier state than the one that is held. */
  readonly behind: readonly TrustSourceName[];
  /** The later one of each source. */
  readonly latest: TimedReadings;
}

/**
 * A source that was read differently is behind, unless the same process has sent both or the received reading is certainly
 * not older than the one that is held: by its revisions, or else by its time. An API server that lags, or has a backup, confirms
 * an old state; one that was not made of the one that is held is behind for an hour, in which a control plane that has the
 * later one stores it again, or people do.
 */
export function compareReadings(received: TimedReadings, held: TimedReadings): ReadingsOrder {
  const behind: TrustSourceName[] = [];
  const latest = mapSources((source) => {
    const [next, known] = [received[source], held[source]];
    if (next === undefined || known === undefined || next.controlPlane === known.controlPlane) return next;
    const later = laterOf(next, known);
    if (later !== next && next.digest !== known.digest) behind.push(source);
    return later;
  });
  if (!behind.some((source) => AUTHORITY_SOURCES.includes(source))) return { behind, latest };
  return { behind, latest: mapSources((source) => (AUTHORITY_SOURCES.includes(source) ? held : latest)[source]) };
}

/** The held one unless the received one is certainly not older, or is the same. */
function laterOf(next: TimedReading, known: TimedReading): TimedReading {
  const order = orderByRevision(next, known);
  if (order === "later") return next;
  if (order === "diverged") {
    const { divergedMs = next.latestMs } = known;
    return next.earliestMs >= divergedMs + DIVERGED_MS ? next : { ...known, divergedMs };
  }
  if (next.digest === known.digest) return next.latestMs > known.latestMs ? next : known;
  return next.earliestMs >= known.latestMs ? next : known;
}

/** How long a state is held that no received one was made of. It ends: people may have restored an earlier one on purpose. */
export const DIVERGED_MS = 3_600_000;

/** `later`: made of what is held. `diverged`: made without it. Undefined: that cannot be known. */
function orderByRevision({ revisions }: TimedReading, { newest }: TimedReading): "later" | "diverged" | undefined {
  const [present, oldest] = [revisions[0], revisions.at(-1)];
  if (present === undefined || oldest === undefined || newest.length === 0) return undefined;
  // Below the oldest it is not known what it was made of.
  if (newest.some((revision) => revision > oldest && !revisions.includes(revision))) return "diverged";
  return newest.every((revision) => revision < present && revisions.includes(revision)) ? "later" : undefined;
}

/**
 * The readings of what was mixed of two states, of these sources. If it is not certain which one is older, only what is not
 * older than both replaces it, from any control plane: a state that equals one of them would lift what the other one has added.
 */
export function mixReadings(
  latest: TimedReadings,
  received: TimedReadings,
  sources: readonly TrustSourceName[],
): TimedReadings {
  return mapSources((source) => {
    const [known, next] = [latest[source], received[source]];
    if (!sources.includes(source) || known === undefined || next === undefined) return known;
    const [present] = next.newest;
    const isAncestor = present !== undefined && known.revisions.slice(1).includes(present);
    if (isAncestor || next.latestMs < known.earliestMs) return known;
    const latestMs = Math.max(known.latestMs, next.latestMs);
    const newest = [...new Set([...known.newest, ...next.newest])].slice(-MAX_NEWEST);
    const mixed = { digest: MIXED, controlPlane: MIXED, earliestMs: latestMs, latestMs };
    return {
      ...mixed,
      revisions: known.revisions,
      newest,
      ...(known.divergedMs !== undefined && { divergedMs: known.divergedMs }),
    };
  });
}

/** Each is of another backup. */
const MAX_NEWEST = 8;

/** Of no control plane, and no digest. */
const MIXED = "mixed";

function mapSources(read: (source: TrustSourceName) => TimedReading | undefined): TimedReadings {
  return Object.fromEntries(
    TRUST_SOURCES.flatMap((source) => {
      const reading = read(source);
      return reading === undefined ? [] : [[source, reading]];
    }),
  );
}
