import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { formatCount } from "../../mesh/format-count.ts";
import { createProxyReport } from "../proxies/proxy-report.ts";
import type { ControlPlaneReplica } from "../proxies/sync-page.ts";
import { type CheckGroup, type CheckOutcome, failed, ok, warning } from "./check.ts";
import type { ClusterFacts } from "./cluster-facts.ts";
import { explainPod } from "./component-checks.ts";
import { both, judge } from "./fact.ts";
import { listAt, numberAt, textAt } from "./object-fields.ts";
import { countIstioPods, namesOf, proxyPods, SHOWN } from "./proxy-pods.ts";
import { judgeVersions } from "./version-checks.ts";

/** The pods with a proxy. */
export function checkDataPlane(facts: ClusterFacts): CheckGroup {
  const { pods, namespaces, replicas, findings, nowMs } = facts;
  return {
    name: "data plane",
    checks: [
      { title: "traffic of the pods could be redirected", outcome: judge(pods, judgeCapture) },
      { title: "the proxies are ready", outcome: judge(pods, judgeReadiness) },
      {
        title: "the proxies have the control plane's version",
        outcome: judge(pods, (all) => judgeVersions(all, replicas)),
      },
      {
        title: "the proxies are connected and up to date",
        outcome: judge(both(pods, replicas), ([all, planes]) => judgeConnections(all, planes, nowMs)),
      },
      { title: "namespaces allow what injection needs", outcome: judge(namespaces, judgePodSecurity) },
      { title: "the configuration has no errors", outcome: judge(findings, judgeFindings) },
    ],
  };
}

/** The init container sets the iptables rules; without the kernel's modules it fails, and its message names them. */
function judgeCapture(objects: readonly KubernetesObject[]): CheckOutcome {
  const broken = objects.filter((pod) =>
    listAt(pod, "status", "initContainerStatuses").some((status) => {
      if (textAt(status, "name") !== "istio-init") return false;
      const codes = ["state", "lastState"].map((state) => numberAt(status, state, "terminated", "exitCode") ?? 0);
      return codes.some((code) => code !== 0);
    }),
  );
  if (broken.length === 0) return ok();
  const [first] = broken;
  const hint =
    first === undefined ? "" : `kubectl -n ${first.metadata.namespace} logs ${first.metadata.name} -c istio-init`;
  return failed(
    `istio-init failed in ${namesOf(broken)}: a kernel module of iptables may be missing on the node`,
    hint,
  );
}

function judgeReadiness(objects: readonly KubernetesObject[]): CheckOutcome {
  const all = proxyPods(objects);
  const unready = all.filter(({ object }) => !isProxyReady(object));
  if (unready.length === 0) return ok(`${formatCount(all.length, "pod")}${describeIstioPods(countIstioPods(objects))}`);
  const hint = unready.flatMap(({ object }) => explainPod(object))[0] ?? "see the log of their container istio-proxy";
  return warning(`not ready: ${namesOf(unready.map(({ object }) => object))}`, hint);
}

function describeIstioPods(count: number): string {
  return count === 0
    ? ""
    : `; ${formatCount(count, "more has", "more have")} a proxy of Istio's, and ${count === 1 ? "is" : "are"} not looked at`;
}

function isProxyReady(pod: KubernetesObject): boolean {
  const statuses = [...listAt(pod, "status", "containerStatuses"), ...listAt(pod, "status", "initContainerStatuses")];
  const proxy = statuses.find((status) => textAt(status, "name") === "istio-proxy");
  return typeof proxy !== "object" || proxy === null || !("ready" in proxy) || proxy.ready !== false;
}

function judgeConnections(
  objects: readonly KubernetesObject[],
  replicas: readonly ControlPlaneReplica[],
  nowMs: number,
): CheckOutcome {
  const unread = replicas.flatMap(({ pod, page }) => (page.kind === "failed" ? [`${pod}: ${page.reason}`] : []));
  const [first] = unread;
  if (first !== undefined)
    return warning(first, "it takes the right to create pods/portforward, and a ready control plane");
  const pods = proxyPods(objects).map(({ pod: { metadata } }) => ({
    name: metadata.name,
    namespace: metadata.namespace,
    version: "",
  }));
  const rows = createProxyReport({ replicas, pods, nowMs });
  const failing = rows.filter(({ problem }) => problem !== undefined);
  if (failing.length === 0) return ok(formatCount(rows.length, "proxy", "proxies"));
  const shown = failing.slice(0, SHOWN).map(({ pod, state }) => `${pod} (${state})`);
  const rest = failing.length > SHOWN ? ` and ${failing.length - SHOWN} more` : "";
  return failed(`${shown.join(", ")}${rest}`, "entente proxy-status has the reasons");
}

/** The init container needs NET_ADMIN, which the baseline and restricted levels refuse. */
function judgePodSecurity(namespaces: readonly KubernetesObject[]): CheckOutcome {
  const strict = namespaces.filter(({ metadata }) => {
    const labels = metadata.labels ?? {};
    const asks = labels["istio-injection"] === "enabled" || labels["istio.io/rev"] !== undefined;
    return asks && ["baseline", "restricted"].includes(labels["pod-security.kubernetes.io/enforce"] ?? "");
  });
  if (strict.length === 0) return ok();
  const names = strict.map(({ metadata }) => metadata.name).join(", ");
  const message = `namespace ${names} enforces a Pod Security level that refuses the init container's NET_ADMIN`;
  return failed(message, "label it pod-security.kubernetes.io/enforce=privileged, or inject other namespaces");
}

function judgeFindings({
  error,
  warning: warnings,
}: {
  readonly error: number;
  readonly warning: number;
}): CheckOutcome {
  const message = `${formatCount(error, "error")}, ${formatCount(warnings, "warning")}`;
  return error === 0 ? ok(message) : warning(message, "entente analyze -A lists them");
}
