import type { Socket } from "node:net";
import type { Timer } from "../../../mesh/runtime.ts";
import type { HttpContext } from "../http-context.ts";
import { isForeignProtocol } from "./recognize-http.ts";

/** What a client of a port that is known as HTTP speaks. */
export type HttpPortProtocol =
  | {
      readonly kind: "http";
      /** Gives what has been read of the client, and reads no more of it. The caller must read on in the same turn. */
      readonly takeEarly: () => Buffer;
    }
  /** TLS of its own, or HTTP/2 with prior knowledge. What was read is back on the socket, which is paused. */
  | { readonly kind: "stream" }
  /** The client has closed before it sent anything that could be served. */
  | { readonly kind: "closed" };

/**
 * Recognises by its first bytes what a client of an HTTP port speaks: TLS of its own and HTTP/2 with prior knowledge are
 * relayed as streams. Anything else is HTTP/1.1, whose parser refuses what is not. Every connection passes here: the bytes
 * are handed over, since putting them back on the socket and reading them again costs several microseconds.
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
      client.off("end", onGone);
      client.off("close", onGone);
      resolve(protocol);
    };
    const onGone = (): void => {
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
    client.on("end", onGone);
    client.on("close", onGone);
    if (client.destroyed || client.readableEnded) onGone();
    else client.resume();
  });
}

const NO_BYTES = Buffer.alloc(0);
