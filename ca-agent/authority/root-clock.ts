import { formatCount } from "../../mesh/format-count.ts";
import { CaError } from "../ca-error.ts";

/** How far another clock is ahead of this process's, in milliseconds; negative: it is behind. */
export type CompareClock = () => Promise<number>;

/** As Kerberos allows. A workload whose own clock is an hour behind still accepts the root: `BACKDATE_MS`. */
const MAX_ERROR_MS = 5 * 60_000;
const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const;

/**
 * Refuses the creation of a root by a clock that is not that of the others: it would not be valid yet for them, or would end
 * early. Where there is no clock to compare with, each clock is accepted. Throws a CaError, or what the comparison throws.
 */
export async function requireRightClock(compareClock: CompareClock | undefined): Promise<void> {
  if (compareClock === undefined) return;
  const othersAheadMs = await compareClock();
  // Written so that an unknown difference (NaN) is a fault.
  if (Math.abs(othersAheadMs) <= MAX_ERROR_MS) return;
  const direction = othersAheadMs > 0 ? "behind" : "ahead of";
  throw new CaError(
    "authority_clock",
    `the clock of this control plane is ${formatError(Math.abs(othersAheadMs))} ${direction} the API server's, ` +
      "so it creates no root: correct the clock that is wrong",
  );
}

function formatError(errorMs: number): string {
  const [unit, unitMs] = UNITS.find(([, ms]) => errorMs >= ms) ?? UNITS[2];
  return formatCount(Math.floor(errorMs / unitMs), unit);
}
