import { pino } from "pino";
import type { Logger } from "../mesh/runtime.ts";

/** JSON lines on standard output, written synchronously: a line logged before a crash is a line read after it. */
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
