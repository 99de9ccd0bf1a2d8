import type { Logger } from "../../mesh/runtime.ts";
import { printable } from "../../operator/text/palette.ts";
import type { CommandContext } from "../command.ts";

/** Standard output is the report's alone. Warnings, such as the API server's, go to standard error, as kubectl shows them. */
export function createStderrLogger(stderr: CommandContext["stderr"]): Logger {
  const log: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (_fields, message) => stderr(`warning: ${printable(message)}\n`),
    error: (_fields, message) => stderr(`error: ${printable(message)}\n`),
    child: () => log,
  };
  return log;
}
