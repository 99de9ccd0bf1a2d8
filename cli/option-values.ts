/** Parses the values of options; a UsageError names the option and the expected value. */
import { UsageError } from "./usage-error.ts";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /^(?<count>\d{1,9}(?:\.\d{1,3})?)(?<unit>ms|s|m|h|d)$/;

/** Parses `20s`, `24h`, `90d` to milliseconds. */
export function parseDuration(text: string, option: string): number {
  const groups = DURATION.exec(text)?.groups;
  const unitMs = UNIT_MS[groups?.["unit"] ?? ""];
  const durationMs = Number(groups?.["count"]) * (unitMs ?? Number.NaN);
  if (!Number.isFinite(durationMs) || durationMs <= 0) {
    throw new UsageError(`${option} must be a duration such as 20s, 24h or 90d, got "${text}"`);
  }
  return durationMs;
}

/** Parses a port to listen on; 0 means any free one, if it is allowed. */
export function parsePort(text: string, option: string, lowest: 0 | 1 = 1): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= lowest && port <= 65_535) return port;
  throw new UsageError(`${option} must be a port from ${lowest} to 65535, got "${text}"`);
}
