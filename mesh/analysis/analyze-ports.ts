import { declaredProtocol } from "../policy/declared-protocol.ts";
import { decideServedPort, findServedPorts, type ServedPort } from "../policy/served-ports.ts";
import type { ConfigProblem } from "../resources/config-problem.ts";
import { formatResourceName } from "../resources/fields/resource-names.ts";
import type { Pod } from "../resources/kinds/pod.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import { createResourceWarning } from "./resource-warning.ts";

/** Service ports that lead to one container port and declare different protocols for it. */
export function findPortProblems(set: ResourceSet): readonly ConfigProblem[] {
  const found = new Map<string, ConfigProblem>();
  for (const pod of onePodOfEach(set)) {
    for (const [number, served] of findServedPorts(set, pod)) {
      const winner = decideServedPort(served);
      if (winner === undefined) continue;
      for (const loser of served.filter((one) => contradicts(one, winner))) {
        const problem = createProblem({ loser, winner, number, pod });
        found.set(`${problem.resource} ${problem.field} ${problem.message}`, problem);
      }
    }
  }
  return [...found.values()];
}

function contradicts({ port }: ServedPort, winner: ServedPort): boolean {
  const protocol = declaredProtocol(port);
  return protocol !== undefined && protocol !== declaredProtocol(winner.port);
}

/** One pod per set of replicas: labels and port names, which Services use, are the same in all of them. */
function onePodOfEach(set: ResourceSet): Iterable<Pod> {
  const pods = [...set.pods.values()].map((pod): [string, Pod] => {
    const { namespace, labels } = pod.metadata;
    const ports = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].map(
      (container) => container.ports ?? [],
    );
    return [JSON.stringify([namespace, labels, ports]), pod];
  });
  return new Map(pods.reverse()).values();
}

interface Contradiction {
  readonly loser: ServedPort;
  readonly winner: ServedPort;
  readonly number: number;
  readonly pod: Pod;
}

function createProblem({ loser, winner, number, pod }: Contradiction): ConfigProblem {
  const index = loser.service.spec.ports.indexOf(loser.port);
  const protocol = declaredProtocol(winner.port);
  const other = `${formatResourceName(winner.service)} port ${winner.port.port}`;
  const message =
    `declares container port ${number} of app ${nameOf(pod)} as ${declaredProtocol(loser.port)}, and ${other} declares it as ` +
    `${protocol}; it is treated as ${protocol}. Declare the same protocol in both`;
  return createResourceWarning(
    {
      resource: loser.service,
      finding: "DeploymentAssociatedToMultipleServices",
      field: `spec.ports[${index}]`,
      other: winner.service,
    },
    message,
  );
}

/** The part of the pod that its replicas share. */
function nameOf({ metadata }: Pod): string {
  const app = metadata.labels["app.kubernetes.io/name"] ?? metadata.labels["app"];
  return `${app ?? metadata.name}.${metadata.namespace}`;
}
