import type { MeshSettings } from "../mesh-settings.ts";
import type { Pod } from "../resources/kinds/pod.ts";
import type { Service, ServicePort } from "../resources/kinds/service.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import { decideServerMode, findWorkloadAuthentication } from "./authentication/server-mode.ts";
import type { Inbound, InboundPort } from "./types.ts";
import {
  declaredProtocol,
  findContainerPorts,
  findServicesOfPod,
  findTcpPorts,
  resolveTargetPort,
  serviceInfo,
  workloadInfo,
} from "./workloads.ts";

/**
 * What a pod's sidecar demands of those who connect. Listed are the ports that something speaks of: containers,
 * services, port-level rules; `defaultMode` holds for all others, since an application may listen anywhere.
 */
export function decideInbound(input: {
  readonly set: ResourceSet;
  readonly settings: MeshSettings;
  readonly pod: Pod;
}): Inbound {
  const { pod } = input;
  const services = servicePorts(input.set, pod);
  const numbers = new Set([
    ...findContainerPorts(pod).map((port) => port.containerPort),
    ...services.keys(),
    ...Object.keys(findWorkloadAuthentication(input)?.spec.portLevelMtls ?? {}).map(Number),
  ]);
  const ports = [...numbers].sort((left, right) => left - right);
  return {
    workload: workloadInfo(pod),
    defaultMode: decideServerMode(input),
    ports: ports.map((port) => createPort(input, port, services.get(port))),
  };
}

interface ServedPort {
  readonly service: Service;
  readonly port: ServicePort;
}

/** The service port that leads to each of the pod's ports; the oldest service's where several do. */
function servicePorts(set: ResourceSet, pod: Pod): ReadonlyMap<number, ServedPort> {
  const found = new Map<number, ServedPort>();
  for (const service of findServicesOfPod(set, pod)) {
    for (const port of findTcpPorts(service)) {
      const target = resolveTargetPort(port, pod);
      if (target !== undefined && !found.has(target)) found.set(target, { service, port });
    }
  }
  return found;
}

function createPort(
  input: { readonly set: ResourceSet; readonly settings: MeshSettings; readonly pod: Pod },
  port: number,
  served: ServedPort | undefined,
): InboundPort {
  return {
    port,
    mode: decideServerMode({ ...input, port }),
    protocol: served === undefined ? undefined : declaredProtocol(served.port),
    service: served === undefined ? undefined : serviceInfo(served.service, input.settings),
  };
}
