/**
 * The dependencies of components: time, randomness and a log. These are interfaces; the real ones are created in
 * `cli/`, fakes in tests.
 */

/** Clocks and timers, in milliseconds. */
export interface Clock {
  /** The wall clock, which can be set. */
  now(): number;
  /** A monotonic clock with an arbitrary origin and fractions: for durations and time limits. */
  monotonicMs(): number;
  /** Runs `action` once after `delayMs`. The timer does not keep the process alive. */
  setTimeout(action: () => void, delayMs: number): Timer;
}

export interface Timer {
  cancel(): void;
}

/** Uniform in [0, 1). */
export type Random = () => number;

/** A structured log; pino implements it. Fields first, then a message that starts in lower case. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(fields: LogFields): Logger;
}

/** Whether a line may be logged now, and how many of its kind were dropped since the last one. */
export interface LogPermit {
  readonly isGranted: boolean;
  readonly heldBack: number;
}

/**
 * Checked before logging a line that a caller can cause repeatedly. Kinds are constants of the code, never a caller's
 * text: each may have a few lines per second.
 */
export type LogLimiter = (kind: string) => LogPermit;

export type LogFields = Readonly<Record<string, unknown>>;

/** The system clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimeout: (action, delayMs) => {
    const timer = setTimeout(action, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
