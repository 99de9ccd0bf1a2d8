import type { AccessLog } from "../request-meter.ts";
import { formatAccessLogEntry } from "./format-access-log.ts";

/** A batch of this length is written at once. */
const MAX_BATCH_CHARACTERS = 65_536;

export interface AccessLogOptions {
  /** Bytes that were written but not yet read by the log's reader. */
  readonly pendingBytes: () => number;
  /** An entry is dropped while more than this many bytes are pending. @default 1_048_576 */
  readonly maxPendingBytes?: number;
  /** Called for each entry that is dropped. */
  readonly onDropped: () => void;
  /** Runs an action after the current turn of the event loop. @default setImmediate */
  readonly defer?: (action: () => void) => void;
}

/** An access log that batches lines. */
export interface BatchedAccessLog extends AccessLog {
  /** Writes the current batch. */
  flush(): void;
}

/**
 * Writes an entry as a line of JSON. Entries of one turn of the event loop are written together. No request waits for
 * the log: if its reader is too slow, entries are dropped, and memory stays at `maxPendingBytes` and one batch.
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
