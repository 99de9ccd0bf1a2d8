import type { AccessLog } from "../request-meter.ts";
import { formatAccessLogEntry } from "./format-access-log.ts";

/** A batch that has become so long is written at once. */
const MAX_BATCH_CHARACTERS = 65_536;

export interface AccessLogOptions {
  /** Bytes that were written and that their reader has not taken yet. */
  readonly pendingBytes: () => number;
  /** An entry that comes while more bytes than these wait is dropped. @default 1_048_576 */
  readonly maxPendingBytes?: number;
  /** Called for each entry that is dropped. */
  readonly onDropped: () => void;
  /** Runs an action once everything that is ready now has been done. @default setImmediate */
  readonly defer?: (action: () => void) => void;
}

/** An access log that holds lines back for a moment. */
export interface BatchedAccessLog extends AccessLog {
  /** Writes what is held back. */
  flush(): void;
}

/**
 * Writes an entry as a line of JSON. What comes in one turn of the event loop is written at once. Nobody waits for the
 * log: where its reader is too slow entries are dropped, and the memory stays at `maxPendingBytes` and one batch.
 */
export function createAccessLog(write: (lines: string) => void, options: AccessLogOptions): BatchedAccessLog {
  const { pendingBytes, onDropped, maxPendingBytes = 1_048_576, defer = setImmediate } = options;
  let batch = "";
  let isDeferred = false;
  const flush = (): void => {
    if (batch === "") return;
    const lines = batch;
    batch = "";
    write(lines);
  };
  const onTurnEnd = (): void => {
    isDeferred = false;
    flush();
  };
  return {
    write(entry) {
      if (pendingBytes() + batch.length > maxPendingBytes) return onDropped();
      batch += formatAccessLogEntry(entry);
      if (batch.length >= MAX_BATCH_CHARACTERS) return flush();
      if (isDeferred) return;
      isDeferred = true;
      defer(onTurnEnd);
    },
    flush,
  };
}
