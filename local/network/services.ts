import type { EndpointSlice } from "../../mesh/resources/kinds/endpoint-slice.ts";
import { parseResources } from "../../mesh/resources/parsing/parse-resources.ts";
import { createResourceSet } from "../../mesh/resources/resource-set.ts";
import { type Manifest, recordOf, stringsOf } from "../read-manifests.ts";
import { type AddressPlan, isServiceIp } from "./addresses.ts";
import type { ServicePortRule } from "./service-rules.ts";

/** A Service with its address, as the API server stores it. */
export interface LocalService {
  readonly name: string;
  readonly namespace: string;
  /** `None` means headless. Empty means no address, because the Service is an ExternalName. */
  readonly clusterIp: string;
  /** The name that it refers to (type ExternalName). */
  readonly externalName: string | undefined;
  /** Empty: it selects no pods. */
  readonly selector: Readonly<Record<string, string>>;
  readonly publishesUnready: boolean;
  readonly ports: readonly LocalServicePort[];
  /** Endpoints from the manifests. */
  readonly slices: readonly EndpointSlice[];
  readonly object: Readonly<Record<string, unknown>>;
}

export interface LocalServicePort {
  /** Empty: the only port, without a name. */
  readonly name: string;
  readonly port: number;
  readonly targetPort: number | string;
}

/** The parts of a pod that Services use. */
export interface ServicePod {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ip: string;
  readonly isReady: boolean;
  /** Deleted, and still running. */
  readonly isTerminating: boolean;
  /** Container ports by name. */
  readonly namedPorts: ReadonlyMap<string, number>;
}

/** Assigns each Service its address: the one in its manifest, or the next free one. */
export function createServices(manifests: readonly Manifest[], plan: AddressPlan): readonly LocalService[] {
  const slices = groupSlices(manifests);
  const services = manifests.filter(({ kind }) => kind === "Service");
  for (const { object } of services) {
    const requested = recordOf(object["spec"])["clusterIP"];
    if (typeof requested === "string" && isServiceIp(requested)) plan.reserve(requested);
  }
  return services.map((manifest) =>
    createService(manifest, plan, slices.get(`${manifest.namespace}/${manifest.name}`) ?? []),
  );
}

function createService(manifest: Manifest, plan: AddressPlan, slices: readonly EndpointSlice[]): LocalService {
  const { name, namespace, object } = manifest;
  const spec = recordOf(object["spec"]);
  const isAlias = spec["type"] === "ExternalName";
  const clusterIp = isAlias ? "" : chooseAddress(spec["clusterIP"], plan);
  const ports = Array.isArray(spec["ports"]) ? spec["ports"].map(parsePort) : [];
  return {
    name,
    namespace,
    clusterIp,
    externalName: isAlias ? String(spec["externalName"] ?? "") : undefined,
    selector: isAlias ? {} : stringsOf(spec["selector"]),
    publishesUnready: spec["publishNotReadyAddresses"] === true,
    ports: ports.filter((port) => port !== undefined),
    slices,
    object: {
      ...object,
      metadata: { ...recordOf(object["metadata"]), namespace },
      spec: isAlias ? spec : { ...spec, clusterIP: clusterIp, clusterIPs: [clusterIp] },
    },
  };
}

function chooseAddress(requested: unknown, plan: AddressPlan): string {
  if (requested === "None") return requested;
  return typeof requested === "string" && isServiceIp(requested) ? requested : plan.nextServiceIp();
}

function parsePort(value: unknown): LocalServicePort | undefined {
  const { name = "", port, targetPort = port, protocol = "TCP" } = recordOf(value);
  if (typeof port !== "number" || typeof name !== "string" || protocol !== "TCP") return undefined;
  return typeof targetPort === "number" || typeof targetPort === "string" ? { name, port, targetPort } : undefined;
}

/** The manifests' EndpointSlices and Endpoints by Service, parsed like in the control plane. */
function groupSlices(manifests: readonly Manifest[]): ReadonlyMap<string, readonly EndpointSlice[]> {
  const resources = manifests
    .filter(({ kind }) => ["Service", "EndpointSlice", "Endpoints"].includes(kind))
    .flatMap(({ object, file }) => parseResources({ text: JSON.stringify(object), file }).resources);
  return createResourceSet(resources).index.slicesByService;
}

/** All pods that a Service's selector matches, ready or not. */
export function selectPods(service: LocalService, pods: readonly ServicePod[]): readonly ServicePod[] {
  const wanted = Object.entries(service.selector);
  if (wanted.length === 0) return [];
  return pods.filter(
    (pod) => pod.namespace === service.namespace && wanted.every(([name, value]) => pod.labels[name] === value),
  );
}

/** The pod port of a Service's port; `undefined` if the pod has no port of that name. */
export function resolveTarget({ targetPort }: LocalServicePort, pod: ServicePod): number | undefined {
  return typeof targetPort === "number" ? targetPort : pod.namedPorts.get(targetPort);
}

/** Whether a Service has its own address. */
export function hasAddress(clusterIp: string): boolean {
  return clusterIp !== "None" && clusterIp !== "";
}

/** The input of the node's rules. */
export function serviceRules(
  services: readonly LocalService[],
  pods: readonly ServicePod[],
): readonly ServicePortRule[] {
  return services
    .filter(({ clusterIp }) => hasAddress(clusterIp))
    .flatMap((service) =>
      service.ports.map((port) => ({
        clusterIp: service.clusterIp,
        port: port.port,
        endpoints: [...selectedEndpoints(service, port, pods), ...listedEndpoints(service, port)],
      })),
    );
}

type Endpoints = ServicePortRule["endpoints"];

function selectedEndpoints(service: LocalService, port: LocalServicePort, pods: readonly ServicePod[]): Endpoints {
  return takingPods(service, pods).flatMap((pod) => {
    const target = resolveTarget(port, pod);
    return target === undefined ? [] : [{ ip: pod.ip, port: target }];
  });
}

/** The pods of a Service that receive connections. */
export function takingPods(service: LocalService, pods: readonly ServicePod[]): readonly ServicePod[] {
  return selectPods(service, pods).filter((pod) => pod.isReady || service.publishesUnready);
}

function listedEndpoints({ slices }: LocalService, { name }: LocalServicePort): Endpoints {
  return slices.flatMap((slice) => {
    const numbers = slice.ports.filter((port) => port.name === name && port.protocol === "TCP");
    return listedAddresses(slice).flatMap((ip) =>
      numbers.flatMap(({ port }) => (port === undefined ? [] : { ip, port })),
    );
  });
}

/** There is no IPv6 here, and host names are not resolved. */
export function listedAddresses({ addressType, endpoints }: EndpointSlice): readonly string[] {
  if (addressType !== "IPv4") return [];
  return endpoints.filter(({ conditions }) => conditions.ready).flatMap(({ addresses }) => addresses);
}
