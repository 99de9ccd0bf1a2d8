/** The field `grpc-timeout` (gRPC over HTTP2, "Timeout"). */

/** Milliseconds, the largest unit first. */
const UNITS: readonly (readonly [string, number])[] = [
  ["H", 3_600_000],
  ["M", 60_000],
  ["S", 1000],
  ["m", 1],
  ["u", 1e-3],
  ["n", 1e-6],
];
const UNIT_MS: ReadonlyMap<string, number> = new Map(UNITS);

/** The longest delay of a timer; about 24 days. Node's fire at once if it is more. */
const MAX_TIMEOUT_MS = 0x7f_ff_ff_ff;
const MAX_VALUE = 99_999_999;

/**
 * A call's time limit in whole milliseconds, rounded up, at most 2^31-1. `undefined` if the text is malformed or 0: a
 * timeout is positive, and the proxy then sets no limit and passes the field on.
 */
export function parseGrpcTimeout(text: string): number | undefined {
  const [, value, unit] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  const unitMs = unit === undefined ? undefined : UNIT_MS.get(unit);
  if (value === undefined || unitMs === undefined || Number(value) === 0) return undefined;
  return Math.min(Math.ceil(Number(value) * unitMs), MAX_TIMEOUT_MS);
}

/**
 * The field for a limit. In the smallest unit from milliseconds upwards that has room (8 digits), rounded down, so that
 * the server's limit is never the longer one. @param ms at least 1
 */
export function formatGrpcTimeout(ms: number): string {
  for (const [unit, unitMs] of [...UNITS].reverse()) {
    if (unitMs >= 1 && ms / unitMs <= MAX_VALUE) return `${Math.floor(ms / unitMs)}${unit}`;
  }
  return `${MAX_VALUE}H`;
}
