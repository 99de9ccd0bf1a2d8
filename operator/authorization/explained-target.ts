import { findTcpPorts } from "../../mesh/policy/workloads.ts";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { Service, ServicePort } from "../../mesh/resources/kinds/service.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { OperatorError } from "../operator-error.ts";
import { findPod, findService, findServiceOrPod, type NamedTarget } from "../workloads/find-by-name.ts";

/** What a client connects to. */
export type ExplainedTarget =
  | { readonly kind: "service"; readonly service: Service; readonly port: ServicePort }
  /** A pod's own address and port. */
  | { readonly kind: "pod"; readonly pod: Pod; readonly port: number };

/** A target as a user writes it: `[service/|pod/]NAME[.NAMESPACE][:PORT]`. */
export interface TargetName {
  /** `undefined`: a service, or if there is none of that name a pod. */
  readonly kind: "service" | "pod" | undefined;
  readonly name: string;
  /** A number, or the name of a Service's port. */
  readonly port: string | undefined;
}

/**
 * The service or pod of a name.
 * @throws OperatorError `not_found`, `ambiguous`
 */
export function findTarget(
  configuration: Configuration,
  { kind, name, port }: TargetName,
  namespace: string | undefined,
): ExplainedTarget {
  const found = findNamed(configuration, { kind, name }, namespace);
  return found.kind === "pod"
    ? { ...found, port: parsePodPort(found.pod, port) }
    : { ...found, port: findPort(found.service, port) };
}

function findNamed(
  configuration: Configuration,
  { kind, name }: Pick<TargetName, "kind" | "name">,
  namespace: string | undefined,
): NamedTarget {
  switch (kind) {
    case "pod":
      return { kind, pod: findPod(configuration.set, name, namespace) };
    case "service":
      return { kind, service: findService(configuration, name, namespace) };
    case undefined:
      return findServiceOrPod(configuration, name, namespace);
  }
}

function findPort(service: Service, wanted: string | undefined): ServicePort {
  const ports = findTcpPorts(service);
  const title = formatResourceName(service);
  const [first] = ports;
  if (first === undefined) throw new OperatorError("not_found", `${title} has no TCP port`);
  const known = ports.map(({ port, name }) => (name === undefined ? String(port) : `${port} (${name})`)).join(", ");
  if (wanted === undefined) {
    if (ports.length === 1) return first;
    const example = `${service.metadata.name}.${service.metadata.namespace}:${first.port}`;
    throw new OperatorError("ambiguous", `${title} has several ports, ${known}: name one, as in ${example}`);
  }
  const found = ports.find(({ port, name }) => String(port) === wanted || name === wanted);
  if (found === undefined) throw new OperatorError("not_found", `${title} has no TCP port ${wanted}; it has ${known}`);
  return found;
}

function parsePodPort(pod: Pod, port: string | undefined): number {
  const title = formatResourceName(pod);
  if (port === undefined) {
    const example = `${pod.metadata.name}.${pod.metadata.namespace}:8080`;
    throw new OperatorError("ambiguous", `${title} needs the port on which it listens, as in ${example}`);
  }
  const number = Number(port);
  if (/^\d{1,5}$/.test(port) && number >= 1 && number <= 65_535) return number;
  throw new OperatorError("not_found", `the port of ${title} must be a number from 1 to 65535, got "${port}"`);
}
