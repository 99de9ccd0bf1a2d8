import type { Socket } from "node:net";
import type { Clock } from "../../mesh/runtime.ts";
import { awaitFirstSpeaker } from "../connections/await-first-speaker.ts";
import { peekBytes } from "../connections/peek-bytes.ts";
import { recognizeHttp } from "./recognize-http.ts";

export type DetectedProtocol =
  | { readonly kind: "http" }
  /** @property early what the client said before it ended its side; it cannot be put back on its socket. */
  | { readonly kind: "stream"; readonly early: Buffer }
  /** It began like HTTP and did not go on. Passing it as a stream would be a way around the judging of requests. */
  | { readonly kind: "undecided" }
  | { readonly kind: "gone" };

/** How long a client that has begun to speak may leave it open whether it speaks HTTP. */
export const DETECTION_LIMIT_MS = 10_000;

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
      return { kind: "stream", early: first.bytes };
    case "undecided":
    case "gone":
      return { kind: first.kind };
  }
}

const STREAM: DetectedProtocol = { kind: "stream", early: Buffer.alloc(0) };
