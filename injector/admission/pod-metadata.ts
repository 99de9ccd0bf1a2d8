import type { InjectionSettings } from "./injection-settings.ts";
import { annotationsOf, type EnvVar, isInjected, labelsOf, type Pod, type PodMetadata } from "./pod.ts";
import type { WorkloadOwner } from "./workload-owner.ts";

export interface MetadataInput {
  readonly pod: Pod;
  readonly settings: InjectionSettings;
  readonly owner: WorkloadOwner;
  /** Names of what injection put into the pod, for the status annotation. */
  readonly status: Readonly<
    Record<"initContainers" | "containers" | "volumes" | "imagePullSecrets", readonly string[]>
  >;
}

const SCRAPE_PORT = "15020";
const SCRAPE = "prometheus.io/scrape";
const PORT = "prometheus.io/port";
const PATH = "prometheus.io/path";

/** The metadata of an injected pod: Istio's labels and annotations; a label that the user set stays. */
export function injectedMetadata(input: MetadataInput): PodMetadata {
  const { pod } = input;
  return {
    ...pod.metadata,
    labels: { ...computedLabels(pod, input.owner), ...labelsOf(pod) },
    annotations: { ...computedAnnotations(input), ...annotationsOf(pod), ...forcedAnnotations(input) },
  };
}

/**
 * Where the application's own metrics were to be scraped, for the proxy to merge them; undefined where the pod says
 * nothing, or where scraping is the proxy's already.
 */
export function originalScrape(pod: Pod): EnvVar | undefined {
  const annotations = annotationsOf(pod);
  const [scrape = "", port = "", path = ""] = [SCRAPE, PORT, PATH].map((name) => annotations[name]);
  if (!mergesMetrics(pod) || port === SCRAPE_PORT || (scrape === "" && port === "" && path === "")) return undefined;
  return { name: "ISTIO_PROMETHEUS_ANNOTATIONS", value: JSON.stringify({ scrape, path, port }) };
}

function computedLabels(pod: Pod, owner: WorkloadOwner): Readonly<Record<string, string>> {
  const labels = labelsOf(pod);
  return {
    "security.istio.io/tlsMode": "istio",
    "service.istio.io/canonical-name": labelValue(labels["app.kubernetes.io/name"] ?? labels["app"] ?? owner.name),
    "service.istio.io/canonical-revision": labels["app.kubernetes.io/version"] ?? labels["version"] ?? "latest",
  };
}

/** A label's value has at most 63 characters and ends in a letter or digit; an owner's name may be longer. */
function labelValue(text: string): string {
  return text.slice(0, 63).replace(/[^A-Za-z0-9]+$/, "");
}

/** So that `kubectl exec` and `kubectl logs` go to the application, wherever the proxy stands (istio#24737). */
function computedAnnotations({ pod }: MetadataInput): Readonly<Record<string, string>> {
  const first = pod.spec.containers.find(({ name }) => !isInjected(name))?.name;
  if (first === undefined) return {};
  return { "kubectl.kubernetes.io/default-container": first, "kubectl.kubernetes.io/default-logs-container": first };
}

function forcedAnnotations({ pod, settings, status }: MetadataInput): Readonly<Record<string, string>> {
  return {
    "istio.io/rev": settings.revision,
    "sidecar.istio.io/status": JSON.stringify({ ...status, revision: settings.revision }),
    ...(mergesMetrics(pod) && { [SCRAPE]: "true", [PORT]: SCRAPE_PORT, [PATH]: "/stats/prometheus" }),
  };
}

/** As Istio: not where the pod forbids scraping, nor where it forbids merging. */
function mergesMetrics(pod: Pod): boolean {
  const annotations = annotationsOf(pod);
  return annotations["prometheus.istio.io/merge-metrics"] !== "false" && annotations[SCRAPE] !== "false";
}
