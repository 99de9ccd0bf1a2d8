import type { CompiledListener } from "../../mesh/policy/routing/compile-routes.ts";
import { foldHeaderOperations } from "../../mesh/policy/routing/header-operations.ts";
import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { HeaderOperations, HttpRoute } from "../../mesh/policy/routing/http-route.ts";
import { decideRoute, type ForwardVerdict, type RedirectVerdict } from "../../mesh/policy/routing/route.ts";
import type { Random } from "../../mesh/runtime.ts";
import type { AcceptedRequest } from "./accepted-request.ts";
import { abortAnswer, failureAnswer, type GatewayAnswer, redirectAnswer } from "./gateway-answer.ts";
import { editHeaders } from "./upstream-headers.ts";

/** What the gateway does with a request, after `delayMs` where there is one. */
export type RoutingDecision = ForwardDecision | AnswerDecision;

export interface ForwardDecision {
  readonly kind: "forward";
  readonly route: HttpRoute;
  readonly target: HostTarget;
  /** As the upstream is to get it. */
  readonly accepted: AcceptedRequest;
  readonly operations: readonly HeaderOperations[];
  readonly delayMs: number | undefined;
}

export interface AnswerDecision {
  readonly kind: "answer";
  readonly answer: GatewayAnswer;
  readonly delayMs: number | undefined;
}

export interface RouteRequestOptions {
  readonly listener: CompiledListener;
  readonly random: Random;
  /** A route matched that cannot be served. */
  readonly onRefused: (route: HttpRoute, reason: string) => void;
}

export function routeRequest(accepted: AcceptedRequest, options: RouteRequestOptions): RoutingDecision {
  const { host, path, method } = accepted;
  const verdict = decideRoute(options.listener, { host, path, method, headers: readHeader(accepted) }, options.random);
  switch (verdict.kind) {
    case "route":
      return forward(accepted, verdict);
    case "redirect":
      return { kind: "answer", answer: redirect(verdict), delayMs: verdict.delayMs };
    case "abort":
      return { kind: "answer", answer: abortAnswer(verdict.status), delayMs: verdict.delayMs };
    case "no_host":
    case "no_route":
      return { kind: "answer", answer: failureAnswer(verdict.kind), delayMs: undefined };
    case "refused":
      options.onRefused(verdict.route, verdict.reason);
      return { kind: "answer", answer: failureAnswer("route_refused"), delayMs: undefined };
  }
}

function forward(accepted: AcceptedRequest, verdict: ForwardVerdict): ForwardDecision {
  const { route, target, rewritten, headers: operations, delayMs } = verdict;
  const path = rewritten?.path ?? accepted.path;
  const host = rewritten?.authority ?? accepted.host;
  return { kind: "forward", route, target, accepted: { ...accepted, path, host }, operations, delayMs };
}

function redirect({ status, location, headers }: RedirectVerdict): GatewayAnswer {
  return redirectAnswer(status, editHeaders({ location }, foldHeaderOperations(headers, "response")));
}

/** As Envoy joins a header that comes more than once. */
function readHeader({ headers }: AcceptedRequest): (name: string) => string | undefined {
  return (name) => {
    const values = headers.filter(([candidate]) => candidate === name).map(([, value]) => value);
    return values.length === 0 ? undefined : values.join(",");
  };
}
