/** For tests: a pool whose connections are created by the test, without a network. */

import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import type { ConnectionPool } from "../../../mesh/policy/types.ts";
import type { SocketAddress } from "../../../net/socket-address.ts";
import { asSocket, FakeSocket } from "../../connections/fake-socket-fixture.ts";
import { HTTP1_LIMITS } from "../../http1/http1-limits.ts";
import { RequestFramer } from "../../http1/request-framer.ts";
import { settingsFrame } from "../../http2/frames/frame-fixture.ts";
import type { RequestEdits } from "../../messages/edits/head-edits.ts";
import type { HttpProtocol } from "../../messages/http-version.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { Deadlines } from "../deadlines.ts";
import type { DialedUpstream } from "../upstream/upstream-connection.ts";
import type { ResponseSink } from "../upstream/upstream-stream.ts";
import type { UpstreamFailure } from "./dial-failure.ts";
import type { PoolEndpoint } from "./endpoint-state.ts";
import { IdleQuota } from "./idle-quota.ts";
import { type TakenUpstream, UpstreamPool } from "./upstream-pool.ts";
import type { UpstreamPoolOptions } from "./upstream-pool-options.ts";

export const IDLE_MS = 10_000;

/** Accepts any response, and records how the connection was lost. */
export function createSink(): ResponseSink & { readonly heads: number[]; readonly lost: unknown[] } {
  const heads: number[] = [];
  const lost: unknown[] = [];
  const ignore = (): void => undefined;
  return {
    ...{ heads, lost },
    ...{ onPacketStart: ignore, onPacketEnd: ignore, onResponseBody: ignore, onResponseEnd: ignore },
    onUpstreamDrain: ignore,
    onResponseHead: ({ status }) => void heads.push(status),
    onUpstreamLost: (reason) => void lost.push(reason.kind === "malformed" ? reason.code : reason.kind),
  };
}

/** The head of a request with these field lines. */
export function requestHead(lines = ""): RequestHead {
  const [event] = new RequestFramer().push(Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`));
  if (event?.kind !== "head") throw new Error(`no head but ${event?.kind}`);
  return event.head;
}

export const EDITS: RequestEdits = { hop: "outbound", forwardedClientCert: undefined, createRequestId: () => "id" };

/** The endpoint 10.0.0.N. */
export function address(number: number): PoolEndpoint {
  return { ip: `10.0.0.${number}`, port: 80, mutualTls: false };
}

export const FAILURES = {
  connect: { kind: "failed", cause: "connect", message: "cannot connect: ECONNREFUSED" },
  tls: { kind: "failed", cause: "tls", message: "the server has another identity" },
} as const satisfies Record<string, UpstreamFailure>;

export interface PoolOptions {
  /** 10.0.0.1 to 10.0.0.N. @default 1 */
  readonly endpoints?: number;
  /** Of all pools together. @default no limit */
  readonly maxIdle?: number;
  /** @default HTTP/1.1 */
  readonly connect?: UpstreamPoolOptions["connect"];
}

/** A configurable destination, and the pool of its connections. */
export class PoolWorld {
  readonly clock = new FakeClock();
  readonly deadlines = new Deadlines(this.clock);
  readonly closing = new AbortController();
  /** The last byte of each address that was dialled, in order. */
  readonly dials: number[] = [];
  /** What was wanted of each dial. */
  readonly wanted: HttpProtocol[] = [];
  /** What the endpoints speak at most. */
  speaks: HttpProtocol = "http2";
  readonly sockets: FakeSocket[] = [];
  /** Endpoints that fail, by their number. */
  readonly broken = new Map<number, UpstreamFailure>();
  /** Awaited by each dial before it completes. */
  hold: (signal: AbortSignal) => Promise<void> = () => Promise.resolve();
  /** The generation with which a connection must have been made to be reused. */
  generation = 1;
  timesEmpty = 0;
  settings: ConnectionPool = { httpVersion: "1.1" };
  /** Of the requests that the test takes connections for. */
  readonly head = requestHead();
  endpoints: readonly PoolEndpoint[];
  readonly pool: UpstreamPool;

  constructor({ endpoints = 1, maxIdle = Number.POSITIVE_INFINITY, connect }: PoolOptions = {}) {
    this.endpoints = Array.from({ length: endpoints }, (_, index) => address(index + 1));
    this.pool = new UpstreamPool({
      idleQuota: new IdleQuota(maxIdle),
      endpoints: () => this.endpoints,
      describe: () => "world has no ready endpoint",
      dial: (endpoint, protocol, signal) => this.#dial(endpoint, protocol, signal),
      settings: () => this.settings,
      messageLimits: HTTP1_LIMITS,
      deadlines: this.deadlines,
      random: () => 0,
      closing: this.closing.signal,
      ...(connect === undefined ? {} : { connect }),
      onEmpty: () => {
        this.timesEmpty += 1;
      },
    });
  }

  /** A connection that is not pooled yet, made with the current certificate. */
  connect({ ip, port }: SocketAddress, protocol: HttpProtocol = "http1"): DialedUpstream {
    const socket = new FakeSocket();
    // A server of HTTP/2 speaks first.
    if (protocol === "http2") socket.push(settingsFrame());
    const { generation } = this;
    this.sockets.push(socket);
    return {
      kind: "connected",
      socket: asSocket(socket),
      protocol,
      address: `${ip}:${port}`,
      peer: "",
      idleMs: IDLE_MS,
      isCurrent: () => generation === this.generation,
      meter: undefined,
    };
  }

  /** As an exchange does: takes an idle connection, or dials. */
  async take(tried = new Set<string>()): Promise<TakenUpstream> {
    const taken =
      this.pool.take(this.head, tried) ?? (await this.pool.dial(this.head, tried, new AbortController().signal));
    if (taken.kind === "failed") throw new Error(taken.message);
    return taken;
  }

  async takeMany(count: number): Promise<readonly TakenUpstream[]> {
    return await Promise.all(Array.from({ length: count }, () => this.take()));
  }

  get open(): number {
    return this.sockets.filter((socket) => !socket.destroyed).length;
  }

  async #dial(
    endpoint: SocketAddress,
    protocol: HttpProtocol,
    signal: AbortSignal,
  ): Promise<DialedUpstream | UpstreamFailure> {
    const number = Number(endpoint.ip.split(".")[3]);
    this.dials.push(number);
    this.wanted.push(protocol);
    await this.hold(signal);
    return this.broken.get(number) ?? this.connect(endpoint, this.speaks === "http1" ? "http1" : protocol);
  }
}
