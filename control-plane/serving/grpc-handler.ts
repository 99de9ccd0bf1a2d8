import { constants, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Stream } from "node:http2";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ContextValues,
  createConnectRouter,
  type Interceptor,
} from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Logger, LogLimiter } from "../../mesh/runtime.ts";
import { hasLeftKey, hideUnread, hideUnreadable } from "./unreadable-requests.ts";

export interface GrpcHandlerOptions {
  readonly routes: (router: ConnectRouter) => void;
  /** Per message; a service may set a lower limit for its own. */
  readonly maxMessageBytes: number;
  readonly contextValues: (request: Http2ServerRequest) => ContextValues;
  readonly log: Logger;
  /** Consulted before a log line that a caller causes. */
  readonly limitLog: LogLimiter;
  /** Ends all calls when it aborts. */
  readonly shutdownSignal: AbortSignal;
}

export interface GrpcHandler {
  (request: Http2ServerRequest, response: Http2ServerResponse): void;
  /** Whether the requests of a call go on for as long as the call does. */
  isOpenEnded(request: Http2ServerRequest): boolean;
}

type Handler = ReturnType<typeof createConnectRouter>["handlers"][number];

/**
 * Serves gRPC on a server of `node:http2`. Connect's own adapter is not used: for an `:authority` that is not a URL,
 * such as `[`, it throws in the server's event handler, so any client could end the process with one request. It also
 * prints a stack for every caller that disconnects before its call has ended.
 */
export function createGrpcHandler(options: GrpcHandlerOptions): GrpcHandler {
  const router = createConnectRouter({
    connect: false,
    grpcWeb: false,
    // Messages of unauthenticated clients are never decompressed.
    acceptCompression: [],
    readMaxBytes: options.maxMessageBytes,
    shutdownSignal: options.shutdownSignal,
    interceptors: [reportFaults(options), hideUnreadable(options)],
  });
  options.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const handle = (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    respond(request, response, { handlers, options }).catch((caught: unknown) => {
      const { code, message } = MeshError.from(caught);
      options.log.debug({ component: "control-plane", code, reason: message }, "a call ended without a response");
      abandon(response);
    });
  };
  const isOpenEnded = (request: Http2ServerRequest): boolean =>
    handlers.get(pathOf(request))?.method.methodKind === "bidi_streaming";
  return Object.assign(handle, { isOpenEnded });
}

/** Refuses a call over its caller's rate, with the cheapest gRPC response: headers only. */
export function refuseCall(stream: ServerHttp2Stream): void {
  stream.on("error", () => undefined);
  // `respond` throws once the caller has reset the stream, here in a timer: that would end the process.
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  const status = { "grpc-status": Code.ResourceExhausted, "grpc-message": "too many calls in a short time" };
  stream.respond({ ":status": 200, "content-type": "application/grpc", ...status }, { endStream: true });
  // The rest of the request is not read.
  stream.close(constants.NGHTTP2_NO_ERROR);
}

interface Responding {
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly options: GrpcHandlerOptions;
}

/** Asynchronous from its first line, so that every exception becomes a rejection. */
async function respond(
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  { handlers, options }: Responding,
): Promise<void> {
  const handler = handlers.get(pathOf(request));
  if (handler === undefined) {
    response.writeHead(404);
    response.end();
    return;
  }
  const { stream } = request;
  const contextValues = options
    .contextValues(request)
    .set(hasLeftKey, () => stream.destroyed || stream.closed || stream.aborted);
  const call = universalRequestFromNodeRequest(request, response, undefined, contextValues);
  // Once its trailers are sent the call is over, whatever its client still wants to send (RFC 9113, section 8.1).
  stream.once("wantTrailers", () => setImmediate(closeUnread, stream));
  const answer = hideUnread(await handler(call), { url: call.url, contextValues }, options);
  await universalResponseToNodeResponse(answer, response);
}

function closeUnread(stream: ServerHttp2Stream): void {
  if (!stream.readableEnded && !stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR);
}

function pathOf({ url }: Http2ServerRequest): string {
  return (url ?? "").split("?", 1)[0] ?? "";
}

/** Resets the stream if it is still open; the caller may have disconnected long ago. */
function abandon(response: Http2ServerResponse): void {
  const { stream } = response;
  if (stream !== undefined && !stream.destroyed) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
}

/** Connect responds to a fault with `internal` and hides the reason; the log receives it. */
function reportFaults(options: GrpcHandlerOptions): Interceptor {
  return (next) => async (call) => {
    const report = (caught: unknown): void => {
      if (!call.contextValues.get(hasLeftKey)()) logFault(caught, call.url, options);
    };
    try {
      const response = await next(call);
      return response.stream ? { ...response, message: reporting(response.message, report) } : response;
    } catch (caught) {
      report(caught);
      throw caught;
    }
  };
}

async function* reporting<Message>(
  messages: AsyncIterable<Message>,
  report: (caught: unknown) => void,
): AsyncGenerator<Message, void> {
  try {
    yield* messages;
  } catch (caught) {
    report(caught);
    throw caught;
  }
}

/** A ConnectError is meant for the caller. One stack per second shows what is wrong; a thousand show no more. */
function logFault(caught: unknown, url: string, { log, limitLog }: GrpcHandlerOptions): void {
  if (caught instanceof ConnectError) return;
  const { isGranted, heldBack } = limitLog("handler_failed");
  if (!isGranted) return;
  const { code, message, stack } = MeshError.from(caught);
  log.error({ component: "control-plane", code, url, reason: message, stack, heldBack }, "a handler failed");
}
