/** For tests: all kinds of calls with @grpc/grpc-js in the client's pod, on one connection. */
import { once } from "node:events";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CallOptions, Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Piece, PieceSchema } from "../api/gen/echo_pb.ts";
import {
  ASKED,
  BIDI_MESSAGES,
  type EchoJob,
  type EchoReport,
  type FailedCall,
  LARGE_CONTENT,
  LATE_MS,
  STREAM_CONTENT,
  STREAM_MESSAGES,
  sha256,
  UNARY_CALLS,
} from "./echo-calls-fixture.ts";
import { ECHO } from "./echo-definition-fixture.ts";

type PieceInit = MessageInitShape<typeof PieceSchema>;

const job: EchoJob = JSON.parse(process.argv[2] ?? "{}");
const client = new Client(new URL(job.origin).host, credentials.createInsecure(), {
  "grpc.max_receive_message_length": -1,
  "grpc.enable_retries": 0,
});

const numbers = Array.from({ length: UNARY_CALLS }, (_, number) => number);
const unary = await Promise.all(numbers.map(async (number) => (await callUnary({ number })).number));
const large = await callUnary({ content: LARGE_CONTENT });
const report: EchoReport = {
  unary,
  large: sha256(large.content),
  metadata: await callForMetadata(),
  serverStream: await callServerStream(),
  clientStream: await callClientStream(),
  bidi: await callBidi(),
  failed: await failureOf(callUnary({ failWith: 9 })),
  failedStream: (await failureOf(drain(openServerStream({ failWith: 5 })))).code,
  late: (await failureOf(callUnary({ delayMs: 10_000 }, { deadline: Date.now() + LATE_MS }))).code,
  cancelled: await cancelBidi(),
};
client.close();
process.stdout.write(JSON.stringify(report));

function metadataOf(more: Readonly<Record<string, string | Buffer>> = {}): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries({ ...job.metadata, ...more })) metadata.set(name, value);
  return metadata;
}

function callUnary(piece: PieceInit, options: CallOptions = {}): Promise<Piece> {
  const { path, requestSerialize, responseDeserialize } = ECHO.unary;
  return new Promise((resolve, reject) => {
    const done = (error: ServiceError | null, response?: Piece): void => {
      if (response === undefined) reject(error);
      else resolve(response);
    };
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, piece, metadataOf(), options, done);
  });
}

async function callForMetadata(): Promise<EchoReport["metadata"]> {
  const { path, requestSerialize, responseDeserialize } = ECHO.unary;
  const metadata = metadataOf({ "x-ask": ASKED.text, "x-ask-bin": ASKED.binary });
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const call = client.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, metadata, resolve);
  const [[head], [status]] = await Promise.all([once(call, "metadata"), once(call, "status"), promise]);
  const [text, binary] = [head.get("x-echo")[0], head.get("x-echo-bin")[0]];
  return [String(text), Buffer.from(binary).toString("hex"), String(status.metadata.get("x-echo-trailer")[0])];
}

function openServerStream(piece: PieceInit) {
  const { path, requestSerialize, responseDeserialize } = ECHO.serverStream;
  return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, piece, metadataOf());
}

async function callServerStream(): Promise<EchoReport["serverStream"]> {
  const contents = await drain(openServerStream({ count: STREAM_MESSAGES, content: STREAM_CONTENT }));
  return [contents.length, sha256(...contents)];
}

async function drain(pieces: AsyncIterable<Piece>): Promise<readonly Uint8Array[]> {
  const contents: Uint8Array[] = [];
  for await (const { content } of pieces) contents.push(content);
  return contents;
}

function callClientStream(): Promise<EchoReport["clientStream"]> {
  const { path, requestSerialize, responseDeserialize } = ECHO.clientStream;
  return new Promise((resolve, reject) => {
    const call = client.makeClientStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadataOf(),
      (error, summary) => {
        if (summary === undefined) reject(error);
        else resolve([summary.messages, Number(summary.bytes), summary.sha256]);
      },
    );
    for (let number = 0; number < STREAM_MESSAGES; number += 1) call.write({ number, content: STREAM_CONTENT });
    call.end();
  });
}

function openBidi() {
  const { path, requestSerialize, responseDeserialize } = ECHO.bidi;
  return client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadataOf());
}

/** Each message is sent when the one before has come back. */
async function callBidi(): Promise<readonly number[]> {
  const call = openBidi();
  const received: number[] = [];
  call.write({ number: 0 });
  for await (const { number } of call) {
    received.push(number);
    if (received.length === BIDI_MESSAGES) call.end();
    else call.write({ number: received.length });
  }
  return received;
}

async function cancelBidi(): Promise<number> {
  const call = openBidi();
  call.write({ number: 1 });
  call.once("data", () => call.cancel());
  return (await failureOf(drain(call))).code;
}

async function failureOf(call: Promise<unknown>): Promise<FailedCall> {
  try {
    await call;
    return { code: 0, message: "it succeeded", detail: "" };
  } catch (caught) {
    const error: Partial<ServiceError> = caught instanceof Error ? caught : {};
    const detail = String(error.metadata?.get("x-detail")[0] ?? "");
    return { code: error.code ?? -1, message: error.details ?? String(caught), detail };
  }
}
