/** For tests: concurrent requests with node:http2 in the client's pod, on one connection. */
import { once } from "node:events";
import { type ClientHttp2Stream, connect, constants } from "node:http2";
import { text } from "node:stream/consumers";
import type { Echo } from "./http-app-fixture.ts";

export interface Http2Job {
  readonly origin: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Each gets a request with so much content: `0123456789abcdef`, repeated. */
  readonly paths: readonly string[];
  readonly bodyBytes: number;
  /** Each gets a request that is cancelled in its response. */
  readonly cancelled: readonly string[];
}

export interface Http2Report {
  readonly responses: readonly { readonly status: number; readonly echo: Echo }[];
  /** How many of the cancelled requests had begun to receive their response. */
  readonly cancelled: number;
  /** How many errors the connection had. */
  readonly faults: number;
}

const job: Http2Job = JSON.parse(process.argv[2] ?? "{}");
const session = connect(job.origin);
let faults = 0;
session.on("error", () => {
  faults += 1;
});

const [responses, cancelled] = await Promise.all([
  Promise.all(job.paths.map(ask)),
  Promise.all(job.cancelled.map(cancel)),
]);
session.close();
process.stdout.write(JSON.stringify({ responses, cancelled: cancelled.length, faults } satisfies Http2Report));

function open(path: string): ClientHttp2Stream {
  return session.request({ ":method": "POST", ":path": path, ...job.headers });
}

async function ask(path: string): Promise<Http2Report["responses"][number]> {
  const stream = open(path);
  stream.end(Buffer.alloc(job.bodyBytes, "0123456789abcdef"));
  const [head] = await once(stream, "response");
  return { status: head[":status"], echo: JSON.parse(await text(stream)) };
}

async function cancel(path: string): Promise<void> {
  const stream = open(path);
  stream.end();
  await once(stream, "data");
  stream.close(constants.NGHTTP2_CANCEL);
  await once(stream, "close");
}
