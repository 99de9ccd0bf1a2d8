import type { Http1FaultCode } from "./framer-events.ts";
import { FramingFault } from "./framing-fault.ts";

/** The size limits of one message, for sidecar and gateway alike. */
export interface Http1Limits {
  /** Start line and fields together, including the empty line. A target may be that long. @default 65536 */
  readonly maxRequestHeadBytes: number;
  /** @default 128 */
  readonly maxRequestFields: number;
  /** @default 262144 */
  readonly maxResponseHeadBytes: number;
  /** @default 1000 */
  readonly maxResponseFields: number;
  /** Of one chunk-size line; everything after the digits is extensions (CVE-2024-22019). @default 256 */
  readonly maxChunkLineBytes: number;
  /** All extensions of one message together. @default 4096 */
  readonly maxChunkExtensionBytes: number;
  /** @default 8192 */
  readonly maxTrailerBytes: number;
}

/** Not lower than Envoy's, which are 60 KiB and 100 fields for requests and responses. */
export const HTTP1_LIMITS: Http1Limits = {
  maxRequestHeadBytes: 65_536,
  maxRequestFields: 128,
  maxResponseHeadBytes: 262_144,
  maxResponseFields: 1000,
  maxChunkLineBytes: 256,
  maxChunkExtensionBytes: 4096,
  maxTrailerBytes: 8192,
};

interface LimitText {
  /** The proxy's environment variable that sets it. */
  readonly setting: string;
  /** The limited quantity. */
  readonly unit: string;
}

export const LIMIT_TEXTS: Readonly<Record<keyof Http1Limits, LimitText>> = {
  maxRequestHeadBytes: { setting: "ENTENTE_MAX_REQUEST_HEAD_BYTES", unit: "bytes of a request's head" },
  maxRequestFields: { setting: "ENTENTE_MAX_REQUEST_FIELDS", unit: "fields of a request" },
  maxResponseHeadBytes: { setting: "ENTENTE_MAX_RESPONSE_HEAD_BYTES", unit: "bytes of a response's head" },
  maxResponseFields: { setting: "ENTENTE_MAX_RESPONSE_FIELDS", unit: "fields of a response" },
  maxChunkLineBytes: { setting: "ENTENTE_MAX_CHUNK_LINE_BYTES", unit: "bytes of a chunk-size line" },
  maxChunkExtensionBytes: { setting: "ENTENTE_MAX_CHUNK_EXTENSION_BYTES", unit: "bytes of chunk extensions" },
  maxTrailerBytes: { setting: "ENTENTE_MAX_TRAILER_BYTES", unit: "bytes of trailers" },
};

export const HTTP1_LIMIT_NAMES = [
  "maxRequestHeadBytes",
  "maxRequestFields",
  "maxResponseHeadBytes",
  "maxResponseFields",
  "maxChunkLineBytes",
  "maxChunkExtensionBytes",
  "maxTrailerBytes",
] as const satisfies readonly (keyof Http1Limits)[];

/** A fault that names the limit and the setting that raises it. */
export function limitFault(code: Http1FaultCode, name: keyof Http1Limits, limits: Http1Limits): FramingFault {
  const { setting, unit } = LIMIT_TEXTS[name];
  return new FramingFault(code, `more than ${limits[name]} ${unit}; the proxy's ${setting} raises this limit`);
}
