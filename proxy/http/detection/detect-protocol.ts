import type { Socket } from "node:net";
import type { Clock } from "../../../mesh/runtime.ts";
import { awaitFirstSpeaker } from "../../connections/await-first-speaker.ts";
import { peekBytes } from "../../connections/peek-bytes.ts";
import { recognizeHttp } from "./recognize-http.ts";

export type DetectedProtocol =
  | { readonly kind: "http" }
  | {
      readonly kind: "stream";
      /** What the client said before it ended its side; it cannot be put back on its socket. */
      readonly early: Buffer;
      /** Its first line is not whole: `guardStream` must watch that it does not become HTTP. */
      readonly isGuarded: boolean;
    }
  | { readonly kind: "gone" };

/** How long a client that has begun to speak may leave it open whether it speaks HTTP, before it passes as a stream. */
const DETECTION_LIMIT_MS = 200;

/**
 * Finds out what a connection of an undeclared port carries: whoever speaks first decides, and both sides are open, so
 * a server that speaks first waits for nothing. What was said stays on the sockets.
 */
export async function detectProtocol(client: Socket, server: Socket, clock: Clock): Promise<DetectedProtocol> {
  const first = await awaitFirstSpeaker(server, (signal) =>
    peekBytes(client, recognizeHttp, { clock, verdictMs: DETECTION_LIMIT_MS, signal }),
  );
  if (first === "application") return STREAM;
  switch (first.kind) {
    case "judged":
      return first.verdict === "http" ? { kind: "http" } : STREAM;
    case "silent":
      return STREAM;
    case "ended":
      return { kind: "stream", early: first.bytes, isGuarded: false };
    case "undecided":
      return { kind: "stream", early: NO_BYTES, isGuarded: true };
    case "gone":
      return first;
  }
}

const NO_BYTES = Buffer.alloc(0);
const STREAM: DetectedProtocol = { kind: "stream", early: NO_BYTES, isGuarded: false };

/**
 * Watches a stream whose first line was not whole when it was let pass. Should it become a request, `onHttp` is called
 * before its bytes go on: a client must not get around the judging of requests by being slow. Call it before the
 * stream is carried.
 */
export function guardStream(client: Socket, onHttp: () => void): void {
  let bytes: Buffer = NO_BYTES;
  const onData = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk]);
    const protocol = recognizeHttp(bytes);
    if (protocol === undefined) return;
    client.off("data", onData);
    if (protocol === "http") onHttp();
  };
  // A listener that made the socket flow would lose what comes before the stream is carried.
  client.pause();
  client.on("data", onData);
}
