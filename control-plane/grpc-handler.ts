import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { ConnectError, type ConnectRouter, type ContextValues, createConnectRouter } from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { MeshError } from "../mesh/mesh-error.ts";
import type { Logger } from "../mesh/runtime.ts";

export interface GrpcHandlerOptions {
  readonly routes: (router: ConnectRouter) => void;
  /** Of one message; a service may set less for its own. */
  readonly maxMessageBytes: number;
  readonly contextValues: (request: Http2ServerRequest) => ContextValues;
  readonly log: Logger;
  /** Ends all calls when it aborts. */
  readonly shutdownSignal: AbortSignal;
}

type Handler = ReturnType<typeof createConnectRouter>["handlers"][number];

/**
 * Answers gRPC on a server of `node:http2`. Connect's own adapter is not used: it throws in the server's event handler
 * for an `:authority` that makes no URL, such as `[`, so that any stranger could end the process with one request; and
 * it prints a stack for every caller that goes away while it is answered.
 */
export function createGrpcHandler(
  options: GrpcHandlerOptions,
): (request: Http2ServerRequest, response: Http2ServerResponse) => void {
  const router = createConnectRouter({
    connect: false,
    grpcWeb: false,
    // Nothing is decompressed for strangers.
    acceptCompression: [],
    readMaxBytes: options.maxMessageBytes,
    shutdownSignal: options.shutdownSignal,
    interceptors: [
      (next) => async (call) => {
        try {
          return await next(call);
        } catch (caught) {
          logFault(caught, call.url, options.log);
          throw caught;
        }
      },
    ],
  });
  options.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    answer(request, response, { handlers, contextValues: options.contextValues }).catch((caught: unknown) => {
      const { code, message } = MeshError.from(caught);
      options.log.debug({ component: "control-plane", code, reason: message }, "a call ended without an answer");
      abandon(response);
    });
  };
}

interface Answering {
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly contextValues: (request: Http2ServerRequest) => ContextValues;
}

/** Asynchronous from its first line, so that whatever is thrown becomes a rejection. */
async function answer(
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  { handlers, contextValues }: Answering,
): Promise<void> {
  const [path = ""] = (request.url ?? "").split("?", 1);
  const handler = handlers.get(path);
  if (handler === undefined) {
    response.writeHead(404);
    response.end();
    return;
  }
  const call = universalRequestFromNodeRequest(request, response, undefined, contextValues(request));
  await universalResponseToNodeResponse(await handler(call), response);
}

/** Resets what can still be reset; the caller may be long gone. */
function abandon(response: Http2ServerResponse): void {
  const { stream } = response;
  if (stream !== undefined && !stream.destroyed) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
}

/** Connect answers a fault with `internal` and keeps it to itself. */
function logFault(caught: unknown, url: string, log: Logger): void {
  if (caught instanceof ConnectError) return;
  const { code, message, stack } = MeshError.from(caught);
  log.error({ component: "control-plane", code, url, reason: message, stack }, "a handler failed");
}
