import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { errnoOf } from "../../mesh/mesh-error.ts";
import type { Logger } from "../../mesh/runtime.ts";
import { listen } from "../../net/listen.ts";
import type { ConnectionCapacity } from "../connections/limits/connection-capacity.ts";
import type { Deadlines } from "../http/deadlines.ts";
import type { Http1Limits } from "../http1/http1-limits.ts";
import { formatLocalReply } from "../http1/writing/format-local-reply.ts";
import type { RequestHead } from "../messages/message-head.ts";
import type { ProxyMetrics } from "../telemetry/proxy-metrics.ts";
import { ClientGuard, type ReportFault } from "./fault-guard.ts";
import { type GatewayLimits, timeLimitsFrom } from "./gateway-limits.ts";
import { faultReply } from "./gateway-reply.ts";
import { FramedClient } from "./requests/framed-client.ts";
import type { PreparedRequest } from "./requests/prepared-request.ts";
import { countFault, type RecordDeps, RequestRecord, recordUpgrade } from "./requests/request-record.ts";

/** A request to be routed. */
export interface RoutedExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly client: FramedClient;
  readonly guard: ClientGuard;
  readonly prepared: PreparedRequest;
  readonly record: RequestRecord;
  /** The client sends the body after a 100 response. */
  readonly isAwaitingContinue: boolean;
  /** Whether this response is the connection's last. */
  readonly isLast: () => boolean;
}

export interface RoutedUpgrade {
  readonly request: IncomingMessage;
  /** The client's own socket, without other readers. */
  readonly socket: Socket;
  readonly head: Buffer;
  readonly guard: ClientGuard;
  readonly prepared: PreparedRequest;
  readonly record: RequestRecord;
}

export interface GatewayListenerOptions {
  readonly port: number;
  /** @default every address */
  readonly bindAddress?: string | undefined;
  readonly limits: GatewayLimits;
  /** For the clients of all listeners. */
  readonly capacity: ConnectionCapacity<FramedClient>;
  readonly messageLimits: Http1Limits;
  readonly deadlines: Deadlines;
  readonly metrics: ProxyMetrics;
  readonly log: Logger;
  readonly records: RecordDeps;
  readonly reportFault: ReportFault;
  readonly prepare: (received: RequestHead, socket: Socket) => PreparedRequest;
  readonly onRequest: (exchange: RoutedExchange) => void;
  readonly onUpgrade: (upgrade: RoutedUpgrade) => void;
  /** Whether each response is its connection's last. */
  readonly isDraining: () => boolean;
}

/** An open port. */
export interface OpenListener {
  /** The actual port, also if 0 was requested. */
  readonly port: number;
  readonly connections: number;
  /** Stops accepting, closes idle connections, lets requests in progress finish; resolves when none is left. */
  drain(): Promise<void>;
  /** Cuts the remaining connections. */
  destroy(): void;
}

/** Listens, and passes on the requests that the framer accepts, in the form of `node:http`. */
export async function openGatewayListener(options: GatewayListenerOptions): Promise<OpenListener> {
  const { port: wanted, bindAddress, log, capacity } = options;
  const clients = new Map<Socket, FramedClient>();
  const tcp = createTcpServer({ allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 180_000 });
  const context: ListenerContext = { options, isClosing: () => !tcp.listening };
  const http = createParsingServer(context);
  tcp.on("connection", (socket) => {
    // Read now, and kept by Node: no client is judged without an address, and a disconnected one has none.
    if (socket.remoteAddress === undefined || socket.localAddress === undefined) return void socket.destroy();
    const guard = new ClientGuard(socket, options.reportFault);
    guard.run(() => {
      const client = frameClient(socket, guard, context);
      clients.set(socket, client);
      socket.once("close", () => clients.delete(socket));
      if (capacity.enter(client)) http.emit("connection", client);
      else client.cut();
    });
  });
  const port = await listen(tcp, {
    port: wanted,
    host: bindAddress,
    onError: (error) => log.warn({ code: errnoOf(error), port: wanted }, "a gateway's listener failed"),
  });
  return {
    port,
    get connections() {
      return clients.size;
    },
    drain: () => drain(tcp, clients),
    destroy: () => {
      for (const socket of clients.keys()) socket.destroy();
    },
  };
}

interface ListenerContext {
  readonly options: GatewayListenerOptions;
  readonly isClosing: () => boolean;
}

function drain(tcp: TcpServer, clients: ReadonlyMap<Socket, FramedClient>): Promise<void> {
  return new Promise((resolve) => {
    tcp.close(() => resolve());
    for (const client of clients.values()) client.leaveIfIdle();
  });
}

function frameClient(socket: Socket, guard: ClientGuard, { options, isClosing }: ListenerContext): FramedClient {
  const { deadlines, messageLimits, limits, metrics, records } = options;
  return new FramedClient(socket, {
    guard,
    deadlines,
    messageLimits,
    timeLimits: timeLimitsFrom(limits),
    isClosing,
    onFault: (fault, client) => {
      const reply = faultReply(fault);
      metrics.gatewayResponded("gateway", reply.status, reply.reason);
      countFault(reply.status, records);
      client.refuse(formatLocalReply(reply, { close: true, isHead: false }));
    },
  });
}

/** Reads bodies and writes responses. It does not listen itself; time limits are those of the framed connection. */
function createParsingServer(context: ListenerContext): Server {
  const server = createServer({ requireHostHeader: false, headersTimeout: 0, requestTimeout: 0, keepAliveTimeout: 0 });
  server.on("request", (request, response) => receive({ request, response }, context));
  server.on("checkContinue", (request, response) => receive({ request, response, isAwaitingContinue: true }, context));
  server.on("upgrade", (request, socket) => {
    const framed = framedOf(socket);
    framed?.client.guard.run(() => receiveUpgrade(request, framed, context));
  });
  // Node's parser reads generated heads and validated bodies: it finds no fault unless the two parsers disagree.
  server.on("clientError", (_error, socket) => socket.destroy());
  return server;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The client sends the body after a 100 response. */
  readonly isAwaitingContinue?: boolean;
}

interface Framed {
  readonly client: FramedClient;
  readonly head: RequestHead;
}

function framedOf(socket: unknown): Framed | undefined {
  if (!(socket instanceof FramedClient)) return undefined;
  const { head } = socket.requests;
  return head && { client: socket, head };
}

function receive(exchange: Exchange, context: ListenerContext): void {
  const framed = framedOf(exchange.request.socket);
  if (framed === undefined) return void exchange.request.socket.destroy();
  framed.client.guard.run(() => receiveRequest(exchange, framed, context));
}

function receiveRequest(
  { request, response, isAwaitingContinue = false }: Exchange,
  { client, head }: Framed,
  context: ListenerContext,
): void {
  request.method = head.method;
  const { limits, records, prepare } = context.options;
  const { guard } = client;
  const prepared = prepare(head, client.socket);
  const record = new RequestRecord(client, prepared, records);
  const over = (isWhole: boolean): void => {
    if (response.headersSent) record.answered(response.statusCode);
    record.over(isWhole);
  };
  guard.begin((reply) => {
    record.cutBy(reply);
    over(false);
  });
  guard.watch(request);
  guard.watch(response);
  response.once("close", () => {
    over(response.writableFinished);
    client.exchangeOver();
  });
  const isLast = (): boolean =>
    context.options.isDraining() ||
    context.isClosing() ||
    client.mustClose ||
    !response.shouldKeepAlive ||
    client.requests.count >= limits.maxRequestsPerConnection;
  context.options.onRequest({ request, response, client, guard, prepared, record, isAwaitingContinue, isLast });
}

function receiveUpgrade(request: IncomingMessage, { client, head }: Framed, { options }: ListenerContext): void {
  const prepared = options.prepare(head, client.socket);
  const record = new RequestRecord(client, prepared, options.records);
  const { guard } = client;
  guard.begin((reply) => {
    record.cutBy(reply);
    record.over(false);
  });
  guard.watch(request);
  // http-proxy accepts no other; `captureRequest` sends the client's own to the upstream.
  request.method = "GET";
  const { socket, rest } = client.detach();
  recordUpgrade(record, socket, rest);
  options.onUpgrade({ request, socket, head: rest, guard, prepared, record });
}
