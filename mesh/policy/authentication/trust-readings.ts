import { hash } from "node:crypto";

/** The sources of a trust bundle that several control planes read, each for itself. */
export const TRUST_SOURCES = ["plugged", "own", "revocations", "lists"] as const;

/**
 * `plugged`: the operator's own authority, also if there is none. `own`: the mesh's own root, while that is in force.
 * `revocations`: what operators have revoked. `lists`: the operator's certificate revocation lists.
 */
export type TrustSourceName = (typeof TRUST_SOURCES)[number];

/** What a control plane has read of a source. */
export interface SourceReading {
  /** The same at all control planes that have read the same. */
  readonly digest: string;
  /** How long ago it was last known to be what is stored, in milliseconds. */
  readonly ageMs: number;
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
    const { digest, ageMs } = reading;
    return { digest, controlPlane, earliestMs: askedMs - ageMs, latestMs: receivedMs - ageMs };
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
 * not older than the one that is held.
 */
export function compareReadings(received: TimedReadings, held: TimedReadings): ReadingsOrder {
  const behind: TrustSourceName[] = [];
  const latest = mapSources((source) => {
    const [next, known] = [received[source], held[source]];
    if (next === undefined || known === undefined || next.controlPlane === known.controlPlane) return next;
    if (next.digest === known.digest) return next.latestMs > known.latestMs ? next : known;
    if (next.earliestMs >= known.latestMs) return next;
    behind.push(source);
    return known;
  });
  return { behind, latest };
}

/**
 * The readings of what was mixed of two states, of these sources. If it is not certain which one is older, only what is not
 * older than both replaces it, whoever sends it: a state that equals one of them would lift what the other one has added.
 */
export function mixReadings(
  latest: TimedReadings,
  received: TimedReadings,
  sources: readonly TrustSourceName[],
): TimedReadings {
  return mapSources((source) => {
    const [known, next] = [latest[source], received[source]];
    if (!sources.includes(source) || known === undefined || next === undefined) return known;
    if (next.latestMs < known.earliestMs) return known;
    const latestMs = Math.max(known.latestMs, next.latestMs);
    return { digest: MIXED, controlPlane: MIXED, earliestMs: latestMs, latestMs };
  });
}

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
