import { REVISION_LABEL } from "../../install/objects/names.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import type { ProbeResult } from "./cluster-facts.ts";
import { listAt, textAt } from "./object-fields.ts";
import { isOurs } from "./preflight-checks.ts";

const DEFAULT_REVISION = "default";

/**
 * Creates a pod that asks for a sidecar of this revision, in a dry run: the API server calls the webhooks and stores
 * nothing. A namespace that is injected is used where there is one, else `default` and the pod's own label.
 */
export async function readProbe(api: KubernetesApi, revision: string, signal: AbortSignal): Promise<ProbeResult> {
  const isDefault = revision === DEFAULT_REVISION;
  const labelSelector = isDefault ? "istio-injection=enabled" : `${REVISION_LABEL}=${revision},!istio-injection`;
  const page = await api.list(KINDS.namespaces, { labelSelector, limit: 1, signal });
  const namespace = page.items[0]?.metadata.name ?? "default";
  const labels = isDefault ? { "sidecar.istio.io/inject": "true" } : { [REVISION_LABEL]: revision };
  const created = await api.create(KINDS.pods, probePod(namespace, labels), { dryRun: true, signal });
  const containers = [...listAt(created, "spec", "containers"), ...listAt(created, "spec", "initContainers")];
  return { namespace, containers: containers.flatMap((container) => textAt(container, "name") ?? []) };
}

/** The revision that the checks try: `default`, where it is among those that are installed. */
export function probedRevision(webhooks: readonly KubernetesObject[]): string {
  const revisions = webhooks.filter(isOurs).flatMap(({ metadata }) => metadata.labels?.[REVISION_LABEL] ?? []);
  const [first = DEFAULT_REVISION] = revisions;
  return revisions.includes(DEFAULT_REVISION) ? DEFAULT_REVISION : first;
}

/** It would pass every Pod Security level without its sidecar. */
function probePod(namespace: string, labels: Readonly<Record<string, string>>) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { generateName: "entente-check-", namespace, labels },
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
