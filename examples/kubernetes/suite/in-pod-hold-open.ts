/**
 * Runs in a pod: opens a request, a gRPC stream or a TCP stream whose server sends something and does not end it. Prints
 * `open` when the first bytes have arrived, and when it is over how it ended as JSON. The end of its input ends it, too.
 */
import { request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import type { Readable } from "node:stream";
import { connect as connectTls } from "node:tls";

interface Job {
  readonly kind: "request" | "grpc" | "tcp";
  readonly host: string;
  readonly port: number;
  /** A TCP stream is sent in mutual TLS with this certificate, PEM. @default plaintext, for the pod's sidecar */
  readonly certificate?: string;
  /** PEM. */
  readonly key?: string;
}

const job: Job = JSON.parse(process.argv[1] ?? "");
/** An empty message behind gRPC's prefix. */
const MESSAGE = Buffer.alloc(5);
let isOver = false;

process.stdin.resume().once("end", () => end("stopped"));
switch (job.kind) {
  case "request":
    holdRequest();
    break;
  case "grpc":
    holdGrpc();
    break;
  case "tcp":
    watch(job.certificate === undefined ? connect(job.port, job.host) : connectAsSidecar());
}

/** As a sidecar connects to another one. The server is not verified: whose certificate this client has is the question. */
function connectAsSidecar(): Readable {
  const { host, port, certificate: cert = "", key = "" } = job;
  return connectTls({ host, port, cert, key, ALPNProtocols: ["istio"], rejectUnauthorized: false });
}

function holdRequest(): void {
  const sent = request({ host: job.host, port: job.port, path: "/" });
  sent.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  sent.once("response", (response) => {
    if (response.statusCode === 200) watch(response);
    else end(`status ${response.statusCode}`);
  });
  sent.end();
}

function holdGrpc(): void {
  const session = connectHttp2(`http://${job.host}:${job.port}`);
  session.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  const stream = session.request({
    ...{ ":method": "POST", ":path": "/held.Held/Hold", "content-type": "application/grpc", te: "trailers" },
  });
  const readStatus = (fields: { readonly "grpc-status"?: string | string[] | undefined }): void => {
    if (fields["grpc-status"] !== undefined) end(`grpc-status ${String(fields["grpc-status"])}`);
  };
  stream.on("response", readStatus);
  stream.on("trailers", readStatus);
  stream.write(MESSAGE);
  watch(stream);
  stream.once("close", () => end(`RST_STREAM ${stream.rstCode}`));
}

function watch(stream: Readable): void {
  stream.once("data", () => process.stdout.write("open\n"));
  stream.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  // An error may follow.
  stream.once("end", () => setImmediate(end, "end of stream"));
}

function end(reason: string): void {
  if (isOver) return;
  isOver = true;
  process.stdout.write(`${JSON.stringify({ reason })}\n`, () => process.exit(0));
}
