import { UsageError } from "./usage-error.ts";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /^(?<count>\d{1,9}(?:\.\d{1,3})?)(?<unit>ms|s|m|h|d)$/;

/** Reads `20s`, `24h`, `90d`; throws a UsageError that names the option. Gives milliseconds. */
export function parseDuration(text: string, option: string): number {
  const groups = DURATION.exec(text)?.groups;
  const unitMs = UNIT_MS[groups?.["unit"] ?? ""];
  const durationMs = Number(groups?.["count"]) * (unitMs ?? Number.NaN);
  if (!Number.isFinite(durationMs) || durationMs <= 0) {
    throw new UsageError(`${option} is a duration such as 20s, 24h or 90d, not "${text}"`);
  }
  return durationMs;
}
