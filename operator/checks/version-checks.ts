import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { versionOfImage } from "../describe/pod-description.ts";
import type { ControlPlaneReplica } from "../proxies/sync-page.ts";
import { proxyContainer } from "../workloads/pod-proxy.ts";
import { type CheckOutcome, ok, warning } from "./check.ts";
import type { Fact } from "./fact.ts";
import { listAt, textAt } from "./object-fields.ts";
import { namesOf, proxyPods } from "./proxy-pods.ts";

/** The versions that the programs themselves report, by `NAME.NAMESPACE` of their pods. */
type ReportedVersions = ReadonlyMap<string, string>;

/**
 * Whether control planes and proxies are of one version. What a program reports counts; an image's tag, which may be a
 * digest or may have been moved, is for programs that report nothing: a proxy that is not connected, or a control plane
 * that could not be asked.
 */
export function judgeVersions(
  objects: readonly KubernetesObject[],
  replicas: Fact<readonly ControlPlaneReplica[]>,
): CheckOutcome {
  const reported = reportedVersions(replicas.kind === "known" ? replicas.value : []);
  const planes = objects.filter(isControlPlane);
  const wanted = [...new Set(planes.map((pod) => versionOf(pod, firstImage(pod), reported)))];
  if (wanted.length === 0) return ok("no control plane runs");
  if (wanted.length > 1) {
    return warning(`the control planes run ${wanted.join(" and ")}`, "normal during an upgrade; else see their image");
  }
  const proxies = proxyPods(objects);
  const behind = proxies.filter(
    ({ object, pod }) => !wanted.includes(versionOf(object, proxyContainer(pod)?.image, reported)),
  );
  if (behind.length > 0) {
    const message = `${namesOf(behind.map(({ object }) => object))} is not of version ${wanted.join()}`;
    return warning(message, "restart the workloads: kubectl rollout restart");
  }
  const count = proxies.filter(({ object }) => reported.has(nameOf(object))).length;
  return ok(`${wanted.join()}; ${count} of ${proxies.length} proxies report it themselves`);
}

function reportedVersions(replicas: readonly ControlPlaneReplica[]): ReportedVersions {
  const read = replicas.flatMap(({ pod, page }) => (page.kind === "read" ? [{ pod, ...page }] : []));
  const entries = read.flatMap(({ pod, version, proxies }) => [
    [pod, version] as const,
    ...proxies.map((proxy) => [`${proxy.pod}.${proxy.namespace}`, proxy.version] as const),
  ]);
  return new Map(entries.filter(([, version]) => version !== ""));
}

function versionOf(pod: KubernetesObject, image: string | undefined, reported: ReportedVersions): string {
  return reported.get(nameOf(pod)) ?? versionOfImage(image ?? "");
}

function nameOf({ metadata }: KubernetesObject): string {
  return `${metadata.name}.${metadata.namespace}`;
}

function firstImage(pod: KubernetesObject): string | undefined {
  return textAt(listAt(pod, "spec", "containers")[0], "image");
}

function isControlPlane({ metadata }: KubernetesObject): boolean {
  const labels = metadata.labels ?? {};
  return labels["app.kubernetes.io/name"] === "istiod" && labels["app.kubernetes.io/managed-by"] === "entente";
}
