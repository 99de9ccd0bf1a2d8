import { randomUUID } from "node:crypto";
import type { ClientRequest } from "node:http";
import type { Socket } from "node:net";
import type HttpProxy from "http-proxy";
import type { CompiledListener } from "../../mesh/policy/routing/compile-routes.ts";
import { foldHeaderOperations } from "../../mesh/policy/routing/header-operations.ts";
import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { Clock, LogFields, Logger, LogLimiter, Random } from "../../mesh/runtime.ts";
import type { RequestFault } from "../http/downstream/downstream-options.ts";
import type { Http1Limits } from "../http1/http1-limits.ts";
import type { ProxyMetrics } from "../telemetry/proxy-metrics.ts";
import type { AcceptedRequest } from "./accepted-request.ts";
import { afterDelay } from "./after-delay.ts";
import type { Forwarding } from "./captured-request.ts";
import { forwardRequest } from "./forward-request.ts";
import { answerOnSocket, forwardUpgrade } from "./forward-upgrade.ts";
import { faultAnswer, type GatewayAnswer, writeAnswer } from "./gateway-answer.ts";
import type { GatewayLimits } from "./gateway-limits.ts";
import type { RoutedExchange, RoutedUpgrade } from "./gateway-listener.ts";
import { type ForwardDecision, type RoutingDecision, routeRequest } from "./route-request.ts";
import { createUpstreamHeaders, editHeaders } from "./upstream-headers.ts";
import type { UpstreamPool } from "./upstream-pool.ts";

export interface RoutingContext {
  readonly proxy: HttpProxy;
  readonly pool: UpstreamPool;
  readonly limits: GatewayLimits;
  readonly messageLimits: Http1Limits;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: ProxyMetrics;
  readonly log: Logger;
  readonly limitLog: LogLimiter;
}

/** Routes a request by the configuration of this moment, and serves it. */
export function serveRequest(exchange: RoutedExchange, listener: CompiledListener, context: RoutingContext): void {
  const { response, accepted, isLast, record } = exchange;
  const answer = (own: GatewayAnswer): void => {
    context.metrics.gatewayAnswered("gateway", own.status, own.reason);
    record.answeredBy(own);
    writeAnswer(response, own, isLast());
  };
  const decision = route(accepted, listener, context);
  if (decision.delayMs !== undefined) record.delayed();
  afterDelay({ clock: context.clock, delayMs: decision.delayMs, waiting: response }, () => {
    if (decision.kind === "answer") answer(decision.answer);
    else forward(exchange, decision, { context, answer });
  });
}

interface Serving {
  readonly context: RoutingContext;
  readonly answer: (own: GatewayAnswer) => void;
}

function forward(exchange: RoutedExchange, decision: ForwardDecision, { context, answer }: Serving): void {
  const { response, isLast } = exchange;
  const { clock, random, metrics, proxy } = context;
  let outgoing: ClientRequest | undefined;
  exchange.client.serve((fault) => {
    outgoing?.destroy();
    endMalformedBody(exchange, fault, answer);
  });
  forwardRequest(proxy, {
    ...forwardingOf(exchange, decision, context),
    response,
    route: decision.route,
    clock,
    random,
    isLast,
    onRequest: (captured) => {
      outgoing = captured;
    },
    onAnswer: (status) => metrics.gatewayAnswered("upstream", status, ""),
    onFailure: (own, error) => {
      logFailure(decision.target, own, error, context);
      answer(own);
    },
  });
}

/** Serves a client whose body does not come as it should: it is answered where that is still possible, else cut. */
function endMalformedBody(
  { response, client, record }: RoutedExchange,
  fault: RequestFault,
  answer: (own: GatewayAnswer) => void,
): void {
  const own = faultAnswer(fault);
  record.answeredBy(own);
  if (response.headersSent) client.destroy();
  else answer(own);
}

/** The same for a WebSocket's opening. A route's timeout and retries are not for connections that stay open. */
export function serveUpgrade(upgrade: RoutedUpgrade, listener: CompiledListener, context: RoutingContext): void {
  const { request, socket, accepted, record } = upgrade;
  const { clock, metrics, proxy } = context;
  const answer = (own: GatewayAnswer): void => {
    metrics.gatewayAnswered("gateway", own.status, own.reason);
    record.answered(own.status);
    record.answeredBy(own);
    answerOnSocket(request, socket, own);
  };
  const onAnswered = (status: number): void => {
    metrics.gatewayAnswered("upstream", status, "");
    record.answered(status);
  };
  const decision = route(accepted, listener, context);
  if (decision.delayMs !== undefined) record.delayed();
  afterDelay({ clock, delayMs: decision.delayMs, waiting: socket }, () => {
    if (decision.kind === "answer") return answer(decision.answer);
    forwardUpgrade(proxy, {
      ...upgrade,
      ...forwardingOf(upgrade, decision, context),
      onSwitched: () => onAnswered(101),
      onAnswered,
      onFailure: (own, error) => {
        logFailure(decision.target, own, error, context);
        answer(own);
      },
    });
  });
}

function route(accepted: AcceptedRequest, listener: CompiledListener, context: RoutingContext): RoutingDecision {
  return routeRequest(accepted, {
    listener,
    random: context.random,
    onRefused: ({ name }, reason) => warn(context, { code: "route_refused", route: name }, reason),
  });
}

function forwardingOf(
  { request, record }: Pick<RoutedExchange, "request" | "record">,
  decision: ForwardDecision,
  context: RoutingContext,
): Forwarding {
  const { accepted, target, operations } = decision;
  const requestId = randomUUID();
  record.routedTo({ target, name: decision.route.name, requestId });
  const headers = createUpstreamHeaders(accepted, { address: addressOf(request.socket), requestId });
  return {
    request,
    record,
    accepted,
    target,
    operations,
    headers: operations.length === 0 ? headers : editHeaders(headers, foldHeaderOperations(operations, "request")),
    agent: context.pool.agentFor(target),
    upstreamIdleMs: context.limits.upstreamIdleMs,
    messageLimits: context.messageLimits,
  };
}

function addressOf({ remoteAddress = "unknown" }: Pick<Socket, "remoteAddress">): string {
  return remoteAddress.replace(/^::ffff:/, "");
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
