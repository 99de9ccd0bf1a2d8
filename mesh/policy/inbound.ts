import type { MeshSettings } from "../mesh-settings.ts";
import type { Pod } from "../resources/kinds/pod.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import { decideServerMode, findWorkloadAuthentication } from "./authentication/server-mode.ts";
import { declaredProtocol } from "./declared-protocol.ts";
import { decideRequestRules } from "./request-authentication/request-rules.ts";
import type { TokenRulesInput } from "./request-authentication/select-token-rules.ts";
import { decideServedPort, findServedPorts, type ServedPort } from "./served-ports.ts";
import type { Inbound, InboundPort } from "./types.ts";
import { findContainerPorts, serviceInfo, workloadInfo } from "./workloads.ts";

/**
 * What a pod's sidecar requires from clients. The list contains the ports that containers, services or port-level rules
 * mention; `defaultMode` applies to all others, since an application may listen on any port.
 */
export function decideInbound(input: {
  readonly set: ResourceSet;
  readonly settings: MeshSettings;
  readonly pod: Pod;
  readonly keySets?: TokenRulesInput["keySets"];
}): Inbound {
  const { pod } = input;
  const services = findServedPorts(input.set, pod);
  const numbers = new Set([
    ...findContainerPorts(pod).map((port) => port.containerPort),
    ...services.keys(),
    ...Object.keys(findWorkloadAuthentication(input)?.spec.portLevelMtls ?? {}).map(Number),
  ]);
  const ports = [...numbers].sort((left, right) => left - right);
  return {
    workload: workloadInfo(pod),
    defaultMode: decideServerMode(input),
    ports: ports.map((port) => createPort(input, port, decideServedPort(services.get(port) ?? []))),
    ...decideRequestRules({ ...input, role: "sidecar" }),
  };
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
