import { z } from "zod";

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 0.001, µs: 0.001 };
/** The longest delay of a timer; about 24 days. */
const MAX_DURATION_MS = 0x7f_ff_ff_ff;

/** Parses `1h`, `1m30s`, `0.5s`, `250ms` to milliseconds. `0s` means none. */
export const durationSchema = z.string().transform((text, context) => {
  const ms = text === "0" ? 0 : sumDuration(text);
  if (ms === undefined || (ms > 0 && ms < 1) || ms > MAX_DURATION_MS) {
    context.addIssue({ code: "custom", message: "must be a duration from 1ms to 24 days, such as 5s, 1.5s or 250ms" });
    return z.NEVER;
  }
  return Math.round(ms);
});

function sumDuration(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount = "", unit = ""] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs)/g)) {
    sum += Number(amount) * (UNIT_MS[unit] ?? 0);
  }
  return sum;
}
