import {
  decideServerMode,
  type ServerModeCandidate,
  serverModeCandidates,
} from "../../mesh/policy/authentication/server-mode.ts";
import { declaredProtocol } from "../../mesh/policy/declared-protocol.ts";
import { decideInbound } from "../../mesh/policy/inbound.ts";
import { decideServedPort, findServedPorts, type ServedPort } from "../../mesh/policy/served-ports.ts";
import type { DeclaredProtocol, ServerMode } from "../../mesh/policy/types.ts";
import { findContainerPorts } from "../../mesh/policy/workloads.ts";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { ServicePort } from "../../mesh/resources/kinds/service.ts";
import type { TlsFacts } from "../tls/tls-table.ts";
import { proxyContainer } from "../workloads/pod-proxy.ts";

/** The peer authentication mode of a port, and the rules that were considered, in order of precedence. */
export interface ModeDescription {
  readonly mode: ServerMode;
  readonly rule: string;
  readonly candidates: readonly ServerModeCandidate[];
}

/** How a pod's sidecar serves a port. */
export interface PodPortDescription {
  readonly port: number;
  /** The container port's name. */
  readonly name?: string;
  readonly protocol: ProtocolDescription;
  readonly mode: ModeDescription;
}

export interface ProtocolDescription {
  /** `undeclared`: recognised by the first bytes. */
  readonly protocol: DeclaredProtocol | "undeclared";
  readonly reason: string;
}

/** The ports that containers, services or rules mention, without the proxy's own. */
export function describePodPorts({ set, settings }: TlsFacts, pod: Pod): readonly PodPortDescription[] {
  const served = findServedPorts(set, pod);
  const names = new Map(findContainerPorts(pod).map(({ containerPort, name }) => [containerPort, name]));
  const own = (proxyContainer(pod)?.ports ?? []).map(({ containerPort }) => containerPort);
  const ports = decideInbound({ set, settings, pod }).ports.filter(({ port }) => !own.includes(port));
  return ports.map(({ port }) => {
    const name = names.get(port);
    return {
      port,
      ...(name === undefined ? {} : { name }),
      protocol: describeServedProtocol(decideServedPort(served.get(port) ?? [])),
      mode: describeMode({ set, settings }, pod, port),
    };
  });
}

/** @param port absent: the mode of all ports without a rule of their own */
export function describeMode({ set, settings }: TlsFacts, pod: Pod, port?: number): ModeDescription {
  const input = { set, settings, pod, port };
  return { ...decideServerMode(input), candidates: [...serverModeCandidates(input)] };
}

function describeServedProtocol(served: ServedPort | undefined): ProtocolDescription {
  if (served === undefined) return { protocol: "undeclared", reason: "no Service leads to the port" };
  const { protocol, reason } = describeProtocol(served.port);
  return { protocol, reason: `${reason} of ${formatResourceName(served.service)}` };
}

/** Which protocol a Service's port has, and why. */
export function describeProtocol(port: ServicePort): ProtocolDescription {
  const source =
    port.appProtocol === undefined
      ? `the name ${JSON.stringify(port.name ?? "")}`
      : `appProtocol ${JSON.stringify(port.appProtocol)}`;
  return { protocol: declaredProtocol(port) ?? "undeclared", reason: `${source} of port ${port.port}` };
}
