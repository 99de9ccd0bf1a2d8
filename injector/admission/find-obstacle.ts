import { annotationsOf, type Pod } from "./pod.ts";

/** Why a pod could not run a sidecar, whatever it or its namespace asks for. */
export interface Obstacle {
  readonly reason: "host_network" | "not_linux" | "static_pod";
  readonly message: string;
}

/** The labels of a node that name its system: today's, and the one before Kubernetes 1.14. */
const OS_LABELS: readonly string[] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

/** Finds what makes injection break a pod or the node that it runs on. */
export function findObstacle(pod: Pod): Obstacle | undefined {
  if (pod.spec.hostNetwork === true) {
    const message = "the pod uses the host's network, and the rules would capture the host's traffic";
    return { reason: "host_network", message };
  }
  // The kubelet runs such a pod from a file; the API server refuses one that mounts a token.
  if (annotationsOf(pod)["kubernetes.io/config.mirror"] !== undefined) {
    return {
      reason: "static_pod",
      message: "the pod is static: the kubelet runs it from a file of the node, as it is there",
    };
  }
  const source = findForeignSystem(pod);
  if (source === undefined) return undefined;
  return { reason: "not_linux", message: `${source}, and the sidecar runs on Linux alone` };
}

/** @returns what of the specification keeps the pod off Linux nodes */
function findForeignSystem({ spec }: Pod): string | undefined {
  const system = spec.os?.name;
  if (system && system !== "linux") return `spec.os.name is ${system}`;
  for (const label of OS_LABELS) {
    const selected = spec.nodeSelector?.[label];
    if (selected !== undefined && selected !== "linux") return `the nodeSelector has ${label}: ${selected}`;
  }
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  // One term is enough for a node; in a term, all expressions must hold.
  const isForeign = terms.length > 0 && terms.every((term) => (term.matchExpressions ?? []).some(excludesLinux));
  return isForeign ? `the node affinity excludes nodes with ${OS_LABELS[0]}: linux` : undefined;
}

interface NodeExpression {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[] | null | undefined;
}

function excludesLinux({ key, operator, values }: NodeExpression): boolean {
  if (!OS_LABELS.includes(key)) return false;
  const names = values ?? [];
  return operator === "In" ? !names.includes("linux") : operator === "NotIn" && names.includes("linux");
}
