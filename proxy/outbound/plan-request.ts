import { randomUUID } from "node:crypto";
import { type CompiledRoutes, compileRoutes } from "../../mesh/policy/routing/compile-routes.ts";
import { type FoldedHeaders, foldHeaderOperations } from "../../mesh/policy/routing/header-operations.ts";
import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { HeaderOperations, HttpRoute, RouteRetries } from "../../mesh/policy/routing/http-route.ts";
import {
  retriesConnectFailure,
  retriesGrpcStatus,
  retriesRefusedStream,
  retriesReset,
  retriesStatus,
} from "../../mesh/policy/routing/retry-on.ts";
import { decideRouteAmong, type RouteVerdict } from "../../mesh/policy/routing/route.ts";
import type { Destination } from "../../mesh/policy/types.ts";
import type { Random } from "../../mesh/runtime.ts";
import type { ForwardPlan, LocalReplyPlan, RequestPlan } from "../http/exchange/request-plan.ts";
import type { RetryPolicy } from "../http/exchange/retry-policy.ts";
import type { LocalReply } from "../messages/local-reply.ts";
import type { RequestHead } from "../messages/message-head.ts";
import { formatClusterName } from "../telemetry/cluster-name.ts";
import { keyOfTarget } from "./destination-cache.ts";
import type { DestinationPools, PooledDestination } from "./destination-pools.ts";

export interface RequestPlannerOptions {
  readonly pools: DestinationPools;
  readonly random: Random;
}

/** Routes the application's requests: to their original destination, or by a VirtualService of the mesh. */
export class RequestPlanner {
  readonly #options: RequestPlannerOptions;
  /** Keyed by the destination's array, which is replaced when it changes. */
  readonly #compiled = new WeakMap<readonly HttpRoute[], CompiledRoutes>();
  readonly #edits = new WeakMap<readonly HeaderOperations[], RouteEdits>();
  readonly #plain = new WeakMap<PooledDestination, ForwardPlan>();

  constructor(options: RequestPlannerOptions) {
    this.#options = options;
  }

  plan(head: RequestHead, destination: PooledDestination): RequestPlan | Promise<RequestPlan> {
    const resolved = destination.current();
    if (resolved.kind !== "mesh" || resolved.routes.length === 0) return this.#planPlain(destination, resolved);
    const request = {
      host: head.authority,
      path: head.path,
      method: head.method,
      scheme: head.scheme,
      headers: (name: string) => head.fields.get(name),
    };
    const verdict = decideRouteAmong(this.#routesOf(resolved.routes), request, this.#options.random);
    return this.#follow(verdict);
  }

  /** No route: the request goes to its original destination. The plan is the same for every request. */
  #planPlain(destination: PooledDestination, resolved: Destination): RequestPlan {
    if (resolved.kind === "refused") return refusal("default", 503, `destination refused: ${resolved.reason}`);
    const known = this.#plain.get(destination);
    if (known !== undefined) return known;
    const plan = forwardPlan(destination, PLAIN);
    this.#plain.set(destination, plan);
    return plan;
  }

  #routesOf(routes: readonly HttpRoute[]): CompiledRoutes {
    const known = this.#compiled.get(routes);
    if (known !== undefined) return known;
    const compiled = compileRoutes(routes);
    this.#compiled.set(routes, compiled);
    return compiled;
  }

  #follow(verdict: RouteVerdict): RequestPlan | Promise<RequestPlan> {
    switch (verdict.kind) {
      case "no_host":
      case "no_route":
        return refusal("default", 404, "no route: no VirtualService matches this request");
      case "refused":
        return refusal(verdict.route.name, 503, `route refused: ${verdict.reason}`);
      case "abort": {
        const { status, grpcStatus } = verdict;
        const reply: LocalReply = { status, grpcStatus, flags: "FI", details: "fault injected: abort" };
        return localReplyPlan(verdict.route.name, reply, verdict.delayMs);
      }
      case "redirect": {
        const added = this.#editsOf(verdict.headers).response?.added ?? [];
        const fields = [{ name: "location", value: verdict.location }, ...added];
        return localReplyPlan(
          verdict.route.name,
          { status: verdict.status, flags: "-", details: "", fields },
          verdict.delayMs,
        );
      }
      case "route":
        return this.#planRoute(verdict);
    }
  }

  #planRoute(verdict: Extract<RouteVerdict, { kind: "route" }>): RequestPlan | Promise<RequestPlan> {
    const known = this.#options.pools.find(keyOfTarget(verdict.target));
    if (known !== undefined) return this.#forward(known, verdict);
    return this.#options.pools.open(verdict.target).then((opened) => {
      if (opened !== undefined) return this.#forward(opened, verdict);
      return refusal(verdict.route.name, 503, `${nameOf(verdict.target)} is new, and the control plane is unreachable`);
    });
  }

  #forward(
    destination: PooledDestination,
    { route, rewritten, headers, delayMs }: Extract<RouteVerdict, { kind: "route" }>,
  ): RequestPlan {
    const resolved = destination.current();
    if (resolved.kind === "refused") {
      destination.release();
      return refusal(route.name, 503, `destination refused: ${resolved.reason}`);
    }
    const { request, response } = this.#editsOf(headers);
    return forwardPlan(destination, {
      route: route.name,
      timeoutMs: route.timeoutMs,
      retries: route.retries === undefined ? undefined : retryPolicyFrom(route.retries),
      delayMs,
      edits: { path: rewritten?.path, authority: rewritten?.authority, headers: request },
      responseHeaders: response,
      onOver: () => destination.release(),
    });
  }

  #editsOf(operations: readonly HeaderOperations[]): RouteEdits {
    const known = this.#edits.get(operations);
    if (known !== undefined) return known;
    const edits = {
      request: editsFrom(operations, "request"),
      response: editsFrom(operations, "response"),
    };
    this.#edits.set(operations, edits);
    return edits;
  }
}

interface RouteEdits {
  readonly request: FoldedHeaders | undefined;
  readonly response: FoldedHeaders | undefined;
}

function editsFrom(operations: readonly HeaderOperations[], side: "request" | "response"): FoldedHeaders | undefined {
  const edits = foldHeaderOperations(operations, side);
  return edits.removed.size === 0 && edits.added.length === 0 ? undefined : edits;
}

type RoutedParts = Omit<ForwardPlan, "kind" | "pool" | "cluster" | "edits"> & {
  readonly edits: Pick<ForwardPlan["edits"], "path" | "authority" | "headers">;
};

const PLAIN: RoutedParts = {
  route: "default",
  timeoutMs: undefined,
  retries: undefined,
  delayMs: undefined,
  responseHeaders: undefined,
  edits: {},
};

function forwardPlan(destination: PooledDestination, parts: RoutedParts): ForwardPlan {
  return {
    ...parts,
    kind: "forward",
    pool: destination.pool,
    cluster: clusterOf(destination.current()),
    edits: { hop: "outbound", forwardedClientCert: undefined, createRequestId: randomUUID, ...parts.edits },
  };
}

/** Istio's name of an upstream. */
function clusterOf(destination: Destination): string {
  if (destination.kind !== "mesh") return "PassthroughCluster";
  return formatClusterName(destination);
}

function retryPolicyFrom({ attempts, perTryTimeoutMs, retryOn }: RouteRetries): RetryPolicy {
  return {
    attempts,
    perTryTimeoutMs,
    onConnectFailure: retriesConnectFailure(retryOn),
    onReset: retriesReset(retryOn),
    onRefusedStream: retriesRefusedStream(retryOn),
    onStatus: (status) => retriesStatus(retryOn, status),
    onGrpcStatus: (status) => retriesGrpcStatus(retryOn, status),
  };
}

function refusal(route: string, status: number, details: string): LocalReplyPlan {
  return localReplyPlan(route, { status, flags: "NR", details }, undefined);
}

function localReplyPlan(route: string, reply: LocalReply, delayMs: number | undefined): LocalReplyPlan {
  return { kind: "local_reply", reply, delayMs, route };
}

function nameOf({ host, port, subset }: HostTarget): string {
  return `${host}:${port}${subset === "" ? "" : ` subset ${subset}`}`;
}
