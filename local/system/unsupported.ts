import { isServiceIp } from "../network/addresses.ts";
import { type Manifest, recordOf } from "../read-manifests.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Kubernetes kinds that change what applications see, and that have no effect here. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  NetworkPolicy: "pods may reach each other",
  Ingress: "use a Gateway and a VirtualService",
  HorizontalPodAutoscaler: "the number of pods stays",
  PodDisruptionBudget: "nothing is evicted",
  PersistentVolumeClaim: "there are no persistent volumes",
  LimitRange: "there are no resource limits",
  ResourceQuota: "there are no resource limits",
  ValidatingWebhookConfiguration: "objects are not validated by it",
  ValidatingAdmissionPolicy: "objects are not validated by it",
  MutatingWebhookConfiguration: "the mesh's own injector is the only webhook",
};

/**
 * The differences between the manifests' effect on one machine and in a cluster, one sentence each. Anything that an
 * application depends on is refused when pods are read; see `pod-manifest.ts`.
 */
export function findUnsupported(manifests: readonly Manifest[]): readonly string[] {
  return manifests.flatMap((manifest) => {
    const name = manifest.namespace === "" ? manifest.name : `${manifest.name}.${manifest.namespace}`;
    return differencesOf(manifest).map((difference) => `${manifest.kind}/${name}: ${difference}`);
  });
}

function differencesOf({ kind, object }: Manifest): readonly string[] {
  const spec = recordOf(object["spec"]);
  switch (kind) {
    case "Service":
      return differencesOfService(spec);
    case "Pod":
      return differencesOfPod(spec);
    case "Deployment":
      return differencesOfPod(recordOf(recordOf(spec["template"])["spec"]));
    default: {
      const consequence = Object.hasOwn(WITHOUT_EFFECT, kind) ? WITHOUT_EFFECT[kind] : undefined;
      return consequence === undefined ? [] : [`has no effect on one machine: ${consequence}`];
    }
  }
}

function differencesOfService(spec: Fields): readonly string[] {
  const { type = "ClusterIP", clusterIP: ip = "" } = spec;
  const found: string[] = [];
  if (type === "NodePort" || type === "LoadBalancer") {
    found.push(`type ${type} gives it no address outside the cluster; use --publish`);
  }
  if (typeof ip === "string" && ip !== "" && ip !== "None" && !isServiceIp(ip)) {
    found.push(`it gets a clusterIP other than ${ip}, which is not in 10.96.0.0/16`);
  }
  if (spec["sessionAffinity"] === "ClientIP") found.push("sessionAffinity ClientIP has no effect");
  for (const { port, protocol = "TCP" } of recordsOf(spec["ports"])) {
    if (protocol !== "TCP") found.push(`port ${String(port)}/${String(protocol)} is not served; only TCP is`);
  }
  return found;
}

function differencesOfPod(spec: Fields): readonly string[] {
  const containers = [...recordsOf(spec["initContainers"]), ...recordsOf(spec["containers"])];
  return containers.flatMap((container) =>
    differencesOfContainer(container).map((difference) => `container ${String(container["name"])}: ${difference}`),
  );
}

function differencesOfContainer(container: Fields): readonly string[] {
  const found = ["livenessProbe", "startupProbe"]
    .filter((field) => Object.keys(recordOf(container[field])).length > 0)
    .map((field) => `${field} is not run`);
  for (const [name, hook] of Object.entries(recordOf(container["lifecycle"]))) {
    const kind = ["httpGet", "tcpSocket"].find((field) => field in recordOf(hook));
    if (kind !== undefined) found.push(`the ${name} hook's ${kind} is not run`);
  }
  const probe = recordOf(container["readinessProbe"]);
  const handler = ["exec", "grpc"].find((field) => field in probe);
  if (handler !== undefined) {
    found.push(`the readinessProbe's ${handler} is not run; it is ready when it listens on its declared ports`);
  }
  return found;
}

function recordsOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(recordOf) : [];
}
