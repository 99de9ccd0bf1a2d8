import { pino } from "pino";
import type { Logger } from "../mesh/runtime.ts";

/** JSON lines on standard output, written synchronously, so that lines logged before a crash are not lost. */
export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      messageKey: "message",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 1, sync: true }),
  );
}
