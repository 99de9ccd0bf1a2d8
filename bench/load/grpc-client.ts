import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import type { Socket } from "node:net";
import { formatGrpcRequest, GrpcMessageCounter } from "./grpc-messages.ts";

/** How a call ended. */
export interface GrpcOutcome {
  readonly httpStatus: number | undefined;
  /** From the trailers, or from the head of a response that has nothing else. */
  readonly grpcStatus: string | undefined;
  readonly messages: number;
  readonly bytes: number;
}

/** A connection that carries calls; for checks and for streams, not for many small calls. */
export interface GrpcClient {
  /** @param streamedMessages 0: a unary call. Never rejects: a call that broke has no grpc-status. */
  call(streamedMessages: number): Promise<GrpcOutcome>;
  close(): void;
}

/** Where calls go: a port of loopback in plaintext, or a connection that is already open. */
export type GrpcTarget = { readonly port: number } | { readonly socket: Socket };

export const GRPC_PATH = "/bench.Bench/Get";
const WINDOW_BYTES = 1024 ** 2;
const CALL_TIMEOUT_MS = 10_000;

export function openGrpcClient(target: GrpcTarget): GrpcClient {
  const session = connect("http://127.0.0.1", {
    settings: { initialWindowSize: WINDOW_BYTES },
    ...("port" in target ? { port: target.port } : { createConnection: () => target.socket }),
  });
  session.on("error", () => undefined);
  session.on("connect", () => session.setLocalWindowSize(WINDOW_BYTES));
  return { call: (messages) => call(session, messages), close: () => session.destroy() };
}

/** What is wrong with a call that should have brought so many messages; `undefined`: nothing. */
export function findGrpcFault(outcome: GrpcOutcome, messages: number): string | undefined {
  if (outcome.httpStatus !== 200) return `the HTTP status is ${outcome.httpStatus}`;
  if (outcome.grpcStatus !== "0") return `the grpc-status is ${outcome.grpcStatus}`;
  return outcome.messages === messages ? undefined : `${outcome.messages} messages came instead of ${messages}`;
}

async function call(session: ClientHttp2Session, streamedMessages: number): Promise<GrpcOutcome> {
  const counter = new GrpcMessageCounter();
  let [httpStatus, grpcStatus, bytes]: [number | undefined, string | undefined, number] = [undefined, undefined, 0];
  const outcome = () => ({ httpStatus, grpcStatus, bytes, messages: counter.isBetweenMessages ? counter.count : -1 });
  const stream = openStream(session);
  if (stream === undefined) return outcome();
  const closed = new Promise((resolve) => stream.once("close", resolve));
  stream.on("error", () => undefined);
  stream.setTimeout(CALL_TIMEOUT_MS, () => stream.close());
  stream.on("response", (head) => {
    httpStatus = head[":status"];
    grpcStatus = statusOf(head["grpc-status"]);
  });
  stream.on("trailers", (trailers) => {
    grpcStatus = statusOf(trailers["grpc-status"]);
  });
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    counter.push(chunk);
  });
  stream.end(formatGrpcRequest(streamedMessages));
  await closed;
  return outcome();
}

/** `undefined`: the connection is closed. */
function openStream(session: ClientHttp2Session): ClientHttp2Stream | undefined {
  if (session.closed || session.destroyed) return undefined;
  const fields = { ":method": "POST", ":path": GRPC_PATH, "content-type": "application/grpc", te: "trailers" };
  return session.request(fields);
}

function statusOf(field: string | readonly string[] | undefined): string | undefined {
  return typeof field === "string" ? field : undefined;
}

/** Calls at a low rate until `until` settles, and says what was wrong with the first that failed. */
export async function watchGrpcStatus(port: number, until: Promise<unknown>): Promise<string | undefined> {
  const client = openGrpcClient({ port });
  const end = until.then(
    () => "end" as const,
    () => "end" as const,
  );
  try {
    let calls = 0;
    while (true) {
      const fault = findGrpcFault(await client.call(0), 1);
      calls += 1;
      if (fault !== undefined) return `call ${calls} beside the load: ${fault}`;
      const pause = new Promise<"pause">((resolve) => setTimeout(resolve, PAUSE_MS, "pause"));
      if ((await Promise.race([end, pause])) === "end") return undefined;
    }
  } finally {
    client.close();
  }
}

const PAUSE_MS = 100;
