import { annotationsOf, type Pod } from "../pod.ts";

/** Why a pod cannot run a sidecar, even if it or its namespace requests one. */
export interface Obstacle {
  readonly reason: "host_network" | "not_linux" | "static_pod";
  readonly message: string;
}

/** Node labels for the operating system: the current one, and the one from before Kubernetes 1.14. */
const OS_LABELS: readonly string[] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

/** Finds a reason why injection would break the pod or its node. */
export function findObstacle(pod: Pod): Obstacle | undefined {
  if (pod.spec.hostNetwork === true) {
    const message = "the pod uses the host's network, and the capture rules would capture the host's traffic";
    return { reason: "host_network", message };
  }
  // The kubelet runs a static pod from a file; the API server refuses a mirror pod that mounts a token.
  if (annotationsOf(pod)["kubernetes.io/config.mirror"] !== undefined) {
    return {
      reason: "static_pod",
      message: "the pod is static: the kubelet runs it from a file on the node, so a change here has no effect",
    };
  }
  const source = findForeignSystem(pod);
  if (source === undefined) return undefined;
  return { reason: "not_linux", message: `${source}, and the sidecar runs only on Linux` };
}

/** @returns the field that keeps the pod off Linux nodes */
function findForeignSystem({ spec }: Pod): string | undefined {
  const system = spec.os?.name;
  if (system && system !== "linux") return `spec.os.name is ${system}`;
  for (const label of OS_LABELS) {
    const selected = spec.nodeSelector?.[label];
    if (selected !== undefined && selected !== "linux") return `the nodeSelector has ${label}: ${selected}`;
  }
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  // The terms are alternatives; within a term, all expressions must match.
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
