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
  /** `None`: headless. Empty: it has no address, because it is another name of something else. */
  readonly clusterIp: string;
  /** What it is another name of (type ExternalName). */
  readonly externalName: string | undefined;
  /** Empty: it picks no pods. */
  readonly selector: Readonly<Record<string, string>>;
  readonly publishesUnready: boolean;
  readonly ports: readonly LocalServicePort[];
  /** Endpoints that the manifests list themselves. */
  readonly slices: readonly EndpointSlice[];
  readonly object: Readonly<Record<string, unknown>>;
}

export interface LocalServicePort {
  /** Empty: the only one, without a name. */
  readonly name: string;
  readonly port: number;
  readonly targetPort: number | string;
}

/** What Services need to know of a pod. */
export interface ServicePod {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ip: string;
  readonly isReady: boolean;
  /** Container ports by name. */
  readonly namedPorts: ReadonlyMap<string, number>;
}

/** Gives each Service its address: the one that its manifest asks for, or the next one. */
export function createServices(manifests: readonly Manifest[], plan: AddressPlan): readonly LocalService[] {
  const slices = groupSlices(manifests);
  const services = manifests.filter(({ kind }) => kind === "Service");
  for (const { object } of services) {
    const asked = recordOf(object["spec"])["clusterIP"];
    if (typeof asked === "string" && isServiceIp(asked)) plan.reserve(asked);
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

function chooseAddress(asked: unknown, plan: AddressPlan): string {
  if (asked === "None") return asked;
  return typeof asked === "string" && isServiceIp(asked) ? asked : plan.nextServiceIp();
}

function parsePort(value: unknown): LocalServicePort | undefined {
  const { name = "", port, targetPort = port, protocol = "TCP" } = recordOf(value);
  if (typeof port !== "number" || typeof name !== "string" || protocol !== "TCP") return undefined;
  return typeof targetPort === "number" || typeof targetPort === "string" ? { name, port, targetPort } : undefined;
}

/** The EndpointSlices and Endpoints of the manifests by Service, read as the control plane reads them. */
function groupSlices(manifests: readonly Manifest[]): ReadonlyMap<string, readonly EndpointSlice[]> {
  const resources = manifests
    .filter(({ kind }) => ["Service", "EndpointSlice", "Endpoints"].includes(kind))
    .flatMap(({ object, file }) => parseResources({ text: JSON.stringify(object), file }).resources);
  return createResourceSet(resources).index.slicesByService;
}

/** All pods that a Service's selector picks, ready or not. */
export function selectPods(service: LocalService, pods: readonly ServicePod[]): readonly ServicePod[] {
  const wanted = Object.entries(service.selector);
  if (wanted.length === 0) return [];
  return pods.filter(
    (pod) => pod.namespace === service.namespace && wanted.every(([name, value]) => pod.labels[name] === value),
  );
}

/** Where a Service's port leads in a pod; `undefined`: the pod has no port of that name. */
export function resolveTarget({ targetPort }: LocalServicePort, pod: ServicePod): number | undefined {
  return typeof targetPort === "number" ? targetPort : pod.namedPorts.get(targetPort);
}

/** Whether a Service has an address of its own. */
export function hasAddress(clusterIp: string): boolean {
  return clusterIp !== "None" && clusterIp !== "";
}

/** What the node's rules translate. */
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

/** The pods behind a Service that take requests. */
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

/** There is no IPv6 here, and names are not resolved. */
export function listedAddresses({ addressType, endpoints }: EndpointSlice): readonly string[] {
  if (addressType !== "IPv4") return [];
  return endpoints.filter(({ conditions }) => conditions.ready).flatMap(({ addresses }) => addresses);
}
