/** For tests: all kinds of calls with connect-node in the client's pod, on one connection. */
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectError, createClient, decodeBinaryHeader, encodeBinaryHeader } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Echo } from "../api/gen/echo_pb.ts";
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

const { origin, metadata: headers }: EchoJob = JSON.parse(process.argv[2] ?? "{}");
const sessionManager = new Http2SessionManager(origin);
const client = createClient(Echo, createGrpcTransport({ baseUrl: origin, sessionManager }));

const numbers = Array.from({ length: UNARY_CALLS }, (_, number) => number);
const unary = await Promise.all(numbers.map(async (number) => (await client.unary({ number }, { headers })).number));
const large = await client.unary({ content: LARGE_CONTENT }, { headers });
const report: EchoReport = {
  unary,
  large: sha256(large.content),
  metadata: await callForMetadata(),
  serverStream: await callServerStream(),
  clientStream: await callClientStream(),
  bidi: await callBidi(),
  failed: await failureOf(client.unary({ failWith: 9 }, { headers })),
  failedStream: (await failureOf(drain(client.serverStream({ failWith: 5 }, { headers })))).code,
  late: (await failureOf(client.unary({ delayMs: 10_000 }, { headers, timeoutMs: LATE_MS }))).code,
  cancelled: await cancelBidi(),
};
sessionManager.abort();
process.stdout.write(JSON.stringify(report));

async function callForMetadata(): Promise<EchoReport["metadata"]> {
  let [text, binary, trailing] = ["", "", ""];
  await client.unary(
    {},
    {
      headers: { ...headers, "x-ask": ASKED.text, "x-ask-bin": encodeBinaryHeader(ASKED.binary) },
      onHeader: (received) => {
        text = received.get("x-echo") ?? "";
        binary = Buffer.from(decodeBinaryHeader(received.get("x-echo-bin") ?? "")).toString("hex");
      },
      onTrailer: (received) => {
        trailing = received.get("x-echo-trailer") ?? "";
      },
    },
  );
  return [text, binary, trailing];
}

async function callServerStream(): Promise<EchoReport["serverStream"]> {
  const contents = await drain(client.serverStream({ count: STREAM_MESSAGES, content: STREAM_CONTENT }, { headers }));
  return [contents.length, sha256(...contents)];
}

async function drain(pieces: AsyncIterable<{ readonly content: Uint8Array }>): Promise<readonly Uint8Array[]> {
  const contents: Uint8Array[] = [];
  for await (const { content } of pieces) contents.push(content);
  return contents;
}

async function callClientStream(): Promise<EchoReport["clientStream"]> {
  const pieces = (async function* () {
    for (let number = 0; number < STREAM_MESSAGES; number += 1) yield { number, content: STREAM_CONTENT };
  })();
  const summary = await client.clientStream(pieces, { headers });
  return [summary.messages, Number(summary.bytes), summary.sha256];
}

/** Each message is sent when the one before has come back. */
async function callBidi(): Promise<readonly number[]> {
  const received: number[] = [];
  let isBack = Promise.withResolvers<void>();
  const pieces = (async function* () {
    for (let number = 0; number < BIDI_MESSAGES; number += 1) {
      yield { number };
      await isBack.promise;
      isBack = Promise.withResolvers<void>();
    }
  })();
  for await (const { number } of client.bidi(pieces, { headers })) {
    received.push(number);
    isBack.resolve();
  }
  return received;
}

async function cancelBidi(): Promise<number> {
  const cancelling = new AbortController();
  const pieces = (async function* () {
    yield { number: 1 };
    await sleep(10_000, undefined, { signal: cancelling.signal }).catch(() => undefined);
  })();
  const call = async (): Promise<void> => {
    for await (const _ of client.bidi(pieces, { headers, signal: cancelling.signal })) cancelling.abort();
  };
  return (await failureOf(call())).code;
}

async function failureOf(call: Promise<unknown>): Promise<FailedCall> {
  try {
    await call;
    return { code: 0, message: "it succeeded", detail: "" };
  } catch (caught) {
    const { code, rawMessage, metadata } = ConnectError.from(caught);
    return { code, message: rawMessage, detail: metadata.get("x-detail") ?? "" };
  }
}
