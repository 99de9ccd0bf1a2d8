import type { Authorization } from "../../mesh/policy/authorization/authorization.ts";
import { carriesRequests } from "../../mesh/policy/declared-protocol.ts";
import { decideInbound } from "../../mesh/policy/inbound.ts";
import { decideGateway } from "../../mesh/policy/routing/gateway.ts";
import type { DeclaredProtocol, ServerModeDecision } from "../../mesh/policy/types.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { ServerSide } from "../tls/tls-row.ts";
import type { TlsFacts } from "../tls/tls-table.ts";
import { hasProxy, isGateway } from "../workloads/pod-proxy.ts";
import type { ClaimsRule } from "./token-claims.ts";

/** What a pod's proxy judges on all ports; `undefined`: the pod has no proxy. */
export interface PodRules {
  readonly proxy: "sidecar" | "gateway";
  readonly authorization: Authorization;
  readonly tokenRules: readonly ClaimsRule[];
}

/** The rules that the control plane sends to a pod's proxy; of tokens without the keys that it has fetched. */
export function decidePodRules(facts: TlsFacts, pod: Pod): PodRules | undefined {
  if (!hasProxy(pod)) return undefined;
  const proxy = isGateway(pod) ? "gateway" : "sidecar";
  const decide = proxy === "gateway" ? decideGateway : decideInbound;
  const { authorization, tokenRules } = decide({ set: facts.set, settings: facts.settings, pod });
  return { proxy, authorization, tokenRules };
}

/** How a port of a pod is served. */
export interface ServedPortFacts {
  /** What a client must send. A gateway serves plaintext, like a pod without a sidecar. */
  readonly server: ServerSide;
  /** The rule of the server's mode. */
  readonly rule: string;
  readonly protocol: DeclaredProtocol | "undeclared";
}

export function decideServedPortFacts({ set, settings }: TlsFacts, pod: Pod, port: number): ServedPortFacts {
  if (!hasProxy(pod)) return { server: "NONE", rule: "no sidecar", protocol: "undeclared" };
  if (isGateway(pod)) return { server: "NONE", rule: "a gateway serves HTTP", protocol: "http" };
  const { ports, defaultMode } = decideInbound({ set, settings, pod });
  const found = ports.find((one) => one.port === port);
  const { mode, rule }: ServerModeDecision = found?.mode ?? defaultMode;
  return { server: mode, rule, protocol: found?.protocol ?? "undeclared" };
}

/**
 * Whether a port's traffic is judged request by request. On an undeclared port the proxy recognises a request by its
 * first bytes.
 */
export function isJudgedByRequest(protocol: ServedPortFacts["protocol"], sendsRequests: boolean): boolean {
  return protocol === "undeclared" ? sendsRequests : carriesRequests(protocol);
}
