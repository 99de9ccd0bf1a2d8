import type { AuthorizationAction } from "../../mesh/policy/authorization/authorization.ts";
import { findServiceEndpoints } from "../../mesh/policy/service-endpoints.ts";
import { findTcpPorts } from "../../mesh/policy/workloads.ts";
import type { Service } from "../../mesh/resources/kinds/service.ts";
import type { TlsFacts } from "../tls/tls-table.ts";
import { decidePodRules } from "./server-facts.ts";
import { titleOfPolicy } from "./verdicts/policy-verdict.ts";

/** A policy that decides what clients may do at pods behind a service. */
export interface ServiceAuthorization {
  /** `AuthorizationPolicy/NAME.NAMESPACE` */
  readonly policy: string;
  readonly action: AuthorizationAction;
  readonly isDryRun: boolean;
  /** Of all pods with a sidecar or a gateway those that receive it. */
  readonly pods: number;
  readonly allPods: number;
}

/** The policies of a service's pods, as their proxies receive them. */
export function describeServiceAuthorization(facts: TlsFacts, service: Service): readonly ServiceAuthorization[] {
  const endpoints = findTcpPorts(service).flatMap((port) => findServiceEndpoints(facts.set, service, port) ?? []);
  const pods = new Set(endpoints.flatMap(({ pod }) => (pod === undefined ? [] : [pod])));
  const received = [...pods].flatMap((pod) => decidePodRules(facts, pod)?.authorization ?? []);
  const byTitle = Map.groupBy(
    received.flatMap(({ policies }) => policies),
    titleOfPolicy,
  );
  return [...byTitle].flatMap(([policy, [first, ...others]]) => {
    if (first === undefined) return [];
    const { action, isDryRun } = first;
    return [{ policy, action, isDryRun, pods: others.length + 1, allPods: received.length }];
  });
}
