import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { MeshError } from "../mesh/mesh-error.ts";
import { type Logger, systemClock } from "../mesh/runtime.ts";
import { plainAddress } from "./client-address.ts";
import { decideLocalConnections, readDescriptorLimit } from "./descriptor-limit.ts";
import { FairPlaces } from "./fair-places.ts";
import { listen } from "./listen.ts";
import { createLogLimiter } from "./log-limiter.ts";

/** A request to a local HTTP server. */
export interface LocalHttpRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The client's address. An IPv4 address stays IPv4 on a dual-stack socket. */
  readonly remoteAddress: string;
}

export interface LocalHttpResponse {
  readonly status: number;
  /** Text, or pieces of bytes that are sent as the client reads them. */
  readonly body: string | readonly Buffer[];
  /** @default "text/plain; charset=utf-8" */
  readonly contentType?: string;
  readonly retryAfterSeconds?: number;
  /** Called once, when the response has been sent or the client has disconnected. */
  readonly onOver?: () => void;
}

export interface TextResponse extends LocalHttpResponse {
  readonly body: string;
}

/** Decides the response. An exception becomes a 500 without details, and a log line. */
export type Respond = (request: LocalHttpRequest) => LocalHttpResponse | Promise<LocalHttpResponse>;

export interface LocalHttpServerOptions {
  readonly port: number;
  /** @default every address of the pod, IPv4 and IPv6 */
  readonly host?: string;
  readonly respond: Respond;
  readonly log: Logger;
  /** @default 128, or fewer if the process has few descriptors */
  readonly maxConnections?: number;
}

export interface LocalHttpServer {
  /** The actual port, also if 0 was requested. */
  readonly port: number;
  /** Stops accepting and closes idle connections; responses in progress are finished. */
  stop(): Promise<void>;
}

const HEADERS_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_TIMEOUT_MS = 5000;
const MAX_HEADER_BYTES = 8192;
const LOG_LINES_PER_SECOND = 5;
/** A client that has not read its response after this time is cut off. */
const SEND_TIMEOUT_MS = 10_000;

/**
 * A small HTTP server for operators, kubelet and Prometheus. Every pod of the cluster may reach some of these ports, so
 * headers are limited in bytes and time. When there are too many connections, the address with the most idle ones loses
 * its oldest: a flood of silent sockets cannot keep kubelet's probe out.
 */
export async function startLocalHttpServer(options: LocalHttpServerOptions): Promise<LocalHttpServer> {
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: 1000,
  });
  const idle = displaceIdleConnections(server, options.maxConnections ?? decideLocalConnections(readDescriptorLimit()));
  const limitLog = createLogLimiter(systemClock, LOG_LINES_PER_SECOND);
  server.on("request", (request, response) => {
    const { socket } = request;
    idle.leave(socket);
    response.once("close", () => idle.enter(socket));
    // No request here needs a body.
    request.resume();
    respondTo(request, response, options).catch((caught: unknown) => {
      // Such as an invalid field, for which `writeHead` throws.
      response.destroy();
      const { isGranted, heldBack } = limitLog("response_failed");
      const reason = MeshError.from(caught).message;
      if (isGranted) options.log.error({ code: "response_failed", reason, heldBack }, "a response could not be sent");
    });
  });
  const onError = (error: Error): void =>
    options.log.warn({ code: MeshError.from(error).code, port: options.port }, `a listener failed: ${error.message}`);
  const port = await listen(server, { port: options.port, host: options.host, onError });
  return { port, stop: () => stop(server) };
}

async function respondTo(incoming: IncomingMessage, response: ServerResponse, options: LocalHttpServerOptions) {
  const request: LocalHttpRequest = {
    method: incoming.method ?? "",
    path: (incoming.url ?? "").replace(/[?#].*$/s, ""),
    headers: incoming.headers,
    remoteAddress: plainAddress(incoming.socket),
  };
  await sendResponse(response, await respondSafely(request, options), request.method === "HEAD");
}

/** Writes a response as fast as its client reads, for at most SEND_TIMEOUT_MS. */
export async function sendResponse(
  response: ServerResponse,
  content: LocalHttpResponse,
  isHead: boolean,
): Promise<void> {
  const { status, body, contentType = "text/plain; charset=utf-8", retryAfterSeconds, onOver } = content;
  const pieces = typeof body === "string" ? [Buffer.from(body)] : body;
  const timer = setTimeout(() => response.destroy(), SEND_TIMEOUT_MS);
  const over = (): void => {
    clearTimeout(timer);
    onOver?.();
  };
  if (response.destroyed) return over();
  response.once("close", over);
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": pieces.reduce((sum, { length }) => sum + length, 0),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }),
  });
  for (const piece of isHead ? [] : pieces) {
    if (response.destroyed) return;
    if (!response.write(piece)) await hasRoom(response);
  }
  response.end();
}

/** Resolves when more may be written, or when the client has disconnected. */
function hasRoom(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const resume = (): void => {
      response.off("drain", resume);
      response.off("close", resume);
      resolve();
    };
    response.once("drain", resume);
    response.once("close", resume);
  });
}

async function respondSafely(
  request: LocalHttpRequest,
  { respond, log }: LocalHttpServerOptions,
): Promise<LocalHttpResponse> {
  try {
    return await respond(request);
  } catch (caught) {
    const { code, message } = MeshError.from(caught);
    log.error({ code, path: request.path }, `a request failed: ${message}`);
    return { status: 500, body: "internal error\n" };
  }
}

/** Sockets that wait for a request. */
interface IdleConnections {
  enter(socket: Socket): void;
  leave(socket: Socket): void;
}

function displaceIdleConnections(server: Server, maxConnections: number): IdleConnections {
  const addresses = new Map<Socket, string>();
  const places = new FairPlaces<Socket>();
  const idle: IdleConnections = {
    enter: (socket) => {
      const address = addresses.get(socket);
      if (address !== undefined) places.add(address, socket);
    },
    leave: (socket) => places.delete(addresses.get(socket) ?? "", socket),
  };
  server.on("connection", (socket: Socket) => {
    addresses.set(socket, plainAddress(socket));
    idle.enter(socket);
    const forget = (): void => {
      idle.leave(socket);
      addresses.delete(socket);
    };
    socket.once("close", forget);
    if (addresses.size <= maxConnections) return;
    const displaced = places.takeNext();
    if (displaced === undefined) return;
    addresses.delete(displaced);
    displaced.destroy();
  });
  return idle;
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
