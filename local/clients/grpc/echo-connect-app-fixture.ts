/** For tests: the echo service on connect-node. */
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { Echo, type Piece } from "../api/gen/echo_pb.ts";
import type { Report } from "../http-app-fixture.ts";
import { FAILURE, sha256 } from "./echo-calls-fixture.ts";
import { reportCall } from "./grpc-app-fixture.ts";

export function addEchoService(router: ConnectRouter, report: Report): void {
  router.service(Echo, {
    unary: async (piece, context) => {
      await begin(piece, context, report);
      return piece;
    },
    async *serverStream(piece, context) {
      await begin(piece, context, report);
      for (let number = 0; number < piece.count; number += 1) yield { number, content: piece.content };
    },
    clientStream: async (pieces, context) => {
      reportCall(context, report);
      const contents: Uint8Array[] = [];
      for await (const { content } of pieces) contents.push(content);
      const bytes = contents.reduce((sum, { length }) => sum + length, 0);
      return { messages: contents.length, bytes: BigInt(bytes), sha256: sha256(...contents) };
    },
    async *bidi(pieces, context) {
      reportCall(context, report);
      for await (const piece of pieces) yield piece;
    },
  });
}

async function begin({ failWith, delayMs }: Piece, context: HandlerContext, report: Report): Promise<void> {
  reportCall(context, report);
  const { requestHeader, responseHeader, responseTrailer } = context;
  const text = requestHeader.get("x-ask");
  const binary = requestHeader.get("x-ask-bin");
  if (text !== null) responseHeader.set("x-echo", text);
  if (binary !== null) responseHeader.set("x-echo-bin", binary);
  if (text !== null) responseTrailer.set("x-echo-trailer", text);
  if (failWith > 0) throw new ConnectError(FAILURE.message, failWith, { "x-detail": FAILURE.detail });
  // At the deadline the signal's reason has the status; an AbortError would become INTERNAL.
  if (delayMs > 0)
    await sleep(delayMs, undefined, { signal: context.signal }).catch(() => context.signal.throwIfAborted());
}
