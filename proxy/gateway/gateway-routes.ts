import { randomUUID } from "node:crypto";
import type { EventEmitter } from "node:events";
import type { ClientRequest } from "node:http";
import type { Socket } from "node:net";
import type HttpProxy from "http-proxy";
import type { CompiledListener } from "../../mesh/policy/routing/compile-routes.ts";
import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { Clock, LogFields, Logger, LogLimiter, Random } from "../../mesh/runtime.ts";
import type { Authentication, RequestAuthenticator } from "../http/authentication/request-authenticator.ts";
import type { TokenEdits } from "../http/authentication/token-edits.ts";
import type { RequestFault } from "../http/downstream/downstream-options.ts";
import type { Http1Limits } from "../http1/http1-limits.ts";
import type { ProxyMetrics } from "../telemetry/proxy-metrics.ts";
import type { ClientGuard, ReportFault } from "./fault-guard.ts";
import type { GatewayLimits } from "./gateway-limits.ts";
import type { RoutedExchange, RoutedUpgrade } from "./gateway-listener.ts";
import { faultReply, type GatewayReply, writeReply } from "./gateway-reply.ts";
import { authenticateRequest, withTokenEdits } from "./requests/authenticate-request.ts";
import { type ForwardDecision, type LocalReplyDecision, routeRequest } from "./requests/route-request.ts";
import type { Forwarding } from "./upstream/captured-request.ts";
import { forwardRequest } from "./upstream/forward-request.ts";
import { forwardUpgrade, writeReplyToSocket } from "./upstream/forward-upgrade.ts";
import { createUpstreamHeaders, editHeaders } from "./upstream/upstream-headers.ts";
import type { UpstreamPool } from "./upstream/upstream-pool.ts";

export interface RoutingContext {
  readonly proxy: HttpProxy;
  readonly pool: UpstreamPool;
  readonly authenticator: RequestAuthenticator;
  readonly limits: GatewayLimits;
  readonly messageLimits: Http1Limits;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: ProxyMetrics;
  readonly log: Logger;
  readonly limitLog: LogLimiter;
  readonly reportFault: ReportFault;
}

/** Routes a request by the current configuration, and serves it. */
export function serveRequest(exchange: RoutedExchange, listener: CompiledListener, context: RoutingContext): void {
  const { response, client, isLast, record, guard } = exchange;
  const reply = (own: GatewayReply): void => {
    const formed = record.answeredBy(own);
    context.metrics.gatewayResponded("gateway", formed.status, own.reason);
    writeReply(response, formed, isLast());
  };
  authenticateRequest({ ...exchange, waiting: response, client }, context.authenticator, (authentication) => {
    const decision = decide(exchange, authentication, { listener, context });
    if (decision.delayMs !== undefined) record.delayed();
    afterDelay({ clock: context.clock, delayMs: decision.delayMs, waiting: response, guard }, () => {
      if (decision.kind === "local_reply") reply(decision.reply);
      else forward(exchange, decision, { context, reply });
    });
  });
}

interface Serving {
  readonly context: RoutingContext;
  readonly reply: (own: GatewayReply) => void;
}

function forward(exchange: RoutedExchange, decision: AuthenticatedForward, { context, reply }: Serving): void {
  const { response, isLast } = exchange;
  const { clock, random, metrics, proxy } = context;
  let outgoing: ClientRequest | undefined;
  exchange.client.serve((fault) => {
    outgoing?.destroy();
    endMalformedBody(exchange, fault, reply);
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
    onResponse: (status) => metrics.gatewayResponded("upstream", status, ""),
    onFailure: (own, error) => {
      logFailure(decision.target, own, error, context);
      reply(own);
    },
  });
}

/** Handles a malformed or slow body: sends a local reply if that is still possible, else cuts the connection. */
function endMalformedBody(
  { response, client, record }: RoutedExchange,
  fault: RequestFault,
  reply: (own: GatewayReply) => void,
): void {
  const own = faultReply(fault);
  if (!response.headersSent) {
    reply(own);
    return;
  }
  record.cutBy(own);
  client.destroy();
}

/** The same for an upgrade. A route's timeout and retries do not apply to connections that stay open. */
export function serveUpgrade(upgrade: RoutedUpgrade, listener: CompiledListener, context: RoutingContext): void {
  const { request, socket, record, guard } = upgrade;
  const { clock, metrics, proxy } = context;
  const reply = (own: GatewayReply): void => {
    const formed = record.answeredBy(own);
    metrics.gatewayResponded("gateway", formed.status, own.reason);
    record.answered(formed.status);
    writeReplyToSocket(request, socket, formed);
  };
  const onResponse = (status: number): void => {
    metrics.gatewayResponded("upstream", status, "");
    record.answered(status);
  };
  const forwardTo = (decision: AuthenticatedForward): void =>
    forwardUpgrade(proxy, {
      ...upgrade,
      ...forwardingOf(upgrade, decision, context),
      onSwitched: () => onResponse(101),
      onResponse,
      onFailure: (own, error) => {
        logFailure(decision.target, own, error, context);
        reply(own);
      },
    });
  authenticateRequest({ ...upgrade, waiting: socket, client: socket }, context.authenticator, (authentication) => {
    const decision = decide(upgrade, authentication, { listener, context });
    if (decision.delayMs !== undefined) record.delayed();
    afterDelay({ clock, delayMs: decision.delayMs, waiting: socket, guard }, () => {
      if (decision.kind === "local_reply") reply(decision.reply);
      else forwardTo(decision);
    });
  });
}

/** With what the gateway adds for the request's token. */
type AuthenticatedForward = ForwardDecision & { readonly edits: TokenEdits };

interface Routing {
  readonly listener: CompiledListener;
  readonly context: RoutingContext;
}

function decide(
  { accepted }: Pick<RoutedExchange, "accepted">,
  authentication: Authentication,
  { listener, context }: Routing,
): AuthenticatedForward | LocalReplyDecision {
  if (authentication.kind === "refused") {
    const reply = { ...authentication.reply, reason: "jwt_authn" };
    return { kind: "local_reply", reply, delayMs: undefined };
  }
  const { edits } = authentication;
  const decision = routeRequest(withTokenEdits(accepted, edits), {
    listener,
    random: context.random,
    onRefused: ({ name }, reason) => warn(context, { code: "route_refused", route: name }, reason),
  });
  return decision.kind === "forward" ? { ...decision, edits } : decision;
}

function forwardingOf(
  { request, record, guard }: Pick<RoutedExchange, "request" | "record" | "guard">,
  decision: AuthenticatedForward,
  context: RoutingContext,
): Forwarding {
  const { accepted, target, operations, edits } = decision;
  const requestId = randomUUID();
  record.routedTo({ target, name: decision.route.name, requestId });
  const written = createUpstreamHeaders(accepted, { address: addressOf(request.socket), requestId });
  const headers = edits.headers === undefined ? written : editHeaders(written, edits.headers);
  return {
    request,
    record,
    guard,
    accepted,
    target,
    operations,
    headers,
    agent: context.pool.agentFor(target),
    upstreamIdleMs: context.limits.upstreamIdleMs,
    messageLimits: context.messageLimits,
  };
}

function addressOf({ remoteAddress = "unknown" }: Pick<Socket, "remoteAddress">): string {
  return remoteAddress.replace(/^::ffff:/, "");
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
