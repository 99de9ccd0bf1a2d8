/** Converts the readings that come with a trust bundle to their message and back. */
import { create } from "@bufbuild/protobuf";
import { type SourceReading, TRUST_SOURCES, type TrustReadings } from "../policy/authentication/trust-readings.ts";
import {
  type SourceReading as SourceReadingMessage,
  type TrustReadings as TrustReadingsMessage,
  TrustReadingsSchema,
} from "./gen/discovery_pb.ts";
import { copyText } from "./own-copy.ts";

/** 49 days. */
const MAX_AGE_MS = 0xffff_ffff;
/** Both are longer than ours; of a longer one the beginning counts. */
const MAX_NAME = 64;
const MAX_DIGEST_BYTES = 64;
/** The newest: a proxy that has missed more changes goes by their time. */
const MAX_REVISIONS = 16;

export function messageFromTrustReadings({ controlPlane, ...readings }: TrustReadings): TrustReadingsMessage {
  const sources = TRUST_SOURCES.flatMap((source) => {
    const reading = readings[source];
    if (reading === undefined) return [];
    const ageMs = Math.min(MAX_AGE_MS, Math.max(0, Math.ceil(reading.ageMs)));
    const revisions = (reading.revisions ?? []).slice(0, MAX_REVISIONS).map(BigInt);
    return [[source, { digest: Buffer.from(reading.digest, "hex"), ageMs, revisions }]];
  });
  return create(TrustReadingsSchema, { controlPlane, ...Object.fromEntries(sources) });
}

export function trustReadingsFromMessage(message: TrustReadingsMessage): TrustReadings {
  const sources = TRUST_SOURCES.flatMap((source) => {
    const reading = message[source];
    return reading === undefined ? [] : [[source, readingFromMessage(reading)]];
  });
  return { controlPlane: copyText(message.controlPlane, MAX_NAME), ...Object.fromEntries(sources) };
}

function readingFromMessage({ digest, ageMs, ...message }: SourceReadingMessage): SourceReading {
  const revisions = message.revisions.slice(0, MAX_REVISIONS).map(Number);
  const reading = { digest: Buffer.from(digest.subarray(0, MAX_DIGEST_BYTES)).toString("hex"), ageMs };
  return revisions.length === 0 ? reading : { ...reading, revisions };
}
