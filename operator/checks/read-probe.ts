import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import type { ProbeResult } from "./cluster-facts.ts";
import { listAt, textAt } from "./object-fields.ts";

/**
 * Creates a pod that asks for a sidecar, in a dry run: the API server calls the webhooks and stores nothing. A namespace
 * that is injected is used where there is one, else `default` and the pod's own label.
 */
export async function readProbe(api: KubernetesApi, signal: AbortSignal): Promise<ProbeResult> {
  const page = await api.list(KINDS.namespaces, { labelSelector: "istio-injection=enabled", limit: 1, signal });
  const namespace = page.items[0]?.metadata.name ?? "default";
  const created = await api.create(KINDS.pods, probePod(namespace), { dryRun: true, signal });
  const containers = [...listAt(created, "spec", "containers"), ...listAt(created, "spec", "initContainers")];
  return { namespace, containers: containers.flatMap((container) => textAt(container, "name") ?? []) };
}

/** It would pass every Pod Security level without its sidecar. */
function probePod(namespace: string) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { generateName: "entente-check-", namespace, labels: { "sidecar.istio.io/inject": "true" } },
    spec: {
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
      containers: [
        {
          name: "probe",
          image: "entente-check",
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
        },
      ],
    },
  };
}
