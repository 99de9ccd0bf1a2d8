/** For tests: one request through the HTTP core, between sockets of which each write completes when the test says so. */
import { setImmediate } from "node:timers/promises";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import type { ConnectionPool } from "../../mesh/policy/types.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { asSocket } from "../connections/fake-socket-fixture.ts";
import { DeferredSocket, readOf } from "../connections/memory/read-memory-fixture.ts";
import { createRecordingMeter } from "../telemetry/recording-meter-fixture.ts";
import { serveClient } from "./downstream/serve-client.ts";
import type { ForwardPlan } from "./exchange/request-plan.ts";
import { createHttpContext } from "./http-context.ts";
import { IdleQuota } from "./pool/idle-quota.ts";
import { UpstreamPool } from "./pool/upstream-pool.ts";
import { EDITS } from "./pool/upstream-pool-fixture.ts";
import type { DialedUpstream } from "./upstream/upstream-connection.ts";

const SETTINGS: ConnectionPool = { httpVersion: "1.1" };
const METER = createRecordingMeter().meter;
const RETRIES = {
  ...{ attempts: 3, perTryTimeoutMs: undefined, onConnectFailure: true, onReset: true, onRefusedStream: true },
  ...{ onStatus: () => false, onGrpcStatus: () => false },
};
const HEAD_END = "\r\n\r\n";

/** What one message is made of, and how it may be framed. */
export interface Message {
  readonly content: Buffer;
  /** Sizes of its chunks; empty: it has a length. */
  readonly chunks: readonly number[];
}

/** The body as it is on the wire. */
export function encode({ content, chunks }: Message): Buffer {
  if (chunks.length === 0) return content;
  const parts: Buffer[] = [];
  for (let at = 0, index = 0; at < content.length; index += 1) {
    const size = Math.min(chunks[index % chunks.length] ?? 1, content.length - at);
    parts.push(Buffer.from(`${size.toString(16)}\r\n`), content.subarray(at, at + size), Buffer.from("\r\n"));
    at += size;
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

function framing({ content, chunks }: Message): string {
  return chunks.length === 0 ? `Content-Length: ${content.length}` : "Transfer-Encoding: chunked";
}

/** What a peer has received behind the head. */
export function bodyOf(socket: DeferredSocket): Buffer {
  const { received } = socket;
  const end = received.indexOf(HEAD_END);
  return end < 0 ? Buffer.alloc(0) : received.subarray(end + HEAD_END.length);
}

/** A client, the proxy and a server at two addresses. Nothing moves but by the steps of the test. */
export class DeferredWorld {
  readonly client = new DeferredSocket();
  readonly servers: DeferredSocket[] = [];
  readonly #request: Buffer;
  readonly #response: Buffer;
  readonly requestBody: Buffer;
  #sent = 0;
  #responded = 0;

  constructor(version: "1.0" | "1.1", request: Message, response: Message) {
    this.requestBody = encode(request);
    const head = `PUT / HTTP/${version}\r\nHost: a\r\n${framing(request)}${HEAD_END}`;
    this.#request = Buffer.concat([Buffer.from(head), this.requestBody]);
    this.#response = Buffer.concat([
      Buffer.from(`HTTP/1.1 200 OK\r\n${framing(response)}${HEAD_END}`),
      encode(response),
    ]);
    this.#serve();
  }

  get server(): DeferredSocket | undefined {
    return this.servers.at(-1);
  }

  sendRequest(bytes: number): boolean {
    const part = this.#request.subarray(this.#sent, this.#sent + bytes);
    if (part.length === 0 || this.client.destroyed) return false;
    this.#sent += part.length;
    this.client.push(readOf(part));
    return true;
  }

  /** A server responds when it has all of the request. */
  sendResponse(bytes: number): boolean {
    const { server } = this;
    if (server === undefined || server.destroyed || bodyOf(server).length < this.requestBody.length) return false;
    const part = this.#response.subarray(this.#responded, this.#responded + bytes);
    if (part.length === 0) return false;
    this.#responded += part.length;
    server.push(readOf(part));
    return true;
  }

  reset(): boolean {
    this.server?.destroy();
    return false;
  }

  /** A step of each peer, as long as there is one. */
  async finish(): Promise<void> {
    for (let idle = 0; idle < 3; ) {
      const moves = [this.sendRequest(70_000), this.sendResponse(70_000), this.client.complete()];
      moves.push(...this.servers.map((server) => server.complete()));
      idle = moves.includes(true) ? 0 : idle + 1;
      await setImmediate();
    }
  }

  #serve(): void {
    const clock = new FakeClock();
    const log = new RecordingLogger();
    const context = createHttpContext({
      clock,
      random: () => 0,
      log,
      meters: { requestMeter: () => METER, countVerdict: () => undefined },
      drain: undefined,
    });
    const endpoints = [1, 2].map((number) => ({ ip: `10.0.0.${number}`, port: 80, mutualTls: false }));
    const pool = new UpstreamPool({
      idleQuota: new IdleQuota(10),
      ...{ endpoints: () => endpoints, settings: () => SETTINGS, messageLimits: context.messageLimits },
      describe: () => "",
      dial: () => Promise.resolve(this.#dial()),
      deadlines: context.deadlines,
      random: () => 0,
      closing: new AbortController().signal,
    });
    const plan: ForwardPlan = {
      kind: "forward",
      pool,
      edits: EDITS,
      retries: RETRIES,
      ...{ responseHeaders: undefined, timeoutMs: undefined, delayMs: undefined, route: "", cluster: "" },
    };
    serveClient(asSocket(this.client), {
      protocol: "http1",
      facts: {
        direction: "outbound",
        client: "",
        destination: "",
        peer: "",
        meter: () => METER,
      },
      context,
      pathNormalization: () => "BASE",
      planRequest: () => plan,
      early: Buffer.alloc(0),
      isCurrent: () => true,
      onFault: () => undefined,
    });
  }

  #dial(): DialedUpstream {
    const socket = new DeferredSocket();
    socket.on("error", () => undefined);
    this.servers.push(socket);
    const facts = { address: "10.0.0.1:80", peer: "", idleMs: 1000, isCurrent: () => true, meter: undefined };
    return { kind: "connected", socket: asSocket(socket), protocol: "http1", ...facts };
  }
}
