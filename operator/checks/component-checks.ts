import { CUSTOM_RESOURCES } from "../../install/crds/custom-resources.ts";
import { describeKind, groupOf } from "../../install/crds/kind-description.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import type { ControlPlaneReplica } from "../proxies/sync-page.ts";
import { type CheckGroup, type CheckOutcome, type CheckResult, failed, ok, warning } from "./check.ts";
import type { ClusterFacts } from "./cluster-facts.ts";
import { both, judge } from "./fact.ts";
import { listAt, numberAt, textAt } from "./object-fields.ts";
import { isOurs, servedVersions } from "./preflight-checks.ts";

const INSTALL_HINT = "run entente install, or kubectl apply -k examples/kubernetes";

/** Whether the parts of the installation are there and run. */
export function checkComponents(facts: ClusterFacts): CheckGroup {
  const { definitions, namespaces, rootNamespace } = facts;
  return {
    name: "installation",
    checks: [
      { title: "every resource definition is served", outcome: judge(definitions, judgeServed) },
      {
        title: `namespace ${rootNamespace} exists`,
        outcome: judge(namespaces, (all) =>
          all.some(({ metadata }) => metadata.name === rootNamespace)
            ? ok()
            : failed(`there is no namespace ${rootNamespace}`, `${INSTALL_HINT}; -i names another namespace`),
        ),
      },
      checkComponent(facts, "istiod", "the control plane's replicas are ready"),
      { title: "the control plane uses the mesh's present settings", outcome: judge(facts.replicas, judgeSettings) },
      checkComponent(facts, "istio-sidecar-injector", "the injector's replicas are ready"),
      checkGateway(facts),
    ],
  };
}

function judgeServed(definitions: readonly KubernetesObject[]): CheckOutcome {
  const byName = new Map(definitions.map((definition) => [definition.metadata.name, definition]));
  const missing = CUSTOM_RESOURCES.flatMap(({ kind, plural }) => {
    const name = `${plural}.${groupOf(kind)}`;
    const found = byName.get(name);
    const served = found === undefined ? [] : servedVersions(found);
    return describeKind(kind).versions.some((version) => served.includes(version)) ? [] : [name];
  });
  return missing.length === 0 ? ok() : failed(`not served: ${missing.join(", ")}`, INSTALL_HINT);
}

function checkComponent(facts: ClusterFacts, component: string, title: string): CheckResult {
  const outcome = judge(both(facts.deployments, facts.pods), ([deployments, pods]) => {
    const found = findDeployments(deployments, component, facts.rootNamespace);
    if (found.length === 0) return failed(`there is no Deployment of ${component}`, INSTALL_HINT);
    return worst(found.map((deployment) => judgeDeployment(deployment, pods)));
  });
  return { title, outcome };
}

/** A change of the ConfigMap alone, without an installation, rolls no pods. */
function judgeSettings(replicas: readonly ControlPlaneReplica[]): CheckOutcome {
  const waiting = replicas.flatMap(({ pod, page }) =>
    page.kind === "read" && page.awaitingRestart.length > 0 ? [`${pod}: ${page.awaitingRestart.join(", ")}`] : [],
  );
  if (waiting.length === 0) return ok();
  return warning(
    `changed, and in force after a restart: ${waiting.join("; ")}`,
    "kubectl rollout restart deployment/istiod, in the control plane's namespace; entente install does it by itself",
  );
}

/** An installation may be without a gateway. */
function checkGateway(facts: ClusterFacts): CheckResult {
  const outcome = judge(both(facts.deployments, facts.pods), ([deployments, pods]) => {
    const found = findDeployments(deployments, "istio-ingressgateway", facts.rootNamespace);
    if (found.length === 0) return ok("none is installed");
    return worst(found.map((deployment) => judgeDeployment(deployment, pods)));
  });
  return { title: "the ingress gateway's replicas are ready", outcome };
}

function findDeployments(
  deployments: readonly KubernetesObject[],
  component: string,
  namespace: string,
): readonly KubernetesObject[] {
  return deployments.filter(
    (one) =>
      isOurs(one) &&
      one.metadata.namespace === namespace &&
      one.metadata.labels?.["app.kubernetes.io/name"] === component,
  );
}

function judgeDeployment(deployment: KubernetesObject, pods: readonly KubernetesObject[]): CheckOutcome {
  const { name, namespace } = deployment.metadata;
  const wanted = numberAt(deployment, "spec", "replicas") ?? 1;
  const ready = numberAt(deployment, "status", "readyReplicas") ?? 0;
  const message = `${ready} of ${wanted} ready`;
  if (ready >= wanted && wanted > 0) return ok(message);
  const component = deployment.metadata.labels?.["app.kubernetes.io/name"];
  const reasons = pods
    .filter(
      ({ metadata }) => metadata.namespace === namespace && metadata.labels?.["app.kubernetes.io/name"] === component,
    )
    .flatMap(explainPod);
  const hint = reasons[0] ?? `kubectl -n ${namespace} describe deployment ${name}`;
  return ready === 0 ? failed(`${name}: ${message}`, hint) : warning(`${name}: ${message}`, hint);
}

/** Why a pod is not ready, by its containers' states. */
export function explainPod(pod: KubernetesObject): readonly string[] {
  const name = `pod ${pod.metadata.namespace}/${pod.metadata.name}`;
  const statuses = [...listAt(pod, "status", "initContainerStatuses"), ...listAt(pod, "status", "containerStatuses")];
  const reasons = statuses.flatMap((status) => {
    const container = textAt(status, "name") ?? "";
    for (const state of ["waiting", "terminated"] as const) {
      const reason = textAt(status, "state", state, "reason");
      // A waiting container that merely comes after an init container has no reason of its own.
      if (reason === undefined || reason === "PodInitializing" || reason === "Completed") continue;
      const detail = textAt(status, "state", state, "message");
      return [`${name}: container ${container}: ${reason}${describeLastEnd(status) || describeDetail(detail)}`];
    }
    return [];
  });
  const scheduling = listAt(pod, "status", "conditions").flatMap((condition) =>
    textAt(condition, "type") === "PodScheduled" && textAt(condition, "status") === "False"
      ? [`${name}: ${textAt(condition, "message") ?? "it is not scheduled"}`]
      : [],
  );
  return [...scheduling, ...reasons];
}

/** How a container that is started again and again ended last. */
function describeLastEnd(status: unknown): string {
  const code = numberAt(status, "lastState", "terminated", "exitCode");
  if (code === undefined) return "";
  const message = textAt(status, "lastState", "terminated", "message");
  return `; it ended with ${code}${describeDetail(message)}`;
}

function describeDetail(text: string | undefined): string {
  return text === undefined ? "" : `: ${text.trim().slice(0, 200)}`;
}

/** The worst of several outcomes: a failure, else a warning. */
function worst(outcomes: readonly CheckOutcome[]): CheckOutcome {
  return (
    outcomes.find(({ kind }) => kind === "failed") ??
    outcomes.find(({ kind }) => kind === "warning") ??
    outcomes[0] ??
    ok()
  );
}
