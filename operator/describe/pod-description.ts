import { findPortsOfPod } from "../../mesh/policy/service-endpoints.ts";
import { identitiesOfPod, workloadInfo } from "../../mesh/policy/workloads.ts";
import { formatResourceKey, formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import { describePodAuthorization, type PodAuthorization } from "../authorization/pod-authorization.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { isGateway, proxyContainer, titleOfPod } from "../workloads/pod-proxy.ts";
import { describeMode, describePodPorts, type ModeDescription, type PodPortDescription } from "./port-description.ts";
import { describeService, relatedServiceNames, type ServiceDescription } from "./service-description.ts";

/** What the mesh does with a pod. */
export interface PodDescription {
  /** `Pod/NAME.NAMESPACE`. */
  readonly pod: string;
  /** The name that findings use: in files the workload's, `Deployment/NAME.NAMESPACE`. */
  readonly title: string;
  readonly namespace: string;
  readonly workload: string;
  readonly state: PodState;
  /** The first is the mesh's own trust domain's. */
  readonly identities: readonly string[];
  readonly proxy: ProxyDescription;
  /** Of ports without a rule of their own. */
  readonly defaultMode: ModeDescription;
  readonly ports: readonly PodPortDescription[];
  /** What clients may do. */
  readonly authorization: PodAuthorization;
  /** The services that lead to the pod. Their TLS rows are those of this pod. */
  readonly services: readonly ServiceDescription[];
}

export type PodState =
  /** As its manifest would create it. */
  { readonly kind: "expected" } | { readonly kind: "created"; readonly phase: string; readonly isReady: boolean };

export type ProxyDescription =
  | {
      readonly kind: "sidecar" | "gateway";
      readonly image: string;
      /** The image's tag or digest. */
      readonly version: string;
      /** An init container that always restarts. */
      readonly isNative: boolean;
    }
  | { readonly kind: "none"; readonly reason: string };

/** Describes a pod by the decisions that its sidecar and its clients receive. */
export function describePod(configuration: Configuration, pod: Pod): PodDescription {
  const { set, settings } = configuration;
  const name = `${pod.metadata.name}.${pod.metadata.namespace}`;
  const services = new Set(findPortsOfPod(set, pod).map(({ service }) => service));
  return {
    pod: formatResourceName(pod),
    title: titleOfPod(pod),
    namespace: pod.metadata.namespace,
    workload: workloadInfo(pod).workload,
    state: describeState(configuration, pod),
    identities: identitiesOfPod(pod, settings),
    proxy: describeProxy(configuration, pod),
    defaultMode: describeMode(configuration, pod),
    ports: describePodPorts(configuration, pod),
    authorization: describePodAuthorization(configuration, pod),
    services: [...services].map((service) => {
      const description = describeService(configuration, service);
      return { ...description, tls: description.tls.filter(({ servers }) => servers.includes(name)) };
    }),
  };
}

/** The resources that a description speaks of. */
export function relatedNames({
  pod,
  title,
  namespace,
  defaultMode,
  ports,
  authorization,
  services,
}: PodDescription): ReadonlySet<string> {
  const modes = [defaultMode, ...ports.map(({ mode }) => mode)];
  const policies = modes.flatMap(({ candidates }) => candidates.map(({ rule }) => rule));
  return new Set([
    pod,
    title,
    `Namespace/${namespace}`,
    ...policies,
    ...authorization.policies.map(({ policy }) => policy),
    ...authorization.tokens.map(({ rule }) => rule.slice(0, rule.lastIndexOf("["))),
    ...services.flatMap((service) => [...relatedServiceNames(service)]),
  ]);
}

function describeState({ origin }: Configuration, { status }: Pod): PodState {
  if (origin === "files") return { kind: "expected" };
  const isReady = status.conditions.some((condition) => condition.type === "Ready" && condition.status === "True");
  return { kind: "created", phase: status.phase ?? "Unknown", isReady };
}

function describeProxy({ injections }: Configuration, pod: Pod): ProxyDescription {
  const container = proxyContainer(pod);
  if (container === undefined) return { kind: "none", reason: describeAbsence(injections, pod) };
  const image = container.image ?? "";
  return {
    kind: isGateway(pod) ? "gateway" : "sidecar",
    image,
    version: versionOfImage(image),
    isNative: (pod.spec.initContainers ?? []).includes(container),
  };
}

function describeAbsence(injections: Configuration["injections"], pod: Pod): string {
  const injection = injections.get(formatResourceKey(pod.metadata.namespace, pod.metadata.name));
  switch (injection?.kind) {
    case "skipped":
    case "refused":
      return injection.message;
    case "injected":
      return "the pod was created before its labels or its namespace's requested one: create it again";
    case undefined:
      return "unknown";
  }
}

/** `1.2.3` of `registry:5000/entente:1.2.3`; a digest stands for itself. */
export function versionOfImage(image: string): string {
  const digest = image.indexOf("@");
  if (digest >= 0) return image.slice(digest + 1);
  const name = image.slice(image.lastIndexOf("/") + 1);
  return name.includes(":") ? name.slice(name.indexOf(":") + 1) : "latest";
}
