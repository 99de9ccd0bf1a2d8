import type { Clock, Logger } from "../mesh/runtime.ts";
import type { CommandDescription } from "./command-line/command-description.ts";

/** One subcommand of `entente`. */
export interface Command {
  readonly name: string;
  /** One line for `entente --help`. */
  readonly summary: string;
  /** The command line, from which `--help` and the shells' completion are made. */
  readonly description: CommandDescription;
  /**
   * Runs until the work is done or `context.signal` aborts.
   * @returns the exit status: 0 done, 1 failed, 2 invalid command line.
   */
  run(args: readonly string[], context: CommandContext): Promise<number>;
}

/** The parts of the process that a command may use. */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly log: Logger;
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean;
  /** Aborts on SIGTERM and SIGINT. */
  readonly signal: AbortSignal;
  /** Of the control plane and the injector. @default the system's */
  readonly clock?: Clock;
}
