import type { OptionTable } from "../command-line/command-description.ts";

/** Which cluster a command works on. */
export const CLUSTER_OPTIONS = {
  kubeconfig: {
    type: "string",
    value: "FILE",
    help: "how the cluster is reached (KUBECONFIG, ~/.kube/config, or the pod's service account)",
    heading: "The cluster",
  },
  context: { type: "string", value: "NAME", help: "the context of the kubeconfig (its current one)" },
} as const satisfies OptionTable;

export interface ClusterOptionValues {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}
