/**
 * For tests: calls a gRPC service from inside a pod until a file exists, and prints what came of it as JSON. Unary calls
 * use connect-node. Long streams use node:http2, whose clients see GOAWAY: then they end their stream, and open the next
 * one on a new connection.
 */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Echo } from "../clients/api/gen/echo_pb.ts";
import type { GrpcLoadJob, GrpcLoadReport } from "./grpc-load-fixture.ts";

const job: GrpcLoadJob = JSON.parse(process.argv[2] ?? "{}");
const STREAM_PATH = `/${Echo.typeName}/Bidi`;
/** An empty message in gRPC's framing. */
const MESSAGE = Buffer.alloc(5);
const CALL_TIMEOUT_MS = 30_000;
const startedMs = Date.now();
const failures: string[] = [];
const streams = { messages: 0, endedAfterGoaway: 0, endedByServer: 0 };
let succeeded = 0;

await Promise.all([
  ...Array.from({ length: job.clients }, (_, index) => callUnary(index)),
  ...Array.from({ length: job.streams }, (_, index) => holdStreams(index)),
]);
process.stdout.write(JSON.stringify({ succeeded, failures, streams } satisfies GrpcLoadReport));

function isOver(): boolean {
  return existsSync(job.stopFile);
}

function fail(what: string): void {
  failures.push(`${Date.now() - startedMs} ms, ${what}`);
}

async function callUnary(index: number): Promise<void> {
  const sessionManager = new Http2SessionManager(job.url);
  const client = createClient(Echo, createGrpcTransport({ baseUrl: job.url, sessionManager }));
  for (let number = 0; !isOver(); number += 1) {
    try {
      const call = () => client.unary({ number }, { timeoutMs: CALL_TIMEOUT_MS });
      await call().catch((caught: unknown) => (mayRepeat(caught) ? call() : Promise.reject(caught)));
      succeeded += 1;
    } catch (caught) {
      fail(`client ${index}: ${ConnectError.from(caught).message}`);
    }
    await sleep(job.pauseMs);
  }
  sessionManager.abort();
}

function mayRepeat(caught: unknown): boolean {
  return job.repeats === "refused calls" && /NGHTTP2_REFUSED_STREAM/.test(ConnectError.from(caught).message);
}

async function holdStreams(index: number): Promise<void> {
  while (!isOver()) {
    const session = connect(job.url);
    session.on("error", (error) => fail(`the connection of stream ${index}: ${error.message}`));
    try {
      streams[await holdStream(session)] += 1;
    } catch (caught) {
      fail(`stream ${index}: ${caught}`);
    }
    session.close();
  }
}

/** Sends a message, waits until it is back, pauses, and so on, until the server ends the stream or wants to be left. */
async function holdStream(session: ClientHttp2Session): Promise<"endedAfterGoaway" | "endedByServer"> {
  let isTold = false;
  session.once("goaway", () => {
    isTold = true;
  });
  const stream = session.request({
    ...{ ":method": "POST", ":path": STREAM_PATH, ":scheme": "http", ":authority": new URL(job.url).host },
    ...{ te: "trailers", "content-type": "application/grpc" },
  });
  const ended = endOf(stream);
  ended.catch(() => undefined);
  for (let isEnded = false; !isEnded && !isTold && !isOver(); ) {
    const back = once(stream, "data", { signal: AbortSignal.timeout(CALL_TIMEOUT_MS) });
    stream.write(MESSAGE);
    isEnded = await Promise.race([back.then(() => false), ended.then(() => true)]);
    back.catch(() => undefined);
    streams.messages += isEnded ? 0 : 1;
    if (!isEnded) isEnded = await Promise.race([sleep(job.pauseMs, false), ended.then(() => true)]);
  }
  const isByServer = !(isTold || isOver());
  stream.end();
  const status = await ended;
  if (status !== "0") throw new Error(`grpc-status ${status}`);
  return isByServer ? "endedByServer" : "endedAfterGoaway";
}

/** The grpc-status with which the stream ends. */
async function endOf(stream: ClientHttp2Stream): Promise<string> {
  let status = "none";
  stream.on("trailers", (trailers) => {
    status = String(trailers["grpc-status"]);
  });
  await once(stream, "close");
  return stream.rstCode === 0 ? status : `none: the stream was reset with code ${stream.rstCode}`;
}
