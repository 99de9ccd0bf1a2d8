/** For tests: the echo service on @grpc/grpc-js. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerReadableStream,
} from "@grpc/grpc-js";
import type { Piece, PieceSchema, SummarySchema } from "../api/gen/echo_pb.ts";
import type { Report } from "../http-app-fixture.ts";
import { FAILURE, sha256 } from "./echo-calls-fixture.ts";
import { ECHO } from "./echo-definition-fixture.ts";

type PieceInit = MessageInitShape<typeof PieceSchema>;
type Call = Pick<ServerReadableStream<Piece, PieceInit>, "metadata" | "sendMetadata" | "getPath">;

/** Messages of any size. */
const OPTIONS = { "grpc.max_receive_message_length": -1 };

export function startGrpcJsEcho(port: number, report: Report): void {
  const server = new Server(OPTIONS);
  server.addService(ECHO, createHandlers(report));
  server.bindAsync(`0.0.0.0:${port}`, ServerCredentials.createInsecure(), (error) => {
    if (error !== null) throw error;
  });
}

function createHandlers(report: Report) {
  const unary: handleUnaryCall<Piece, PieceInit> = (call, respond) => {
    const trailers = begin(call, report);
    const { failWith, delayMs } = call.request;
    if (failWith > 0) respond(failureOf(failWith));
    else setTimeout(respond, delayMs, null, call.request, trailers);
  };
  const serverStream: handleServerStreamingCall<Piece, PieceInit> = (call) => {
    const trailers = begin(call, report);
    const { failWith, count, content } = call.request;
    if (failWith > 0) return void call.emit("error", failureOf(failWith));
    for (let number = 0; number < count; number += 1) call.write({ number, content });
    call.end(trailers);
  };
  const clientStream: handleClientStreamingCall<Piece, MessageInitShape<typeof SummarySchema>> = (call, respond) => {
    reportGrpcJsCall(call, report);
    const contents: Uint8Array[] = [];
    call.on("data", ({ content }: Piece) => contents.push(content));
    call.on("end", () => {
      const bytes = contents.reduce((sum, { length }) => sum + length, 0);
      respond(null, { messages: contents.length, bytes: BigInt(bytes), sha256: sha256(...contents) });
    });
  };
  const bidi: handleBidiStreamingCall<Piece, PieceInit> = (call) => {
    reportGrpcJsCall(call, report);
    call.on("data", (piece: Piece) => call.write(piece));
    call.on("end", () => call.end());
  };
  return { unary, serverStream, clientStream, bidi };
}

/** Sends the response's metadata, and returns the trailing one. */
function begin(call: Call, report: Report): Metadata {
  reportGrpcJsCall(call, report);
  const [head, trailers] = [new Metadata(), new Metadata()];
  for (const text of call.metadata.get("x-ask")) {
    head.set("x-echo", text);
    trailers.set("x-echo-trailer", text);
  }
  for (const binary of call.metadata.get("x-ask-bin")) head.set("x-echo-bin", binary);
  call.sendMetadata(head);
  return trailers;
}

function failureOf(code: number) {
  const metadata = new Metadata();
  metadata.set("x-detail", FAILURE.detail);
  return { code, details: FAILURE.message, metadata };
}

function reportGrpcJsCall(call: Call, report: Report): void {
  const headers = Object.entries(call.metadata.getMap()).map(([name, value]) => [name, String(value)]);
  const path = call.getPath();
  report({ method: "POST", path, version: "2.0", headers: Object.fromEntries(headers), bytes: 0, sha256: "" });
}
