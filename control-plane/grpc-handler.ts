import { constants, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Stream } from "node:http2";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ContextValues,
  createConnectRouter,
  createContextKey,
  type Interceptor,
} from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { MeshError } from "../mesh/mesh-error.ts";
import type { Logger, LogLimiter } from "../mesh/runtime.ts";

export interface GrpcHandlerOptions {
  readonly routes: (router: ConnectRouter) => void;
  /** Of one message; a service may set less for its own. */
  readonly maxMessageBytes: number;
  readonly contextValues: (request: Http2ServerRequest) => ContextValues;
  readonly log: Logger;
  /** Asked before a line that a caller causes. */
  readonly limitLog: LogLimiter;
  /** Ends all calls when it aborts. */
  readonly shutdownSignal: AbortSignal;
}

type Handler = ReturnType<typeof createConnectRouter>["handlers"][number];

/** Whether the caller of a call has left. */
const hasLeftKey = createContextKey<() => boolean>(() => false, { description: "whether the caller has left" });

/**
 * Serves gRPC on a server of `node:http2`. Connect's own adapter is not used: it throws in the server's event handler
 * for an `:authority` that makes no URL, such as `[`, so that any client could end the process with one request; and
 * it prints a stack for every caller that leaves before its call has ended.
 */
export function createGrpcHandler(
  options: GrpcHandlerOptions,
): (request: Http2ServerRequest, response: Http2ServerResponse) => void {
  const router = createConnectRouter({
    connect: false,
    grpcWeb: false,
    // Nothing is decompressed for unauthenticated clients.
    acceptCompression: [],
    readMaxBytes: options.maxMessageBytes,
    shutdownSignal: options.shutdownSignal,
    interceptors: [reportFaults(options)],
  });
  options.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    respond(request, response, { handlers, contextValues: options.contextValues }).catch((caught: unknown) => {
      const { code, message } = MeshError.from(caught);
      options.log.debug({ component: "control-plane", code, reason: message }, "a call ended without a response");
      abandon(response);
    });
  };
}

/** Ends a call that its caller may not begin now: the cheapest gRPC response there is, headers alone. */
export function refuseCall(stream: ServerHttp2Stream): void {
  stream.on("error", () => undefined);
  if (stream.destroyed || stream.headersSent) return;
  const status = { "grpc-status": Code.ResourceExhausted, "grpc-message": "too many calls in a short time" };
  stream.respond({ ":status": 200, "content-type": "application/grpc", ...status }, { endStream: true });
  // What the request still holds is not read.
  stream.close(constants.NGHTTP2_NO_ERROR);
}

interface Responding {
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly contextValues: (request: Http2ServerRequest) => ContextValues;
}

/** Asynchronous from its first line, so that whatever is thrown becomes a rejection. */
async function respond(
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  { handlers, contextValues }: Responding,
): Promise<void> {
  const [path = ""] = (request.url ?? "").split("?", 1);
  const handler = handlers.get(path);
  if (handler === undefined) {
    response.writeHead(404);
    response.end();
    return;
  }
  const { stream } = request;
  const values = contextValues(request).set(hasLeftKey, () => stream.destroyed || stream.closed || stream.aborted);
  const call = universalRequestFromNodeRequest(request, response, undefined, values);
  await universalResponseToNodeResponse(await handler(call), response);
}

/** Resets what can still be reset; the caller may have left long ago. */
function abandon(response: Http2ServerResponse): void {
  const { stream } = response;
  if (stream !== undefined && !stream.destroyed) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
}

/** Connect answers a fault with `internal` and keeps it to itself; the log gets what it was. */
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

/** A ConnectError is meant for the caller. The first stack of a second says what is wrong; a thousand say no more. */
function logFault(caught: unknown, url: string, { log, limitLog }: GrpcHandlerOptions): void {
  if (caught instanceof ConnectError) return;
  const { isGranted, heldBack } = limitLog("handler_failed");
  if (!isGranted) return;
  const { code, message, stack } = MeshError.from(caught);
  log.error({ component: "control-plane", code, url, reason: message, stack, heldBack }, "a handler failed");
}
