/** Shared by the proxy's HTTP tests: requests as the test writes them, and a recording log. */
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import type { LogFields, Logger } from "../mesh/runtime.ts";

export interface ReceivedResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
  readonly localAddress?: string;
}

/** Sends one request to a port on loopback and reads the whole response. */
export function ask(port: number, options: AskOptions = {}): Promise<ReceivedResponse> {
  const { method = "GET", path = "/", headers = {}, body, localAddress } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: "127.0.0.1", port, method, path, headers, agent: false, ...(localAddress && { localAddress }) },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

export interface RecordedLog extends Logger {
  readonly lines: readonly { readonly level: string; readonly fields: LogFields; readonly message: string }[];
}

/** Records the lines instead of writing them. */
export function createRecordedLog(): RecordedLog {
  const lines: { level: string; fields: LogFields; message: string }[] = [];
  const write =
    (level: string) =>
    (fields: LogFields, message: string): void =>
      void lines.push({ level, fields, message });
  const log: RecordedLog = {
    lines,
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: () => log,
  };
  return log;
}
