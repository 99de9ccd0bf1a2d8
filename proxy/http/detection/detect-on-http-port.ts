import type { Socket } from "node:net";
import { peekBytes } from "../../connections/peek-bytes.ts";
import type { HttpContext } from "../http-context.ts";
import { isForeignProtocol } from "./recognize-http.ts";

/** What carries a connection of a port that is known as HTTP; `gone`: its client has sent nothing that could be served. */
export type HttpPortProtocol = "http" | "stream" | "gone";

/**
 * Tells by the first bytes what a client of an HTTP port speaks: TLS of its own and HTTP/2 with prior knowledge are
 * relayed as streams. Whatever else begins is HTTP/1.1, whose parser refuses what is none. The bytes stay on the socket.
 */
export async function detectOnHttpPort(
  client: Socket,
  { clock, limits }: Pick<HttpContext, "clock" | "limits">,
): Promise<HttpPortProtocol> {
  const peeked = await peekBytes(client, isForeignProtocol, { clock, verdictMs: limits.headTimeoutMs });
  switch (peeked.kind) {
    case "judged":
      return peeked.verdict ? "stream" : "http";
    case "undecided":
    case "silent":
      return "http";
    case "ended":
    case "gone":
      return "gone";
  }
}
