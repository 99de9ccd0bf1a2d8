import { errnoOf, MeshError } from "../mesh/mesh-error.ts";
import type { Logger } from "../mesh/runtime.ts";

export interface FaultDeps {
  /** The name of the command that runs. */
  readonly command: string | undefined;
  readonly log: Logger;
  readonly stderr: (text: string) => void;
}

/** What is used of `process`. */
export interface WatchedProcess {
  readonly stdout: NodeJS.EventEmitter;
  readonly stderr: NodeJS.EventEmitter;
  on(name: "uncaughtException", listener: (caught: Error) => void): unknown;
  exit(status: number): unknown;
}

/** The programs of containers: their logs are read afterwards, and need the place of a fault. */
const LOGGED: readonly (string | undefined)[] = ["proxy", "control-plane", "injector"];

/**
 * What happens to faults that no command handles. The reader of a pipe that ends early (`| head`) is no fault. An exception
 * that nothing has caught ends the process as always, but a user gets one line instead of a stack trace.
 */
export function watchProcess(watched: WatchedProcess, { command, log, stderr }: FaultDeps): void {
  for (const stream of [watched.stdout, watched.stderr]) {
    stream.on("error", (error: Error) => {
      if (errnoOf(error) !== "EPIPE") throw error;
    });
  }
  watched.on("uncaughtException", (caught) => {
    const { code, message, stack } = MeshError.from(caught);
    if (LOGGED.includes(command)) log.error({ code, stack: caught.stack }, `an exception was not caught: ${message}`);
    else {
      log.debug({ code, stack }, "an exception was not caught");
      stderr(`entente ${command ?? ""}: ${message}\n`);
    }
    watched.exit(1);
  });
}
