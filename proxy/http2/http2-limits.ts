import { HPACK_LIMITS, type HpackLimits } from "./hpack/hpack-limits.ts";

/** A bucket of tokens: `capacity` at once, `perSecond` in the long run. */
export interface BucketLimit {
  readonly capacity: number;
  readonly perSecond: number;
}

/** The limits and windows of one HTTP/2 connection, for both roles. */
export interface Http2Limits {
  /** Streams of the peer at once, until the work for each has ended (CVE-2023-44487). @default 128 */
  readonly maxConcurrentStreams: number;
  /** Of header blocks and field lists (CVE-2016-6581, CVE-2026-47774). @default HPACK_LIMITS: 64 KB, 100 fields */
  readonly headers: HpackLimits;
  /** HEADERS and CONTINUATION frames of one block (VU#421644, CVE-2024-27983). @default 8 */
  readonly maxHeaderBlockFrames: number;
  /** Interim responses (1xx) before the final one. @default 16 */
  readonly maxInterimResponses: number;
  /** The receive window of a new stream, in bytes. @default 65536 */
  readonly streamWindowBytes: number;
  /** To which a stream's window grows while it limits the throughput. @default 1048576 */
  readonly maxStreamWindowBytes: number;
  /** The receive window of the connection, in bytes. @default 1048576 */
  readonly connectionWindowBytes: number;
  /** @default 8388608 */
  readonly maxConnectionWindowBytes: number;
  /** Bytes that may wait to be sent on a stream before `sendData` returns false (CVE-2019-9517). @default 65536 */
  readonly maxQueuedBytes: number;
  /**
   * Streams that the peer resets, or makes us reset (CVE-2023-44487, CVE-2025-8671). Server role alone: a server can
   * only reset what we opened. @default 200 and 50 a second
   */
  readonly resets: BucketLimit;
  /**
   * Frames that carry nothing: PING, SETTINGS, PRIORITY, empty DATA, unknown types, WINDOW_UPDATE beyond need, frames on
   * closed streams; a malformed message costs ten (CVE-2019-9511, -9512, -9513, -9515, -9518). Each frame with content
   * gives one back. @default 1000 and 100 a second
   */
  readonly overhead: BucketLimit;
  /** Frames that answer the peer's and wait while it does not read (CVE-2019-9512, -9515). @default 1000 */
  readonly maxQueuedReplies: number;
  /** The peer must acknowledge our SETTINGS within this time. @default 10000 */
  readonly settingsTimeoutMs: number;
  /** A stream with bytes to send whose peer grants no window for that long is reset (CVE-2019-9517). @default 60000 */
  readonly stallTimeoutMs: number;
  /** From the first GOAWAY to the final one, if the PING between them is not answered earlier. @default 1000 */
  readonly drainGraceMs: number;
}

/** For clients and servers outside the mesh. */
export const HTTP2_LIMITS: Http2Limits = {
  maxConcurrentStreams: 128,
  headers: HPACK_LIMITS,
  maxHeaderBlockFrames: 8,
  maxInterimResponses: 16,
  streamWindowBytes: 65_536,
  maxStreamWindowBytes: 1_048_576,
  connectionWindowBytes: 1_048_576,
  maxConnectionWindowBytes: 8_388_608,
  maxQueuedBytes: 65_536,
  resets: { capacity: 200, perSecond: 50 },
  overhead: { capacity: 1000, perSecond: 100 },
  maxQueuedReplies: 1000,
  settingsTimeoutMs: 10_000,
  stallTimeoutMs: 60_000,
  drainGraceMs: 1000,
};

/** For verified peers of the mesh, whose connections carry the streams of many clients: the same limits, only larger. */
export const MESH_HTTP2_LIMITS: Http2Limits = {
  ...HTTP2_LIMITS,
  maxConcurrentStreams: 1024,
  resets: { capacity: 2000, perSecond: 1000 },
  overhead: { capacity: 10_000, perSecond: 1000 },
};
