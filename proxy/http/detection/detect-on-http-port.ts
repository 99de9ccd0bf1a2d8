import type { Socket } from "node:net";
import type { Timer } from "../../../mesh/runtime.ts";
import type { HttpContext } from "../http-context.ts";
import { isForeignProtocol } from "./recognize-http.ts";

/** The protocol of a client of an HTTP port. */
export type HttpPortProtocol =
  | {
      readonly kind: "http";
      /**
       * Returns what has been read from the client, and stops reading. The caller must continue reading in the same
       * turn.
       */
      readonly takeEarly: () => Buffer;
    }
  /** The client's own TLS, or HTTP/2 with prior knowledge. What was read is put back on the socket, which is paused. */
  | { readonly kind: "stream" }
  /** The client disconnected before it sent anything that could be served. */
  | { readonly kind: "closed" };

/**
 * Detects from the first bytes what a client of an HTTP port speaks. The client's own TLS and HTTP/2 with prior
 * knowledge are relayed as streams. Anything else goes to the HTTP/1.1 parser, which refuses what is not HTTP/1.1. This
 * runs for every connection, so the bytes are handed over: putting them back on the socket and reading them again costs
 * several microseconds.
 */
export function detectOnHttpPort(
  client: Socket,
  { clock, limits }: Pick<HttpContext, "clock" | "limits">,
): Promise<HttpPortProtocol> {
  return new Promise((resolve) => {
    let bytes: Buffer = NO_BYTES;
    let timer: Timer | undefined;
    let isDecided = false;
    const takeEarly = (): Buffer => {
      client.off("data", onData);
      return bytes;
    };
    const finish = (protocol: HttpPortProtocol): void => {
      isDecided = true;
      timer?.cancel();
      client.off("end", onClose);
      client.off("close", onClose);
      resolve(protocol);
    };
    const onClose = (): void => {
      takeEarly();
      finish({ kind: "closed" });
    };
    const onData = (chunk: Buffer): void => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      if (isDecided) return;
      const isForeign = isForeignProtocol(bytes);
      if (isForeign === undefined) {
        timer ??= clock.setTimeout(() => finish({ kind: "http", takeEarly }), limits.headTimeoutMs);
      } else if (isForeign) {
        client.pause();
        client.unshift(takeEarly());
        finish({ kind: "stream" });
      } else {
        finish({ kind: "http", takeEarly });
      }
    };
    client.on("data", onData);
    client.on("end", onClose);
    client.on("close", onClose);
    if (client.destroyed || client.readableEnded) onClose();
    else client.resume();
  });
}

const NO_BYTES = Buffer.alloc(0);
