import { SYSTEM_NAMESPACES } from "../../injector/admission/selection/system-namespaces.ts";
import { workloadInfo } from "../../mesh/policy/workloads.ts";
import { formatResourceKey } from "../../mesh/resources/fields/resource-names.ts";
import type { FindingName } from "../../mesh/resources/finding-codes.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { Configuration, PodInjection } from "../configuration/configuration.ts";
import { hasProxy, isActive, titleOfPod } from "../workloads/pod-proxy.ts";
import { createFinding, type Finding } from "./finding.ts";

/** Pods and namespaces without a sidecar, or with one that has restrictions. */
export function findInjectionFindings(configuration: Configuration): readonly Finding[] {
  return [...findNamespaceFindings(configuration), ...findPodFindings(configuration)];
}

function findNamespaceFindings({ set, settings }: Configuration): readonly Finding[] {
  const outside = new Set<string>();
  for (const pod of set.pods.values()) {
    const { namespace } = pod.metadata;
    const isOwn = namespace === settings.rootNamespace || SYSTEM_NAMESPACES.includes(namespace);
    if (!isOwn && isActive(pod) && !hasProxy(pod)) outside.add(namespace);
  }
  const names = new Set([...set.namespaces.keys(), ...outside]);
  return [...names].flatMap((name) => {
    const resource = `Namespace/${name}`;
    const found = set.namespaces.get(name);
    const labels = found?.metadata.labels ?? {};
    const hasInjection = labels["istio-injection"] !== undefined;
    const hasRevision = labels["istio.io/rev"] !== undefined;
    if (hasInjection && hasRevision) {
      const message = "has both istio-injection and istio.io/rev, and istio-injection wins: remove one of the labels";
      return [
        createFinding(
          { severity: "warning", name: "NamespaceMultipleInjectionLabels", resource, origin: found?.origin },
          message,
        ),
      ];
    }
    if (hasInjection || hasRevision || !outside.has(name)) return [];
    const message =
      `has pods without a sidecar: kubectl label namespace ${name} istio-injection=enabled, ` +
      "or =disabled to say that this is intended";
    return [
      createFinding({ severity: "info", name: "NamespaceNotInjected", resource, origin: found?.origin }, message),
    ];
  });
}

function findPodFindings({ set, injections, origin }: Configuration): readonly Finding[] {
  const found = new Map<string, Finding>();
  for (const pod of set.pods.values()) {
    const injection = injections.get(formatResourceKey(pod.metadata.namespace, pod.metadata.name));
    if (injection === undefined || !isActive(pod)) continue;
    // Replicas have the same annotations: one of them is enough.
    for (const finding of findingsOfInjection(pod, injection)) {
      const key = `${workloadInfo(pod).workload}.${pod.metadata.namespace} ${finding.message}`;
      if (!found.has(key)) found.set(key, finding);
    }
    for (const finding of findMissingProxy(pod, injection, origin)) found.set(finding.resource ?? "", finding);
  }
  return [...found.values()];
}

function findingsOfInjection(pod: Pod, injection: PodInjection): readonly Finding[] {
  const resource = titleOfPod(pod);
  if (injection.kind === "refused") {
    const name = injection.reason === "proxy_id_in_use" ? "InvalidApplicationUID" : "InjectionRefused";
    return [createFinding({ severity: "error", name, resource, origin: pod.origin }, injection.message)];
  }
  return injection.warnings.map((warning) =>
    createFinding({ severity: "warning", name: nameOfWarning(warning), resource, origin: pod.origin }, warning),
  );
}

function nameOfWarning(warning: string): FindingName {
  return /^the annotation \S+ is not supported/.test(warning) ? "UnknownAnnotation" : "InjectionWarning";
}

/** In a cluster, a pod that was created before its namespace got the label. */
function findMissingProxy(pod: Pod, injection: PodInjection, origin: Configuration["origin"]): readonly Finding[] {
  if (origin !== "cluster" || injection.kind !== "injected" || hasProxy(pod)) return [];
  const message =
    "has no sidecar, although its labels or its namespace's request one: create it again (kubectl rollout restart)";
  return [createFinding({ severity: "warning", name: "PodMissingProxy", resource: titleOfPod(pod) }, message)];
}
