import type { CompiledListener } from "../../../mesh/policy/routing/compile-routes.ts";
import { foldHeaderOperations } from "../../../mesh/policy/routing/header-operations.ts";
import type { HostTarget } from "../../../mesh/policy/routing/host-target.ts";
import type { HeaderOperations, HttpRoute } from "../../../mesh/policy/routing/http-route.ts";
import { decideRoute, type ForwardVerdict, type RedirectVerdict } from "../../../mesh/policy/routing/route.ts";
import type { Random } from "../../../mesh/runtime.ts";
import { abortReply, failureReply, type GatewayReply, redirectReply } from "../gateway-reply.ts";
import { editHeaders } from "../upstream/upstream-headers.ts";
import type { AcceptedRequest } from "./accepted-request.ts";

/** What the gateway does with a request, after `delayMs` if set. */
export type RoutingDecision = ForwardDecision | LocalReplyDecision;

export interface ForwardDecision {
  readonly kind: "forward";
  readonly route: HttpRoute;
  readonly target: HostTarget;
  /** As sent to the upstream. */
  readonly accepted: AcceptedRequest;
  readonly operations: readonly HeaderOperations[];
  readonly delayMs: number | undefined;
}

export interface LocalReplyDecision {
  readonly kind: "local_reply";
  readonly reply: GatewayReply;
  readonly delayMs: number | undefined;
}

export interface RouteRequestOptions {
  readonly listener: CompiledListener;
  readonly random: Random;
  /** A route matched but cannot be served. */
  readonly onRefused: (route: HttpRoute, reason: string) => void;
}

export function routeRequest(accepted: AcceptedRequest, options: RouteRequestOptions): RoutingDecision {
  const { host, path, method, scheme } = accepted;
  const request = { host, path, method, scheme, headers: readHeader(accepted) };
  const verdict = decideRoute(options.listener, request, options.random);
  switch (verdict.kind) {
    case "route":
      return forward(accepted, verdict);
    case "redirect":
      return { kind: "local_reply", reply: redirect(verdict), delayMs: verdict.delayMs };
    case "abort":
      return { kind: "local_reply", reply: abortReply(verdict.status, verdict.grpcStatus), delayMs: verdict.delayMs };
    case "no_host":
    case "no_route":
      return { kind: "local_reply", reply: failureReply(verdict.kind), delayMs: undefined };
    case "refused":
      options.onRefused(verdict.route, verdict.reason);
      return { kind: "local_reply", reply: failureReply("route_refused"), delayMs: undefined };
  }
}

function forward(accepted: AcceptedRequest, verdict: ForwardVerdict): ForwardDecision {
  const { route, target, rewritten, headers: operations, delayMs } = verdict;
  const path = rewritten?.path ?? accepted.path;
  const host = rewritten?.authority ?? accepted.host;
  return { kind: "forward", route, target, accepted: { ...accepted, path, host }, operations, delayMs };
}

function redirect({ status, location, headers }: RedirectVerdict): GatewayReply {
  const edited = editHeaders({ location }, foldHeaderOperations(headers, "response"));
  return redirectReply(
    status,
    Object.entries(edited).flatMap(([name, values]) => [values].flat().map((value) => ({ name, value }))),
  );
}

/** Joins a repeated header as Envoy does. */
function readHeader({ headers }: AcceptedRequest): (name: string) => string | undefined {
  return (name) => {
    const values = headers.filter(([candidate]) => candidate === name).map(([, value]) => value);
    return values.length === 0 ? undefined : values.join(",");
  };
}
