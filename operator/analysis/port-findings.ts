import { declaredProtocol } from "../../mesh/policy/declared-protocol.ts";
import { findTcpPorts, selectsPod } from "../../mesh/policy/workloads.ts";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import type { Service, ServicePort } from "../../mesh/resources/kinds/service.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";
import { hasSidecar } from "../workloads/pod-proxy.ts";
import { createFinding, type Finding } from "./finding.ts";

/** Service ports that lead to a sidecar and declare no protocol. */
export function findPortFindings(set: ResourceSet): readonly Finding[] {
  return [...set.services.values()]
    .filter((service) => hasMeshedPods(set, service))
    .flatMap((service) =>
      findTcpPorts(service)
        .filter((port) => declaredProtocol(port) === undefined)
        .map((port) => createPortFinding(service, port)),
    );
}

/** Whether a service selects a pod with a sidecar. */
export function hasMeshedPods(set: ResourceSet, service: Service): boolean {
  const pods = set.index.podsByNamespace.get(service.metadata.namespace) ?? [];
  return pods.some((pod) => selectsPod(service, pod) && hasSidecar(pod));
}

function createPortFinding(service: Service, port: ServicePort): Finding {
  const shown =
    port.appProtocol === undefined
      ? `name ${JSON.stringify(port.name ?? "")}`
      : `appProtocol ${JSON.stringify(port.appProtocol)}`;
  const message =
    `port ${port.port} declares no known protocol (${shown}): the sidecar recognises HTTP by its first bytes and ` +
    "carries the rest as a stream. Name the port http, http2, grpc, grpc-web, tls or tcp, or NAME-SUFFIX, or set appProtocol";
  return createFinding(
    { severity: "info", name: "PortNameIsNotUnderNamingConvention", ...placeOfPort(service, port) },
    message,
  );
}

/** Where a Service's port is declared. */
export function placeOfPort(service: Service, port: ServicePort) {
  return {
    resource: formatResourceName(service),
    field: `spec.ports[${service.spec.ports.indexOf(port)}]`,
    origin: service.origin,
  } as const;
}
