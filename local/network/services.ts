import { type Manifest, recordOf, stringsOf } from "../read-manifests.ts";
import type { AddressPlan } from "./addresses.ts";
import type { NamedService } from "./hosts-file.ts";
import type { ServicePortRule } from "./service-rules.ts";

/** A Service with its address, as the API server stores it. */
export interface LocalService {
  readonly name: string;
  readonly namespace: string;
  /** `None`: headless. */
  readonly clusterIp: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly LocalServicePort[];
  readonly object: Readonly<Record<string, unknown>>;
}

export interface LocalServicePort {
  readonly port: number;
  readonly targetPort: number | string;
}

/** What Services need to know of a pod. */
export interface ServicePod {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ip: string;
  readonly isReady: boolean;
  /** Container ports by name. */
  readonly namedPorts: ReadonlyMap<string, number>;
}

/** Gives each Service its address. */
export function createServices(manifests: readonly Manifest[], plan: AddressPlan): readonly LocalService[] {
  return manifests.filter(({ kind }) => kind === "Service").map((manifest) => createService(manifest, plan));
}

function createService(manifest: Manifest, plan: AddressPlan): LocalService {
  const { name, namespace, object } = manifest;
  const spec = recordOf(object["spec"]);
  const clusterIp = spec["clusterIP"] === "None" ? "None" : plan.nextServiceIp();
  const ports = Array.isArray(spec["ports"]) ? spec["ports"].map(parsePort) : [];
  return {
    name,
    namespace,
    clusterIp,
    selector: stringsOf(spec["selector"]),
    ports: ports.filter((port) => port !== undefined),
    object: {
      ...object,
      metadata: { ...recordOf(object["metadata"]), namespace },
      spec: { ...spec, clusterIP: clusterIp, clusterIPs: [clusterIp] },
    },
  };
}

function parsePort(value: unknown): LocalServicePort | undefined {
  const { port, targetPort = port, protocol = "TCP" } = recordOf(value);
  if (typeof port !== "number" || protocol !== "TCP") return undefined;
  return typeof targetPort === "number" || typeof targetPort === "string" ? { port, targetPort } : undefined;
}

/** The pods behind a Service that take requests. */
export function selectPods(service: LocalService, pods: readonly ServicePod[]): readonly ServicePod[] {
  const wanted = Object.entries(service.selector);
  if (wanted.length === 0) return [];
  return pods.filter(
    (pod) =>
      pod.isReady && pod.namespace === service.namespace && wanted.every(([name, value]) => pod.labels[name] === value),
  );
}

/** What the node's rules translate. */
export function serviceRules(
  services: readonly LocalService[],
  pods: readonly ServicePod[],
): readonly ServicePortRule[] {
  return services
    .filter(({ clusterIp }) => clusterIp !== "None")
    .flatMap((service) => {
      const selected = selectPods(service, pods);
      return service.ports.map(({ port, targetPort }) => ({
        clusterIp: service.clusterIp,
        port,
        endpoints: selected.flatMap((pod) => {
          const target = typeof targetPort === "number" ? targetPort : pod.namedPorts.get(targetPort);
          return target === undefined ? [] : [{ ip: pod.ip, port: target }];
        }),
      }));
    });
}

/** What names the Services have: a headless one is known by its pods' addresses. */
export function namedServices(services: readonly LocalService[], pods: readonly ServicePod[]): readonly NamedService[] {
  return services.map((service) => {
    const { name, namespace, clusterIp } = service;
    const ips = clusterIp === "None" ? selectPods(service, pods).map(({ ip }) => ip) : [clusterIp];
    return { name, namespace, ips };
  });
}
