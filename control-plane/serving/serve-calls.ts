import { constants, type Http2SecureServer, type ServerHttp2Stream } from "node:http2";
import { type ConnectRouter, createContextValues } from "@connectrpc/connect";
import { formatCaller, type ProvenCaller, peerIdentityKey, provenCallerKey } from "../../mesh/api/peer-context.ts";
import type { Clock, Logger, LogLimiter } from "../../mesh/runtime.ts";
import { CallRates } from "../../net/call-rates.ts";
import { limitArrivingCalls } from "./arriving-calls.ts";
import { CallTurns } from "./call-turns.ts";
import type { ControlPlaneConnections } from "./control-plane-connections.ts";
import type { ControlPlaneLimits } from "./control-plane-limits.ts";
import type { CallOf, ControlPlaneMetrics } from "./control-plane-metrics.ts";
import { createDelayedRefusals } from "./delayed-refusals.ts";
import { createGrpcHandler } from "./grpc-handler.ts";

export interface ServeCallsOptions {
  /** Registers the services. Each call has its peer in the context value `peerIdentityKey`. */
  readonly routes: (router: ConnectRouter) => void;
  readonly clock: Clock;
  readonly log: Logger;
  /** Consulted before a log line that a caller causes. */
  readonly limitLog: LogLimiter;
  readonly metrics?: ControlPlaneMetrics;
}

export interface ServedCalls {
  readonly connections: ControlPlaneConnections;
  readonly limits: ControlPlaneLimits;
  readonly options: ServeCallsOptions;
  /** Ends all calls when it aborts. */
  readonly shutdownSignal: AbortSignal;
}

/** Serves and counts calls, each within the rate of its caller and in its caller's turn. */
export function serveCalls(server: Http2SecureServer, serving: ServedCalls): { readonly begun: number } {
  const calls = { begun: 0 };
  const { connections, limits, options, shutdownSignal } = serving;
  const rates = new CallRates(limits, options.clock);
  const handler = createGrpcHandler({
    routes: options.routes,
    maxMessageBytes: limits.maxMessageBytes,
    contextValues: ({ stream: { session } }) => {
      const peer = connections.peerOf(session);
      const onProven = (caller: ProvenCaller): void => {
        if (peer.kind === "verified") return;
        rates.transfer(formatCaller(peer), formatCaller(caller));
        if (session !== undefined) connections.proven(session, caller);
      };
      return createContextValues().set(peerIdentityKey, peer).set(provenCallerKey, onProven);
    },
    log: options.log,
    limitLog: options.limitLog,
    shutdownSignal,
  });
  const limitCalls = (peer: CallOf, maxCalls: number) =>
    limitArrivingCalls(maxCalls, () => options.metrics?.callDisplaced(peer));
  const arriving = {
    verified: limitCalls("verified", limits.maxArrivingOfVerified),
    unverified: limitCalls("unverified", limits.maxArrivingOfUnverified),
  };
  const refuse = createDelayedRefusals(limits, options.clock);
  const onWaiting = (peer: CallOf, waiting: number): void => options.metrics?.callsWaiting(peer, waiting);
  const turns = new CallTurns({ limits, clock: options.clock, onWaiting });
  server.on("request", (request, response) => {
    const { stream } = request;
    calls.begun += 1;
    const peer = connections.peerOf(stream.session);
    const kind = peer.kind === "verified" ? "verified" : "unverified";
    const caller = formatCaller(peer);
    if (!rates.take(caller)) {
      options.metrics?.callRefused(kind);
      return refuse(caller, stream);
    }
    const isOpenEnded = handler.isOpenEnded(request);
    if (!isOpenEnded) limitTime(stream, serving, () => options.metrics?.callTimedOut(kind));
    turns.add({
      ...{ caller, peer: kind },
      serve: () => {
        if (stream.destroyed) return;
        // A stream of requests is limited by its service, which reads them at once. Without a certificate it is refused.
        if (kind === "unverified" || !isOpenEnded) arriving[kind].begin(stream);
        handler(request, response);
      },
      refuse: () => {
        options.metrics?.callCrowdedOut(kind);
        refuse(caller, stream);
      },
    });
  });
  return calls;
}

/** Ends a call that is not over in time. */
function limitTime(stream: ServerHttp2Stream, { limits, options }: ServedCalls, onTimedOut: () => void): void {
  if (stream.destroyed) return;
  const timer = options.clock.setTimeout(() => {
    onTimedOut();
    stream.close(constants.NGHTTP2_CANCEL);
    // What waits to be sent is freed at once.
    stream.destroy();
  }, limits.callTimeoutMs);
  stream.once("close", () => timer.cancel());
}
