import { formatCount } from "../../mesh/format-count.ts";
import { CaError } from "../ca-error.ts";

/** How far another clock is ahead of this process's, in milliseconds; negative: it is behind. */
export type CompareClock = () => Promise<number>;

/** What a wrong clock must not do. */
export interface ClockLimit {
  readonly maxErrorMs: number;
  /** For the message: what is not done. */
  readonly consequence: string;
}

/** As Kerberos allows. A workload whose own clock is an hour behind still accepts the root: `BACKDATE_MS`. */
const CREATING_ROOTS: ClockLimit = { maxErrorMs: 5 * 60_000, consequence: "it creates no root" };
const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const;

/**
 * Refuses what a clock must not do that is not that of the others. A root of it would not be valid yet for them, or would end
 * early. Where there is no clock to compare with, each clock is accepted. Throws a CaError, or what the comparison throws.
 * @param limit @default for the creation of a root
 */
export async function requireRightClock(
  compareClock: CompareClock | undefined,
  { maxErrorMs, consequence }: ClockLimit = CREATING_ROOTS,
): Promise<void> {
  if (compareClock === undefined) return;
  const othersAheadMs = await compareClock();
  // Written so that an unknown difference (NaN) is a fault.
  if (Math.abs(othersAheadMs) <= maxErrorMs) return;
  const direction = othersAheadMs > 0 ? "behind" : "ahead of";
  throw new CaError(
    "authority_clock",
    `the clock of this control plane is ${formatError(Math.abs(othersAheadMs))} ${direction} the API server's, ` +
      `so ${consequence}: correct the clock that is wrong`,
  );
}

function formatError(errorMs: number): string {
  const [unit, unitMs] = UNITS.find(([, ms]) => errorMs >= ms) ?? UNITS[2];
  return formatCount(Math.floor(errorMs / unitMs), unit);
}
