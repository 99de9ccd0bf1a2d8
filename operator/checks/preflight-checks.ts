import { CUSTOM_RESOURCES } from "../../install/crds/custom-resources.ts";
import { describeKind, groupOf } from "../../install/crds/kind-description.ts";
import type { ReviewedRights } from "../../kubernetes/access-review.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { type CheckGroup, type CheckOutcome, failed, ok, warning } from "./check.ts";
import type { ClusterFacts } from "./cluster-facts.ts";
import { both, judge } from "./fact.ts";
import { listAt, textAt } from "./object-fields.ts";

/** Whether an installation can succeed. */
export function checkBeforeInstallation(facts: ClusterFacts): CheckGroup {
  const { rights, definitions, deployments, mutatingWebhooks } = facts;
  return {
    name: "before an installation",
    checks: [
      { title: "you may create what an installation needs", outcome: judge(rights, judgeRights) },
      { title: "the resource definitions fit", outcome: judge(definitions, judgeDefinitions) },
      {
        title: "no other mesh injects sidecars",
        outcome: judge(both(deployments, mutatingWebhooks), ([all, webhooks]) => judgeOthers(all, webhooks)),
      },
    ],
  };
}

/** Whether an object was made by an installation of ours. */
export function isOurs({ metadata }: KubernetesObject): boolean {
  return metadata.labels?.["app.kubernetes.io/managed-by"] === "entente";
}

function judgeRights({ asked, missing }: ReviewedRights): CheckOutcome {
  if (missing.length === 0) return ok(`${asked} rights`);
  return failed(`you may not ${missing.join(", ")}`, "install as a cluster administrator (ClusterRole cluster-admin)");
}

/** Definitions are ours, or Istio's, which are left as they are and must serve a version that is read. */
function judgeDefinitions(definitions: readonly KubernetesObject[]): CheckOutcome {
  const byName = new Map(definitions.map((definition) => [definition.metadata.name, definition]));
  let foreign = 0;
  const unfit: string[] = [];
  for (const { kind, plural } of CUSTOM_RESOURCES) {
    const name = `${plural}.${groupOf(kind)}`;
    const found = byName.get(name);
    if (found === undefined) continue;
    if (!isOurs(found)) foreign += 1;
    const served = servedVersions(found);
    if (!describeKind(kind).versions.some((version) => served.includes(version))) {
      unfit.push(`${name} serves ${served.join(", ") || "no version"}`);
    }
  }
  if (unfit.length > 0) return failed(unfit.join("; "), "upgrade these definitions: Entente reads no version of them");
  return ok(foreign === 0 ? undefined : `${foreign} of Istio's own, left unchanged`);
}

/** The versions of a CustomResourceDefinition that the cluster serves. */
export function servedVersions(definition: KubernetesObject): readonly string[] {
  return listAt(definition, "spec", "versions").flatMap((version) => {
    const name = textAt(version, "name");
    const isServed = typeof version === "object" && version !== null && "served" in version && version.served === true;
    return name !== undefined && isServed ? [name] : [];
  });
}

function judgeOthers(deployments: readonly KubernetesObject[], webhooks: readonly KubernetesObject[]): CheckOutcome {
  const planes = deployments.filter((one) => one.metadata.labels?.["app"] === "istiod" && !isOurs(one));
  const injectors = webhooks.filter((one) => one.metadata.name.startsWith("istio-sidecar-injector") && !isOurs(one));
  const names = [...planes, ...injectors].map(({ kind, metadata }) =>
    [kind, [metadata.namespace, metadata.name].filter((part) => part !== undefined).join("/")].join(" "),
  );
  if (names.length === 0) return ok();
  const hint = "install beside it with --revision NAME, so that namespaces choose by the label istio.io/rev";
  return warning(`there is ${names.join(", ")}: both would inject a namespace with istio-injection=enabled`, hint);
}
