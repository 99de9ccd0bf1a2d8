/** A log for tests: records all lines, and lets a test wait for one. */
import type { LogFields, Logger, LogLimiter } from "./runtime.ts";

export interface LogRecord {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: LogFields;
  readonly message: string;
}

export class RecordingLogger implements Logger {
  readonly records: LogRecord[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #bound: LogFields;
  readonly #parent: RecordingLogger | undefined;

  constructor(bound: LogFields = {}, parent?: RecordingLogger) {
    this.#bound = bound;
    this.#parent = parent;
  }

  debug = (fields: LogFields, message: string): void => this.#add({ level: "debug", fields, message });
  info = (fields: LogFields, message: string): void => this.#add({ level: "info", fields, message });
  warn = (fields: LogFields, message: string): void => this.#add({ level: "warn", fields, message });
  error = (fields: LogFields, message: string): void => this.#add({ level: "error", fields, message });

  child(fields: LogFields): Logger {
    return new RecordingLogger({ ...this.#bound, ...fields }, this);
  }

  /** All records whose message or fields contain the text. */
  find(text: string): readonly LogRecord[] {
    return this.records.filter(({ message, fields }) => `${message} ${JSON.stringify(fields)}`.includes(text));
  }

  /** Resolves with the first record, past or future, that contains the text. */
  async seen(text: string): Promise<LogRecord> {
    for (;;) {
      const [found] = this.find(text);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #add(record: LogRecord): void {
    const whole = { ...record, fields: { ...this.#bound, ...record.fields } };
    if (this.#parent !== undefined) {
      this.#parent.#add(whole);
      return;
    }
    this.records.push(whole);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

/** A limiter that allows every line. */
export const unlimitedLog: LogLimiter = () => ({ isGranted: true, heldBack: 0 });
