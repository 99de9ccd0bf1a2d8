const UNITS: readonly (readonly [string, number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
];

/** `3d4h`, `2m10s`, `0s`: two units at most, as kubectl shows ages. */
export function formatDuration(durationMs: number): string {
  const first = UNITS.findIndex(([, unitMs]) => durationMs >= unitMs);
  if (first < 0) return "0s";
  let left = durationMs;
  const parts = UNITS.slice(first, first + 2).map(([unit, unitMs]) => {
    const count = Math.floor(left / unitMs);
    left -= count * unitMs;
    return count === 0 ? "" : `${count}${unit}`;
  });
  return parts.join("");
}
