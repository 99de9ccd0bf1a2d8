/** The size of both dynamic tables until a SETTINGS frame says otherwise, in bytes (RFC 9113 §6.5.2). */
export const DEFAULT_TABLE_BYTES = 4096;

/** What one header block may hold. A block over a limit is decoded to its end, but its fields are not kept. */
export interface HpackLimits {
  /** Of the compressed block; the decoder refuses a longer one. @default 65536 */
  readonly maxBlockBytes: number;
  /** Of all fields: name, value and 32 bytes each (RFC 9113 §6.5.2, CVE-2016-6581). @default 65536 */
  readonly maxListBytes: number;
  /** Without the crumbs of cookies. @default 100 */
  readonly maxFields: number;
  /** Fields with the name `cookie`, into which a client may split its cookies (CVE-2026-47774). @default 512 */
  readonly maxCookieCrumbs: number;
}

export const HPACK_LIMITS: HpackLimits = {
  maxBlockBytes: 65_536,
  maxListBytes: 65_536,
  maxFields: 100,
  maxCookieCrumbs: 512,
};
