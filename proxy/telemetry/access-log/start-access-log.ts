import { MeshError } from "../../../mesh/mesh-error.ts";
import type { Clock, Logger } from "../../../mesh/runtime.ts";
import { ProxyError } from "../../proxy-error.ts";
import type { ProxyMetrics } from "../proxy-metrics.ts";
import type { AccessLog } from "../request-meter.ts";
import { createAccessLog } from "./access-log.ts";
import { type LineSink, openLineSink } from "./line-sink.ts";

/** How long the shutdown waits for the log's reader. */
const CLOSE_WITHIN_MS = 1000;

export interface StartAccessLogOptions {
  /** `/dev/stdout`, `/dev/stderr` or a file, as Istio's `meshConfig.accessLogFile`. */
  readonly file: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<ProxyMetrics, "accessLogDropped">;
}

export interface RunningAccessLog extends AccessLog {
  /** Writes the rest, if its reader reads it within a second. */
  close(): Promise<void>;
}

/**
 * Starts to log requests and streams to a file.
 * @throws ProxyError `bad_setting` if the file cannot be opened
 */
export function startAccessLog(options: StartAccessLogOptions): RunningAccessLog {
  const { metrics } = options;
  const sink = openSink(options);
  const accessLog = createAccessLog((lines) => sink.write(lines), {
    pendingBytes: () => sink.pendingBytes(),
    onDropped: () => metrics.accessLogDropped(),
  });
  return {
    write: (entry) => accessLog.write(entry),
    close: () => {
      accessLog.flush();
      return sink.close(CLOSE_WITHIN_MS);
    },
  };
}

function openSink({ file, clock, log }: StartAccessLogOptions): LineSink {
  const fields = { component: "access-log", code: "access_log_failed", file };
  const onFailure = (error: Error): void =>
    log.error({ ...fields, error: error.message }, "the access log can no longer be written");
  try {
    return openLineSink({ file, clock, onFailure });
  } catch (caught) {
    const { message } = MeshError.from(caught);
    throw new ProxyError("bad_setting", `ENTENTE_ACCESS_LOG is "${file}", which cannot be opened: ${message}`, {
      cause: caught,
    });
  }
}
