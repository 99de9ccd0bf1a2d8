/**
 * Runs in a pod: calls `hello.v1.Hello/SayHello` of examples/hello-grpc on one connection, one call after the other, and
 * prints what came back as a line of JSON each. The pod's image has Node alone, so gRPC's framing is made here.
 */
import { connect } from "node:http2";

interface Job {
  /** `http://host:port`. */
  readonly url: string;
  readonly headers?: Record<string, string>;
  readonly count: number;
}

const job: Job = JSON.parse(process.argv[1] ?? "");
const TIMEOUT_MS = 10_000;
/** `name: "x"` of HelloRequest, behind gRPC's prefix of 5 bytes. */
const REQUEST = Buffer.from([0, 0, 0, 0, 3, 0x0a, 1, 0x78]);
/** The fields of HelloResponse by their numbers; each is a text, and shorter than 16 KB. */
const FIELDS: Readonly<Record<number, string>> = { 1: "text", 2: "pod", 3: "caller" };

const session = connect(job.url);
let fault: string | undefined;
session.on("error", (error: NodeJS.ErrnoException) => {
  fault = error.code ?? error.message;
});
for (let index = 0; index < job.count; index += 1) process.stdout.write(`${JSON.stringify(await call())}\n`);
session.destroy();

function call(): Promise<unknown> {
  return new Promise((resolve) => {
    if (session.destroyed) return resolve({ error: "the connection is closed" });
    const stream = session.request({
      ...{ ":method": "POST", ":path": "/hello.v1.Hello/SayHello", "content-type": "application/grpc", te: "trailers" },
      ...job.headers,
    });
    let status = "";
    const pieces: Buffer[] = [];
    const readStatus = (fields: { readonly "grpc-status"?: string | string[] | undefined }): void => {
      status = String(fields["grpc-status"] ?? status);
    };
    stream.setTimeout(TIMEOUT_MS, () => stream.destroy(new Error("timeout")));
    stream.on("response", readStatus);
    stream.on("trailers", readStatus);
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    stream.once("error", (error: NodeJS.ErrnoException) => {
      // What ended the connection comes a moment later.
      setImmediate(() => resolve({ error: fault ?? error.code ?? error.message }));
    });
    stream.once("close", () => {
      if (stream.errored === null) resolve({ status, ...readMessage(Buffer.concat(pieces).subarray(5)) });
    });
    stream.end(REQUEST);
  });
}

/** Reads texts: a key (number times 8 plus 2), the length as a varint of at most two bytes, and the text. */
function readMessage(bytes: Buffer): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const name = FIELDS[(bytes[at] ?? 0) >> 3] ?? "unknown";
    const [low = 0, high = 0] = [bytes[at + 1], bytes[at + 2]];
    const start = low < 128 ? at + 2 : at + 3;
    const length = low < 128 ? low : (low & 127) + high * 128;
    fields[name] = bytes.toString("utf8", start, start + length);
    at = start + length;
  }
  return fields;
}
