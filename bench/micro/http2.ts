/** What the HTTP/2 engine costs: ns a request and its response in each role, and MB/s of DATA. See ../README.md. */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import type { OutputFields } from "../../proxy/http2/connection/header-block-writer.ts";
import { Http2ClientConnection } from "../../proxy/http2/connection/http2-client-connection.ts";
import { Http2ServerConnection } from "../../proxy/http2/connection/http2-server-connection.ts";
import { MESH_HTTP2_LIMITS } from "../../proxy/http2/http2-limits.ts";
import { describeRun, formatCaption } from "../describe-run.ts";
import { alignColumns } from "../report/format-table.ts";
import { median } from "../report/median.ts";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "100000" },
    megabytes: { type: "string", default: "1000" },
    rounds: { type: "string", default: "7" },
  },
});

/** Requests that are opened, answered and flushed together, as by one turn of a busy event loop. */
const BATCH = 50;
const VARIANTS = 512;
/** A read of TLS brings at most one record; an engine's output is handed over in such pieces. */
const READ_BYTES = 16_384;
const BODY = Buffer.alloc(65_536, "x");

function listFields(pairs: readonly (readonly [string, string])[]): OutputFields {
  return {
    writeTo: (writer) => {
      for (const [name, value] of pairs) writer.field(name, value);
    },
  };
}

/** With the four pseudo-fields, 8 fields. */
const requestFields = Array.from({ length: VARIANTS }, (_, variant) =>
  listFields([
    ["user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"],
    ["accept", "*/*"],
    ["x-request-id", `f058ebd6-02f7-4d3f-942e-9043${String(variant).padStart(8, "0")}`],
    ["x-forwarded-proto", "https"],
  ]),
);
const paths = Array.from({ length: VARIANTS }, (_, variant) => `/api/items/${variant}?page=2`);
/** With `:status`, 8 fields. */
const responseFields = Array.from({ length: VARIANTS }, (_, variant) =>
  listFields([
    ["content-type", "application/json; charset=utf-8"],
    ["content-length", "0"],
    ["date", `Thu, 26 Nov 2026 10:${String(variant % 60).padStart(2, "0")}:00 GMT`],
    ["server", "istio-envoy"],
    ["cache-control", "no-cache"],
    ["vary", "accept-encoding"],
    ["x-envoy-upstream-service-time", String(variant % 10)],
  ]),
);

/** The processor's time of this thread in ns; waiting for other processes is not in it. */
function cpuNs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) * 1000;
}

/** Two engines and the processor's time that each has used. */
class Pair {
  readonly client = new Http2ClientConnection<number>({ nowMs: 0, limits: MESH_HTTP2_LIMITS });
  readonly server = new Http2ServerConnection<number>({ nowMs: 0, limits: MESH_HTTP2_LIMITS });
  clientNs = 0;
  serverNs = 0;
  served = 0;
  completed = 0;
  receivedBytes = 0;

  /** One batch of requests without content, each with a response without content. */
  exchangeBatch(): void {
    const started = cpuNs();
    for (let index = 0; index < BATCH; index += 1) this.#request(index);
    const requests = take(this.client);
    const sent = cpuNs();
    this.#serve(requests);
    const responses = take(this.server);
    const served = cpuNs();
    this.#complete(responses);
    const done = cpuNs();
    this.clientNs += sent - started + done - served;
    this.serverNs += served - sent;
  }

  /** Sends content from the server to the client on one stream; both engines' work counts. */
  transfer(bytes: number): void {
    const stream = this.#request(0);
    for (const piece of take(this.client)) {
      for (const event of this.server.receive(piece, 0)) {
        if (event.kind === "head") this.server.respond(event.stream, 200, listFields([]), false);
        if (event.kind === "head") this.#pump(event.stream, bytes);
      }
    }
    this.client.release(stream);
    this.receivedBytes = 0;
  }

  #pump(stream: Parameters<Http2ServerConnection<number>["sendData"]>[0], bytes: number): void {
    for (let sent = 0; sent < bytes; sent += BODY.length) {
      this.server.sendData(stream, BODY, sent + BODY.length >= bytes);
      while (stream.queuedBytes > 0) this.#exchangeContent();
    }
  }

  #exchangeContent(): void {
    for (const piece of take(this.server)) {
      for (let at = 0; at < piece.length; at += READ_BYTES) {
        for (const event of this.client.receive(piece.subarray(at, at + READ_BYTES), 0)) {
          if (event.kind !== "data") continue;
          this.receivedBytes += event.bytes.length;
          this.client.consume(event.stream, event.bytes.length);
        }
      }
    }
    for (const piece of take(this.client)) this.server.receive(piece, 0);
  }

  #request(index: number) {
    const variant = (this.served + index) % VARIANTS;
    const fields = requestFields[variant] ?? listFields([]);
    const authority = "hello.default.svc.cluster.local:8080";
    const head = { method: "GET", scheme: "https", authority, path: paths[variant] ?? "/", fields };
    const stream = this.client.request(head, true);
    if (stream === undefined) throw new Error("the client has no capacity");
    return stream;
  }

  #serve(pieces: readonly Buffer[]): void {
    for (const piece of pieces) {
      for (const event of this.server.receive(piece, 0)) {
        if (event.kind !== "head") continue;
        this.server.respond(event.stream, 200, responseFields[this.served % VARIANTS] ?? listFields([]), true);
        this.server.release(event.stream);
        this.served += 1;
      }
    }
  }

  #complete(pieces: readonly Buffer[]): void {
    for (const piece of pieces) {
      for (const event of this.client.receive(piece, 0)) {
        if (event.kind !== "head") continue;
        this.client.release(event.stream);
        this.completed += 1;
      }
    }
  }
}

/** A flush; the pieces are joined, as a socket's reader gets them. */
function take(connection: { readonly hasOutput: boolean; takeOutput(): readonly Buffer[] }): readonly Buffer[] {
  const pieces: Buffer[] = [];
  while (connection.hasOutput) pieces.push(...connection.takeOutput());
  return pieces;
}

interface Costs {
  readonly clientNs: number;
  readonly serverNs: number;
  readonly megabytesPerSecond: number;
}

function measure(requests: number, megabytes: number): Costs {
  const pair = new Pair();
  while (pair.completed < requests) pair.exchangeBatch();
  const started = cpuNs();
  pair.transfer(megabytes * 1_000_000);
  const seconds = (cpuNs() - started) / 1e9;
  return {
    clientNs: pair.clientNs / pair.completed,
    serverNs: pair.serverNs / pair.completed,
    megabytesPerSecond: megabytes / seconds,
  };
}

const rounds = Number(values.rounds);
const costs: Costs[] = [];
for (let round = 0; round <= rounds; round += 1) {
  const cost = measure(Number(values.requests), Number(values.megabytes));
  if (round > 0) costs.push(cost); // The first round warms up.
}
const row = (name: string, figures: readonly number[], best: number): readonly string[] => [
  name,
  median(figures).toFixed(0),
  best.toFixed(0),
];
const client = costs.map(({ clientNs }) => clientNs);
const server = costs.map(({ serverNs }) => serverNs);
const speed = costs.map(({ megabytesPerSecond }) => megabytesPerSecond);
const table = alignColumns([
  ["HTTP/2 engine", "median", "best"],
  row("client, ns a request and response of 8 fields", client, Math.min(...client)),
  row("server, ns a request and response of 8 fields", server, Math.min(...server)),
  row("DATA through both, MB/s", speed, Math.max(...speed)),
]);
process.stdout.write(
  `${formatCaption(describeRun(new Date())).join("\n")}\nload ${loadavg()[0]?.toFixed(1)}, ${rounds} rounds\n${table}\n`,
);
