import { randomUUID } from "node:crypto";
import type { ClientRequest, IncomingMessage } from "node:http";
import type HttpProxy from "http-proxy";
import type { CompiledListener } from "../../mesh/policy/compile-routes.ts";
import { decideRoute } from "../../mesh/policy/route.ts";
import type { HostTarget } from "../../mesh/policy/types.ts";
import type { Clock, LogFields, Logger, Random } from "../../mesh/runtime.ts";
import type { LogLimiter } from "../connections/log-limiter.ts";
import type { ProxyMetrics } from "../telemetry/proxy-metrics.ts";
import { forwardRequest } from "./forward-request.ts";
import { answerOnSocket, forwardUpgrade } from "./forward-upgrade.ts";
import { failureAnswer, type GatewayAnswer, refusalAnswer, writeAnswer } from "./gateway-answer.ts";
import type { GatewayLimits } from "./gateway-limits.ts";
import type { RoutedExchange, RoutedUpgrade } from "./gateway-listener.ts";
import type { AcceptedRequest } from "./judge-request.ts";
import { createUpstreamHeaders, type UpstreamHeaders } from "./upstream-headers.ts";
import type { UpstreamPool } from "./upstream-pool.ts";
import { watchBody } from "./watch-body.ts";

export interface RoutingContext {
  readonly proxy: HttpProxy;
  readonly pool: UpstreamPool;
  readonly limits: GatewayLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: ProxyMetrics;
  readonly log: Logger;
  readonly limitLog: LogLimiter;
}

/** Routes a request by the configuration of this moment, and serves it. */
export function serveRequest(exchange: RoutedExchange, listener: CompiledListener, context: RoutingContext): void {
  const { request, response, accepted, isLast } = exchange;
  const answer = (own: GatewayAnswer): void => {
    context.metrics.gatewayAnswered("gateway", own.status, own.reason);
    writeAnswer(response, own, isLast());
  };
  const decision = routeRequest(accepted, listener, context);
  if (decision.kind === "answer") {
    answer(decision.answer);
    return;
  }
  let outgoing: ClientRequest | undefined;
  if (accepted.framing.kind !== "none") cutHaltedBody(exchange, context, { outgoing: () => outgoing, answer });
  forwardRequest(context.proxy, {
    request,
    response,
    accepted,
    isLast,
    headers: headersFor(request, accepted),
    target: decision.target,
    agent: context.pool.agentFor(decision.target),
    upstreamIdleMs: context.limits.upstreamIdleMs,
    onRequest: (captured) => {
      outgoing = captured;
      captured.once("response", ({ statusCode = 0 }) => context.metrics.gatewayAnswered("upstream", statusCode, ""));
    },
    onFailure: (own, error) => {
      logFailure(decision.target, own, error, context);
      answer(own);
    },
  });
}

interface UnderWay {
  /** The request to the upstream, once there is one. */
  readonly outgoing: () => ClientRequest | undefined;
  readonly answer: (own: GatewayAnswer) => void;
}

function cutHaltedBody({ request, response }: RoutedExchange, context: RoutingContext, underWay: UnderWay): void {
  watchBody(request, {
    clock: context.clock,
    idleMs: context.limits.bodyIdleMs,
    isHeldBack: () => {
      const outgoing = underWay.outgoing();
      return outgoing?.destroyed === false && outgoing.writableNeedDrain;
    },
    onIdle: () => {
      underWay.outgoing()?.destroy();
      if (response.headersSent) request.socket.destroy();
      else underWay.answer(refusalAnswer("body_timeout"));
    },
  });
}

/** The same for a WebSocket's opening. */
export function serveUpgrade(upgrade: RoutedUpgrade, listener: CompiledListener, context: RoutingContext): void {
  const { request, socket, accepted } = upgrade;
  const answer = (own: GatewayAnswer): void => {
    context.metrics.gatewayAnswered("gateway", own.status, own.reason);
    answerOnSocket(request, socket, own);
  };
  const decision = routeRequest(accepted, listener, context);
  if (decision.kind === "answer") {
    answer(decision.answer);
    return;
  }
  forwardUpgrade(context.proxy, {
    ...upgrade,
    headers: headersFor(request, accepted),
    target: decision.target,
    agent: context.pool.agentFor(decision.target),
    upstreamIdleMs: context.limits.upstreamIdleMs,
    onSwitched: () => context.metrics.gatewayAnswered("upstream", 101, ""),
    onAnswered: (status) => context.metrics.gatewayAnswered("upstream", status, ""),
    onFailure: (own, error) => {
      logFailure(decision.target, own, error, context);
      answer(own);
    },
  });
}

type RoutingDecision =
  | { readonly kind: "forward"; readonly target: HostTarget }
  | { readonly kind: "answer"; readonly answer: GatewayAnswer };

function routeRequest(accepted: AcceptedRequest, listener: CompiledListener, context: RoutingContext): RoutingDecision {
  const { host, path, method } = accepted;
  const verdict = decideRoute(listener, { host, path, method, headers: readHeader(accepted) }, context.random);
  switch (verdict.kind) {
    case "route":
      return { kind: "forward", target: verdict.target };
    case "redirect":
    case "abort":
      return { kind: "answer", answer: { status: verdict.status, reason: verdict.kind, body: "" } };
    case "no_host":
    case "no_route":
      return { kind: "answer", answer: failureAnswer(verdict.kind) };
    case "refused":
      warn(context, { code: "route_refused", route: verdict.route.name }, verdict.reason);
      return { kind: "answer", answer: failureAnswer("route_refused") };
  }
}

/** As Envoy joins a header that comes more than once. */
function readHeader({ headers }: AcceptedRequest): (name: string) => string | undefined {
  return (name) => {
    const values = headers.filter(([candidate]) => candidate === name).map(([, value]) => value);
    return values.length === 0 ? undefined : values.join(",");
  };
}

function headersFor(request: IncomingMessage, accepted: AcceptedRequest): UpstreamHeaders {
  const address = (request.socket.remoteAddress ?? "unknown").replace(/^::ffff:/, "");
  return createUpstreamHeaders(accepted, { address, requestId: randomUUID() });
}

function logFailure(target: HostTarget, answer: GatewayAnswer, error: Error, context: RoutingContext): void {
  const upstream = `${target.host}:${target.port}`;
  warn(context, { code: answer.reason, status: answer.status, upstream }, `an upstream failed: ${error.message}`);
}

/** Strangers decide how often this is called, so only a few lines a second are written of each code. */
function warn({ log, limitLog }: RoutingContext, fields: LogFields & { readonly code: string }, message: string): void {
  const { isGranted, heldBack } = limitLog(fields.code);
  if (isGranted) log.warn(heldBack > 0 ? { ...fields, heldBack } : fields, message);
}
