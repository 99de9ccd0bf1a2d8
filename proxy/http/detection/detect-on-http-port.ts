import type { Socket } from "node:net";
import type { Timer } from "../../../mesh/runtime.ts";
import type { HttpContext } from "../http-context.ts";
import { isForeignProtocol } from "./recognize-http.ts";

/** The protocol of a client of an HTTP port. */
export type HttpPortProtocol =
  /** `early` has been read from the client. */
  | { readonly kind: "http"; readonly early: Buffer }
  /** The client's own TLS, or HTTP/2 with prior knowledge. What was read is put back on the socket, which is paused. */
  | { readonly kind: "stream" }
  /** The client disconnected before it sent anything that could be served. */
  | { readonly kind: "closed" };

/**
 * Detects from the first bytes what a client of an HTTP port speaks. The client's own TLS and HTTP/2 with prior
 * knowledge are relayed as streams. Anything else goes to the HTTP/1.1 parser, which refuses what is not HTTP/1.1. This
 * runs for every connection, so the bytes are handed over: putting them back on the socket and reading them again costs
 * several microseconds.
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
    const isForeign = isForeignProtocol(bytes);
    if (isForeign === undefined) {
      timer ??= clock.setTimeout(() => finish({ kind: "http", early: bytes }), limits.headTimeoutMs);
    } else if (isForeign) {
      client.pause();
      client.unshift(bytes);
      finish(STREAM);
    } else {
      finish({ kind: "http", early: bytes });
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
