import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type HttpProxy from "http-proxy";
import type { CompiledListener } from "../../mesh/policy/routing/compile-routes.ts";
import { foldHeaderOperations } from "../../mesh/policy/routing/header-operations.ts";
import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { Clock, LogFields, Logger, LogLimiter, Random } from "../../mesh/runtime.ts";
import { abortSocket } from "../connections/relay.ts";
import type { RequestAuthenticator } from "../http/authentication/request-authenticator.ts";
import type { TokenEdits } from "../http/authentication/token-edits.ts";
import type { Http1Limits } from "../http1/http1-limits.ts";
import type { ProxyMetrics } from "../telemetry/proxy-metrics.ts";
import type { GatewayPolicies } from "./authorization/gateway-policies.ts";
import type { ClientGuard, ReportFault } from "./fault-guard.ts";
import type { GatewayLimits } from "./gateway-limits.ts";
import type { RoutedExchange, RoutedUpgrade } from "./gateway-listener.ts";
import { faultReply, type GatewayReply, pathReply, writeReply } from "./gateway-reply.ts";
import { acceptRequest } from "./requests/accepted-request.ts";
import { authenticateRequest, withTokenEdits } from "./requests/authenticate-request.ts";
import { Responder } from "./requests/responder.ts";
import { type ForwardDecision, routeRequest } from "./requests/route-request.ts";
import type { Forwarding } from "./upstream/captured-request.ts";
import { forwardRequest } from "./upstream/forward-request.ts";
import { forwardUpgrade, writeReplyToSocket } from "./upstream/forward-upgrade.ts";
import { createUpstreamHeaders, editHeaders } from "./upstream/upstream-headers.ts";
import type { UpstreamPool } from "./upstream/upstream-pool.ts";

export interface RoutingContext {
  readonly proxy: HttpProxy;
  readonly pool: UpstreamPool;
  readonly authenticator: RequestAuthenticator;
  readonly policies: GatewayPolicies;
  readonly limits: GatewayLimits;
  readonly messageLimits: Http1Limits;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: ProxyMetrics;
  readonly log: Logger;
  readonly limitLog: LogLimiter;
  readonly reportFault: ReportFault;
}

/** Authenticates and judges a request by the rules in force, then serves it by the routes of its port. */
export function serveRequest(exchange: RoutedExchange, listener: CompiledListener, context: RoutingContext): void {
  const { response, isLast, record, client } = exchange;
  const responder = new Responder({
    record,
    metrics: context.metrics,
    hasBegun: () => response.headersSent,
    write: (reply) => writeReply(response, reply, isLast()),
    cut: () => client.destroy(),
  });
  const serving = { context, responder, listener, socket: client.socket, lifetime: response };
  whenAllowed(exchange, serving, (edits) => {
    if (exchange.isAwaitingContinue) response.writeContinue();
    routeTo(exchange, edits, serving, (decision) => forward(exchange, decision, serving));
  });
}

interface Serving {
  readonly context: RoutingContext;
  readonly responder: Responder;
  readonly listener: CompiledListener;
  /** The client's connection. */
  readonly socket: Socket;
  /** Closes when the request is over. */
  readonly lifetime: EventEmitter;
}

/** What a request and an upgrade have in common. */
type Requested = Pick<RoutedExchange, "request" | "prepared" | "record" | "guard">;

/**
 * Continues with a request that is neither refused for its path or its token, nor denied by policies. It may be ended
 * later, when those have changed. @param action gets what changes because of its token
 */
function whenAllowed(
  { prepared, record, guard }: Requested,
  serving: Serving,
  action: (edits: TokenEdits) => void,
): void {
  const { context, responder, socket, lifetime } = serving;
  if (prepared.isRefused) {
    responder.reply(pathReply());
    return;
  }
  const authenticating = { head: prepared.head, guard, waiting: lifetime, client: socket };
  authenticateRequest(authenticating, context.authenticator, (authentication) => {
    if (authentication.kind === "refused") {
      responder.reply({ ...authentication.reply, reason: "jwt_authn" });
      return;
    }
    const { edits } = authentication;
    const token = authentication.kind === "verified" ? authentication.token : undefined;
    const exchange = { prepared, token, edits, socket, lifetime, guard };
    const denial = context.policies.admit({ ...exchange, onVerdict: record.judged, onDenied: responder.end });
    if (denial === undefined) action(edits);
    else responder.reply(denial);
  });
}

/** With what the gateway adds for the request's token. */
type AuthenticatedForward = ForwardDecision & { readonly edits: TokenEdits };

/** Continues with a request that its route forwards, after the delay that the route injects; else replies to it. */
function routeTo(
  { prepared, record, guard }: Requested,
  edits: TokenEdits,
  { context, responder, listener, lifetime }: Serving,
  action: (decision: AuthenticatedForward) => void,
): void {
  const { clock, random } = context;
  const decision = routeRequest(withTokenEdits(acceptRequest(prepared.head), edits), {
    listener,
    random,
    onRefused: ({ name }, reason) => warn(context, { code: "route_refused", route: name }, reason),
  });
  const { delayMs } = decision;
  if (delayMs !== undefined) record.delayed();
  afterDelay({ clock, delayMs, waiting: lifetime, guard }, () => {
    if (responder.isOver) return;
    if (decision.kind === "local_reply") responder.reply(decision.reply);
    else action({ ...decision, edits });
  });
}

function forward(exchange: RoutedExchange, decision: AuthenticatedForward, { context, responder }: Serving): void {
  const { response, isLast } = exchange;
  const { clock, random, metrics, proxy } = context;
  exchange.client.serve((fault) => responder.end(faultReply(fault)));
  forwardRequest(proxy, {
    ...forwardingOf(exchange, decision, context),
    response,
    route: decision.route,
    clock,
    random,
    isLast,
    onRequest: responder.sends,
    onResponse: (status) => metrics.gatewayResponded("upstream", status, ""),
    onFailure: (own, error) => {
      logFailure(decision.target, own, error, context);
      responder.reply(own);
    },
  });
}

/** The same for an upgrade. A route's timeout and retries do not apply to connections that stay open. */
export function serveUpgrade(upgrade: RoutedUpgrade, listener: CompiledListener, context: RoutingContext): void {
  const { request, socket, record } = upgrade;
  const { metrics } = context;
  let hasBegun = false;
  const responder = new Responder({
    record,
    metrics,
    hasBegun: () => hasBegun,
    write: (reply) => writeReplyToSocket(request, socket, reply),
    cut: () => abortSocket(socket),
  });
  const onResponse = (status: number): void => {
    hasBegun = true;
    metrics.gatewayResponded("upstream", status, "");
    record.answered(status);
  };
  const serving = { context, responder, listener, socket, lifetime: socket };
  whenAllowed(upgrade, serving, (edits) => {
    routeTo(upgrade, edits, serving, (decision) => {
      forwardUpgrade(context.proxy, {
        ...upgrade,
        ...forwardingOf(upgrade, decision, context),
        onRequest: responder.sends,
        onSwitched: () => onResponse(101),
        onResponse,
        onFailure: (own, error) => {
          if (responder.isOver) return;
          logFailure(decision.target, own, error, context);
          responder.reply(own);
        },
      });
    });
  });
}

function forwardingOf(
  { request, record, guard, prepared }: Requested,
  decision: AuthenticatedForward,
  context: RoutingContext,
): Forwarding {
  const { accepted, target, operations, edits } = decision;
  record.routedTo({ target, name: decision.route.name });
  const headers = createUpstreamHeaders(accepted, prepared.client.written);
  return {
    request,
    record,
    guard,
    accepted,
    target,
    operations,
    headers: edits.headers === undefined ? headers : editHeaders(headers, edits.headers),
    removed: new Set([
      ...foldHeaderOperations(operations, "request").removed,
      ...(edits.headers?.removed ?? []),
      ...context.policies.fieldNames,
    ]),
    agent: context.pool.agentFor(target),
    upstreamIdleMs: context.limits.upstreamIdleMs,
    messageLimits: context.messageLimits,
  };
}

function logFailure(target: HostTarget, reply: GatewayReply, error: Error, context: RoutingContext): void {
  const upstream = `${target.host}:${target.port}`;
  warn(context, { code: reply.reason, status: reply.status, upstream }, `an upstream failed: ${error.message}`);
}

/** External clients determine how often this is called, so only a few lines a second are written per code. */
function warn({ log, limitLog }: RoutingContext, fields: LogFields & { readonly code: string }, message: string): void {
  const { isGranted, heldBack } = limitLog(fields.code);
  if (isGranted) log.warn(heldBack > 0 ? { ...fields, heldBack } : fields, message);
}

interface InjectedDelay {
  readonly clock: Clock;
  /** `undefined`: immediately. */
  readonly delayMs: number | undefined;
  /** The response, or the client's connection: when it closes the delay is cancelled. */
  readonly waiting: EventEmitter;
  readonly guard: ClientGuard;
}

/** Continues with a request after the delay that its route injects, unless the client has disconnected by then. */
function afterDelay({ clock, delayMs, waiting, guard }: InjectedDelay, action: () => void): void {
  if (delayMs === undefined) {
    action();
    return;
  }
  const cancel = (): void => timer.cancel();
  const timer = clock.setTimeout(() => {
    waiting.off("close", cancel);
    guard.run(action);
  }, delayMs);
  waiting.once("close", cancel);
}
