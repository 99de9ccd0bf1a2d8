import type { Socket } from "node:net";
import type { Timer } from "../../../mesh/runtime.ts";
import type { HttpProtocol } from "../../messages/http-version.ts";
import type { HttpContext } from "../http-context.ts";
import { recognizeOnHttpPort } from "./recognize-http.ts";

/** The protocol of a client of an HTTP port. */
export type HttpPortProtocol =
  /** `early` has been read from the client. */
  | { readonly kind: "http"; readonly protocol: HttpProtocol; readonly early: Buffer }
  /** The client's own TLS. What was read is put back on the socket, which is paused. */
  | { readonly kind: "stream" }
  /** The client disconnected before it sent anything that could be served. */
  | { readonly kind: "closed" };

/**
 * Detects from the first bytes what a client of an HTTP port speaks, whatever version the port declares, as Istio does
 * (Envoy's codec type AUTO). The client's own TLS is relayed as a stream. Anything that is neither that nor HTTP/2 with
 * prior knowledge goes to the HTTP/1.1 parser, which refuses what is not HTTP/1.1. This runs for every connection, so
 * the bytes are handed over: putting them back on the socket and reading them again costs several microseconds.
 * @param onDetected called once. For `http` the socket is flowing: it must be read from before the call returns.
 */
export function detectOnHttpPort(
  client: Socket,
  { clock, limits }: Pick<HttpContext, "clock" | "limits">,
  onDetected: (protocol: HttpPortProtocol) => void,
): void {
  let bytes: Buffer = NO_BYTES;
  let timer: Timer | undefined;
  const finish = (protocol: HttpPortProtocol): void => {
    timer?.cancel();
    client.off("data", onData);
    client.off("end", onClose);
    client.off("close", onClose);
    onDetected(protocol);
  };
  const onClose = (): void => finish(CLOSED);
  const onData = (chunk: Buffer): void => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    switch (recognizeOnHttpPort(bytes)) {
      case "http1":
        finish({ kind: "http", protocol: "http1", early: bytes });
        break;
      case "http2":
        finish({ kind: "http", protocol: "http2", early: bytes });
        break;
      case "tls":
        client.pause();
        client.unshift(bytes);
        finish(STREAM);
        break;
      case "undecided":
        timer ??= clock.setTimeout(
          () => finish({ kind: "http", protocol: "http1", early: bytes }),
          limits.headTimeoutMs,
        );
    }
  };
  client.on("data", onData);
  client.on("end", onClose);
  client.on("close", onClose);
  if (client.destroyed || client.readableEnded) onClose();
  else client.resume();
}

const NO_BYTES = Buffer.alloc(0);
const CLOSED = { kind: "closed" } as const;
const STREAM = { kind: "stream" } as const;
