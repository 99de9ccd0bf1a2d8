import type { InjectionSettings } from "./injection-settings.ts";
import { annotationsOf, type EnvVar, isInjected, labelsOf, type Pod, type PodMetadata } from "./pod.ts";
import type { WorkloadOwner } from "./workload-owner.ts";

export interface MetadataInput {
  readonly pod: Pod;
  readonly settings: InjectionSettings;
  readonly owner: WorkloadOwner;
  /** Names of everything injection added to the pod, for the status annotation. */
  readonly status: Readonly<
    Record<"initContainers" | "containers" | "volumes" | "imagePullSecrets", readonly string[]>
  >;
}

const SCRAPE_PORT = "15020";
const SCRAPE = "prometheus.io/scrape";
const PORT = "prometheus.io/port";
const PATH = "prometheus.io/path";

/** The metadata of an injected pod: Istio's labels and annotations. The user's own labels are kept. */
export function injectedMetadata(input: MetadataInput): PodMetadata {
  const { pod } = input;
  return {
    ...pod.metadata,
    labels: { ...computedLabels(pod, input.owner), ...labelsOf(pod) },
    annotations: { ...computedAnnotations(input), ...annotationsOf(pod), ...forcedAnnotations(input) },
  };
}

/**
 * The application's original scrape settings, for the proxy to merge its metrics. Undefined if the pod has none, or if
 * they already point to the proxy.
 */
export function originalScrape(pod: Pod, settings: InjectionSettings): EnvVar | undefined {
  const annotations = annotationsOf(pod);
  const [scrape = "", port = "", path = ""] = [SCRAPE, PORT, PATH].map((name) => annotations[name]);
  if (!mergesMetrics(pod, settings) || port === SCRAPE_PORT || (scrape === "" && port === "" && path === ""))
    return undefined;
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

/**
 * Truncates to a valid label value: at most 63 characters, ending in a letter or digit. An owner's name may be longer.
 */
function labelValue(text: string): string {
  return text.slice(0, 63).replace(/[^A-Za-z0-9]+$/, "");
}

/**
 * Makes `kubectl exec` and `kubectl logs` use the application container, wherever the proxy is in the list
 * (istio#24737).
 */
function computedAnnotations({ pod }: MetadataInput): Readonly<Record<string, string>> {
  const first = pod.spec.containers.find(({ name }) => !isInjected(name))?.name;
  if (first === undefined) return {};
  return { "kubectl.kubernetes.io/default-container": first, "kubectl.kubernetes.io/default-logs-container": first };
}

function forcedAnnotations({ pod, settings, status }: MetadataInput): Readonly<Record<string, string>> {
  return {
    "istio.io/rev": settings.revision,
    "sidecar.istio.io/status": JSON.stringify({ ...status, revision: settings.revision }),
    ...(mergesMetrics(pod, settings) && { [SCRAPE]: "true", [PORT]: SCRAPE_PORT, [PATH]: "/stats/prometheus" }),
  };
}

/**
 * As in Istio: the pod's annotation overrides the mesh's setting, and a pod that is not scraped is left alone. So is one
 * whose page the proxy could not request.
 */
function mergesMetrics(pod: Pod, settings: InjectionSettings): boolean {
  const annotations = annotationsOf(pod);
  const own = annotations["prometheus.istio.io/merge-metrics"];
  const isWanted = annotations[SCRAPE] !== "false" && (own === undefined ? settings.mergesMetrics : own !== "false");
  return isWanted && scrapeWarnings(pod).length === 0;
}

/** Why the application's metrics cannot be merged with the proxy's. */
export function scrapeWarnings(pod: Pod): readonly string[] {
  const { [PORT]: port = "", [PATH]: path = "" } = annotationsOf(pod);
  const isPort = port === "" || (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535);
  const consequence = "its metrics are not merged with the proxy's";
  if (!isPort) return [`the annotation ${PORT} is "${port}", which is not a port number; ${consequence}`];
  if (!/^[\x21-\x7e]*$/.test(path)) return [`the annotation ${PATH} is not a path; ${consequence}`];
  return [];
}
