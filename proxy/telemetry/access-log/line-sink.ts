import { constants, createWriteStream, fstatSync, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import type { Clock } from "../../../mesh/runtime.ts";

/** Writes lines without blocking on their reader. */
export interface LineSink {
  write(lines: string): void;
  /** Bytes that are not written yet; infinite once writing has failed. */
  pendingBytes(): number;
  /** Waits until everything is written, up to a time limit, and closes the file. */
  close(withinMs: number): Promise<void>;
}

export interface LineSinkOptions {
  /** `/dev/stdout`, `/dev/stderr`, or a file to append to. */
  readonly file: string;
  readonly clock: Clock;
  /** Called once, when writing has failed. */
  readonly onFailure: (error: Error) => void;
}

/** Opens the file. Throws as `openSync` does. */
export function openLineSink(options: LineSinkOptions): LineSink {
  const { stream, isReleased } = openStream(options.file);
  let pending = 0;
  let hasFailed = false;
  let onIdle: () => void = () => undefined;
  stream.on("error", (error) => {
    hasFailed = true;
    onIdle();
    options.onFailure(error);
  });
  return {
    write(lines) {
      if (hasFailed) return;
      const bytes = Buffer.from(lines);
      pending += bytes.length;
      stream.write(bytes, () => {
        pending -= bytes.length;
        if (pending === 0) onIdle();
      });
    },
    pendingBytes: () => (hasFailed ? Number.POSITIVE_INFINITY : pending),
    async close(withinMs) {
      if (pending > 0 && !hasFailed) {
        await new Promise<void>((resolve) => {
          const timer = options.clock.setTimeout(resolve, withinMs);
          onIdle = () => {
            timer.cancel();
            resolve();
          };
        });
      }
      if (isReleased) stream.destroy();
    },
  };
}

const STANDARD: ReadonlyMap<string, number> = new Map([
  ["/dev/stdout", 1],
  ["/dev/stderr", 2],
]);

interface OpenedStream {
  readonly stream: Writable;
  /** Whether the stream is destroyed at the end. */
  readonly isReleased: boolean;
}

function openStream(file: string): OpenedStream {
  const standard = STANDARD.get(file);
  if (standard === undefined) {
    const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
    return streamOf(openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o640));
  }
  return streamOf((fstatSync(standard).isFIFO() ? reopenPipe(file) : undefined) ?? standard);
}

/**
 * A pipe is opened again, because it must not block here and that is a property of the open file: the process's own log
 * still writes to it as before. A pipe of another user cannot be opened.
 */
function reopenPipe(file: string): number | undefined {
  try {
    return openSync(file, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

/**
 * Files are written by Node's thread pool; a pipe whose reader is stuck would block such a thread, and with it the
 * exit. The process's own output must stay open, or the next connection would get its descriptor and receive log lines:
 * a socket leaves descriptors up to 2 open, a file stream does not.
 */
function streamOf(fd: number): OpenedStream {
  const stat = fstatSync(fd);
  const isOwn = fd > 2;
  if (stat.isFIFO() || stat.isSocket()) {
    return { stream: new Socket({ fd, readable: false, writable: true }), isReleased: true };
  }
  return { stream: createWriteStream("", { fd, autoClose: isOwn }), isReleased: isOwn };
}
