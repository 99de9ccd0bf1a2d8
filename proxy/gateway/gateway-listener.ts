import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import { errnoOf } from "../../mesh/mesh-error.ts";
import type { Logger } from "../../mesh/runtime.ts";
import { listen } from "../../net/listen.ts";
import type { ProxyMetrics } from "../telemetry/proxy-metrics.ts";
import { type ClientCapacity, type ClientConnections, trackClientConnections } from "./client-connections.ts";
import { answerOnSocket } from "./forward-upgrade.ts";
import { type GatewayAnswer, type RefusalReason, refusalAnswer, writeAnswer } from "./gateway-answer.ts";
import type { GatewayLimits } from "./gateway-limits.ts";
import { type AcceptedRequest, isWebSocketUpgrade, judgeRequest } from "./judge-request.ts";
import { type RecordDeps, RequestRecord, recordUpgrade } from "./request-record.ts";
import { isContinue } from "./upstream-headers.ts";

/** A request that was judged and waits to be routed. */
export interface RoutedExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly accepted: AcceptedRequest;
  readonly record: RequestRecord;
  /** Whether this answer is the connection's last. */
  readonly isLast: () => boolean;
}

export interface RoutedUpgrade {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
  readonly accepted: AcceptedRequest;
  readonly record: RequestRecord;
}

export interface GatewayListenerOptions {
  readonly port: number;
  /** @default every address */
  readonly bindAddress?: string | undefined;
  readonly limits: GatewayLimits;
  /** For the clients of all listeners. */
  readonly capacity: ClientCapacity;
  readonly metrics: ProxyMetrics;
  readonly log: Logger;
  readonly records: RecordDeps;
  readonly onRequest: (exchange: RoutedExchange) => void;
  readonly onUpgrade: (upgrade: RoutedUpgrade) => void;
}

/** An open port. */
export interface OpenListener {
  /** The real port where 0 was asked for. */
  readonly port: number;
  readonly connections: number;
  /** Stops accepting, closes idle connections, lets requests under way finish; resolves when none is left. */
  drain(): Promise<void>;
  /** Cuts what is left. */
  destroy(): void;
}

/** Listens with Node's strict HTTP parser, and hands on only requests that cannot be read in two ways. */
export async function openGatewayListener(options: GatewayListenerOptions): Promise<OpenListener> {
  const server = createStrictServer(options.limits);
  const connections = trackClientConnections(server, options.capacity);
  const context: ListenerContext = { options, connections, isDraining: () => !server.listening };
  server.on("request", (request, response) => receive({ request, response }, context));
  // Node would answer these itself.
  for (const name of ["checkContinue", "checkExpectation"] as const) {
    server.on(name, (request, response) => receive({ request, response }, context));
  }
  // The types say Duplex, because a server can be given connections of any kind; this one listens by itself.
  server.on("upgrade", (request, socket, head) => {
    if (socket instanceof Socket) receiveUpgrade({ request, socket, head }, context);
  });
  server.on("connect", (request, socket, head) => {
    if (!(socket instanceof Socket)) return;
    refuseOnSocket(
      "connect",
      { request, socket, record: recordUpgrade({ socket, head, ...headOf(request) }, options.records) },
      context,
    );
  });
  server.on("clientError", (error, socket) => {
    if (socket instanceof Socket) refuseGarbage(error, socket, context);
  });
  const onError = (error: Error): void =>
    options.log.warn({ code: errnoOf(error), port: options.port }, "a gateway's listener had an error");
  const port = await listen(server, { port: options.port, host: options.bindAddress, onError });
  return {
    port,
    get connections() {
      return connections.size;
    },
    drain: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        connections.destroyUnused();
      }),
    destroy: () => connections.destroyAll(),
  };
}

function createStrictServer(limits: GatewayLimits): Server {
  const server = createServer({
    insecureHTTPParser: false,
    requireHostHeader: false,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    // A long upload is allowed; a halted one is cut by `watchBody`.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.max(100, Math.min(5000, limits.headersTimeoutMs / 2)),
    keepAlive: true,
    keepAliveInitialDelay: 180_000,
    shouldUpgradeCallback: (request) => isWebSocketUpgrade(request.rawHeaders),
  });
  // Node drops headers beyond its limit in silence, framing among them; here they are counted and refused.
  server.maxHeadersCount = 0;
  return server;
}

interface ListenerContext {
  readonly options: GatewayListenerOptions;
  readonly connections: ClientConnections;
  readonly isDraining: () => boolean;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

function receive(exchange: Exchange, context: ListenerContext): void {
  const { request, response } = exchange;
  const connection = context.connections.of(request.socket);
  connection.enqueue((done) => {
    const head = headOf(request);
    const record = new RequestRecord(request.socket, head, context.options.records);
    response.once("close", () => {
      if (response.headersSent) record.answered(response.statusCode);
      record.over(response.writableFinished);
      // The client was told that this is the end; what it had sent ahead is for another connection.
      if (response.getHeader("connection") === "close") connection.condemn();
      done();
    });
    const verdict = judgeRequest(head);
    if (verdict.kind === "refused") {
      connection.condemn();
      const answer = refusalAnswer(verdict.reason);
      context.options.metrics.gatewayAnswered("gateway", answer.status, answer.reason);
      record.endsWith(answer.flags);
      writeAnswer(response, answer, true);
      return;
    }
    // Any other expectation is the upstream's to meet or to refuse.
    if (request.httpVersion === "1.1" && isContinue(request.headers.expect)) response.writeContinue();
    context.options.onRequest({
      request,
      response,
      accepted: verdict,
      record,
      // An answer before the end of its request is the last one: what of the body is still to come is nobody's.
      isLast: () =>
        context.isDraining() ||
        !response.shouldKeepAlive ||
        (verdict.framing.kind !== "none" && !request.complete) ||
        // Behind an upgrade that nobody serves Node loses what was pipelined, and reads a body as a request.
        request.headers.upgrade !== undefined ||
        connection.requests >= context.options.limits.maxRequestsPerConnection,
    });
  });
}

function receiveUpgrade(upgrade: Omit<RoutedUpgrade, "accepted" | "record">, context: ListenerContext): void {
  const { request, socket } = upgrade;
  const connection = context.connections.of(socket);
  // Answers to requests before this one are still to be written to the same socket.
  if (connection.isBusy) return void socket.destroy();
  connection.condemn();
  const judged = headOf(request);
  const record = recordUpgrade({ ...upgrade, ...judged }, context.options.records);
  const verdict = judgeRequest(judged);
  if (verdict.kind === "refused") refuseOnSocket(verdict.reason, { request, socket, record }, context);
  else context.options.onUpgrade({ ...upgrade, accepted: verdict, record });
}

function refuseOnSocket(
  reason: RefusalReason,
  { request, socket, record }: Pick<RoutedUpgrade, "request" | "socket" | "record">,
  { options, connections }: ListenerContext,
): void {
  const connection = connections.of(socket);
  if (connection.isBusy) return void socket.destroy();
  connection.condemn();
  const answer = refusalAnswer(reason);
  options.metrics.gatewayAnswered("gateway", answer.status, answer.reason);
  record.answered(answer.status);
  record.endsWith(answer.flags);
  answerOnSocket(request, socket, answer);
}

/** What llhttp itself refuses: garbage, smuggling that it knows, heads that are too long or too slow. */
function refuseGarbage(error: Error, socket: Socket, { options, connections }: ListenerContext): void {
  const connection = connections.of(socket);
  // What it was told is on its way; nothing is added to it. Each further piece of garbage comes here, too.
  if (connection.isCondemned) return void connection.closeSoon();
  const answer = refusalAnswer(garbageReason(error));
  if (errnoOf(error) !== "ECONNRESET") options.metrics.gatewayAnswered("gateway", answer.status, answer.reason);
  // While an answer is being written, another one in its middle would only confuse.
  if (!connection.isBusy && socket.writable) socket.write(formatRawAnswer(answer));
  connection.closeSoon();
}

function garbageReason(error: Error): RefusalReason {
  switch (errnoOf(error)) {
    case "HPE_HEADER_OVERFLOW":
      return "header_bytes";
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return "header_timeout";
    default:
      return "malformed";
  }
}

function formatRawAnswer({ status, body }: GatewayAnswer): string {
  const head = [`HTTP/1.1 ${status} Refused`, "content-type: text/plain; charset=utf-8", "connection: close"];
  return [...head, `content-length: ${Buffer.byteLength(body)}`, "", body].join("\r\n");
}

function headOf(request: IncomingMessage) {
  return {
    method: request.method ?? "",
    target: request.url ?? "",
    version: request.httpVersion,
    rawHeaders: request.rawHeaders,
  };
}
