/** What the gateway's tests share: a gateway on loopback, an upstream that believes everything, and raw clients. */
import { EventEmitter, once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { GatewayConfig, GatewayListener, HostTarget, HttpRoute } from "../../mesh/policy/types.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { createRecordedLog, type RecordedLog } from "../admin/http-fixture.ts";
import type { AnswerOrigin, ProxyMetrics } from "../telemetry/proxy-metrics.ts";
import { createNoMetrics } from "../telemetry/proxy-metrics.ts";
import { type GatewayOptions, type RunningGateway, startGateway } from "./start-gateway.ts";
import type { UpstreamConnection, UpstreamDialer, UpstreamFailure } from "./upstream-dialer.ts";

export class Cleanup {
  readonly #actions: (() => unknown)[] = [];

  add(action: () => unknown): void {
    this.#actions.push(action);
  }

  async run(): Promise<void> {
    for (const action of this.#actions.splice(0).reverse()) await action();
  }
}

/** A request as the upstream understood it. */
export interface ExecutedRequest {
  /** `DELETE /a HTTP/1.1`. */
  readonly line: string;
  readonly head: string;
  readonly body: string;
}

export interface LenientUpstream {
  readonly port: number;
  /** All that it carried out, over all connections. */
  readonly executed: readonly ExecutedRequest[];
  readonly connections: number;
  next(event: "request" | "connection" | "closed"): Promise<void>;
  destroyConnections(): void;
}

export type Reply = (request: ExecutedRequest, socket: Socket) => string | undefined;

export const OK_REPLY: Reply = ({ line }) => {
  const body = `served ${line}`;
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${line.startsWith("HEAD") ? "" : body}`;
};

/**
 * An upstream as an attacker wishes it: it skips garbage until something looks like a request, and believes the framing
 * that it finds first. Whatever a proxy lets through by mistake shows up in `executed`.
 */
export async function startLenientUpstream(cleanup: Cleanup, reply: Reply = OK_REPLY): Promise<LenientUpstream> {
  const executed: ExecutedRequest[] = [];
  const sockets = new Set<Socket>();
  const events = new EventEmitter();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      events.emit("closed");
    });
    socket.on("end", () => socket.end());
    let buffered = "";
    socket.on("data", (chunk: Buffer) => {
      buffered += chunk.toString("latin1");
      for (let read = readLeniently(buffered); read !== undefined; read = readLeniently(buffered)) {
        buffered = buffered.slice(read.length);
        executed.push(read.request);
        const answer = reply(read.request, socket);
        if (answer !== undefined) socket.write(answer, "latin1");
        events.emit("request");
      }
    });
    events.emit("connection");
  });
  const port = await listen(cleanup, server);
  cleanup.add(() => {
    for (const socket of sockets) socket.destroy();
  });
  return {
    port,
    executed,
    get connections() {
      return sockets.size;
    },
    next: async (event) => void (await once(events, event)),
    destroyConnections: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function readLeniently(text: string): { readonly request: ExecutedRequest; readonly length: number } | undefined {
  const found = /[A-Z]+ \S+ HTTP\/\d\.\d\r\n/.exec(text);
  const headEnd = text.indexOf("\r\n\r\n", found?.index ?? 0);
  if (found === null || headEnd === -1) return undefined;
  const head = text.slice(found.index, headEnd);
  const bodyStart = headEnd + 4;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  const isChunked = length === undefined && /\r\ntransfer-encoding: *chunked/i.test(head);
  const lastChunk = text.indexOf("0\r\n\r\n", bodyStart);
  const bodyEnd = isChunked ? lastChunk + 5 : bodyStart + Number(length ?? 0);
  if (bodyEnd > text.length || (isChunked && lastChunk === -1)) return undefined;
  const line = head.slice(0, head.indexOf("\r\n"));
  return { request: { line, head, body: text.slice(bodyStart, bodyEnd) }, length: bodyEnd };
}

export interface TestGateway {
  readonly gateway: RunningGateway;
  readonly port: number;
  readonly dialer: TestDialer;
  readonly log: RecordedLog;
  /** `origin status reason` of each answer. */
  readonly answers: readonly string[];
  setConfig(listeners: readonly GatewayListener[]): Promise<void>;
}

export interface TestDialer extends UpstreamDialer {
  readonly dials: readonly HostTarget[];
  /** Makes what was dialled before no longer current. */
  rotate(): void;
  /** The next dials end so; `undefined`: they succeed. */
  failure: Omit<UpstreamFailure, "kind"> | undefined;
  /** While set, dials wait for it. */
  hold: Promise<void> | undefined;
}

/** Dials a port of loopback whatever the target. */
export function createTestDialer(port: number): TestDialer {
  const dials: HostTarget[] = [];
  let generation = 0;
  return {
    dials,
    failure: undefined,
    hold: undefined,
    rotate: () => {
      generation += 1;
    },
    async dial(target): Promise<UpstreamConnection | UpstreamFailure> {
      dials.push(target);
      await this.hold;
      if (this.failure !== undefined) return { kind: "failed", ...this.failure };
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      await once(socket, "connect");
      socket.on("error", () => undefined);
      const madeAt = generation;
      return { kind: "connected", socket, isCurrent: () => madeAt === generation };
    },
  };
}

export const TARGET: HostTarget = { kind: "host", host: "hello.ns1.svc.cluster.local", port: 8080, subset: "" };

/** A route of everything to `TARGET`. */
export const ROUTE_ALL: HttpRoute = {
  name: "VirtualService/test.default[0]",
  matches: [],
  targets: [{ target: TARGET, weight: 100 }],
  refusal: "",
};

/** A listener for `shop.example`. */
export function listenerOf(port: number, routes: readonly HttpRoute[] = [ROUTE_ALL]): GatewayListener {
  return { port, virtualHosts: [{ hosts: ["shop.example"], routes }] };
}

export async function startTestGateway(
  cleanup: Cleanup,
  upstreamPort: number,
  options: Partial<GatewayOptions> & { readonly listeners?: readonly GatewayListener[] } = {},
): Promise<TestGateway> {
  const dialer = createTestDialer(upstreamPort);
  const log = createRecordedLog();
  const answers: string[] = [];
  let push: (config: GatewayConfig) => void = () => undefined;
  const gateway = await startGateway({
    watchConfig: (listener) => {
      push = listener;
      push(configOf(options.listeners ?? [listenerOf(0)]));
      return { close: () => undefined };
    },
    dialer,
    metrics: recordAnswers(answers),
    log,
    clock: systemClock,
    random: () => 0,
    bindAddress: "127.0.0.1",
    drainMs: 1000,
    ...options,
  });
  cleanup.add(() => gateway.stop());
  await gateway.settled();
  const port = gateway.listeners()[0]?.port ?? 0;
  const setConfig = async (listeners: readonly GatewayListener[]): Promise<void> => {
    push(configOf(listeners));
    await gateway.settled();
  };
  return { gateway, port, dialer, log, answers, setConfig };
}

function configOf(listeners: readonly GatewayListener[]): GatewayConfig {
  const workload = {
    namespace: "istio-system",
    pod: "ingress-1",
    workload: "ingress",
    serviceAccount: "ingress",
    app: "",
    version: "",
    canonicalService: "",
    canonicalRevision: "",
  };
  return { workload, listeners };
}

function recordAnswers(answers: string[]): ProxyMetrics {
  return {
    ...createNoMetrics(),
    gatewayAnswered: (origin: AnswerOrigin, status: number, reason: string) =>
      void answers.push(`${origin} ${status} ${reason}`.trim()),
  };
}

/** Connects a raw client. */
export async function dialRaw(cleanup: Cleanup, port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined);
  cleanup.add(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** Sends bytes as they are, and gives all that comes back until the gateway closes. */
export async function sendRaw(cleanup: Cleanup, port: number, text: string): Promise<string> {
  const socket = await dialRaw(cleanup, port);
  socket.write(text, "latin1");
  return await readUntilClosed(socket);
}

export async function readUntilClosed(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  if (!socket.closed) {
    if (socket.readableEnded) socket.end();
    else socket.once("end", () => socket.end());
    await new Promise((resolve) => socket.once("close", resolve));
  }
  return Buffer.concat(chunks).toString("latin1");
}

/** Reads until the text holds this. */
export async function readUntil(socket: Socket, wanted: string): Promise<string> {
  let text = "";
  return await new Promise((resolve, reject) => {
    const onClose = (): void => reject(new Error(`closed before ${JSON.stringify(wanted)}: ${text}`));
    const onData = (chunk: Buffer): void => {
      text += chunk.toString("latin1");
      if (!text.includes(wanted)) return;
      socket.off("data", onData);
      socket.off("close", onClose);
      resolve(text);
    };
    socket.on("data", onData);
    socket.once("close", onClose);
  });
}

export async function listen(cleanup: Cleanup, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen on a port");
  return address.port;
}
