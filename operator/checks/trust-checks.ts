import type { X509Certificate } from "node:crypto";
import { NAMESPACES_WITHOUT_ROOTS } from "../../ca-agent/trust-distribution/distribute-roots.ts";
import { readPublishedRoots } from "../../ca-agent/trust-distribution/root-config-map.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { formatCount } from "../../mesh/format-count.ts";
import { hasReadableDates } from "../../mesh/identity/certificate-faults.ts";
import { certificatesIn } from "../certificates/read-certificates.ts";
import { formatDuration } from "../text/duration.ts";
import { type CheckGroup, type CheckOutcome, failed, ok, skipped, warning } from "./check.ts";
import type { ClusterFacts } from "./cluster-facts.ts";
import { both, judge } from "./fact.ts";
import { textAt } from "./object-fields.ts";

const DAY_MS = 86_400_000;
/** Time enough to distribute a new root before the old one ends. */
const ROOT_WARNING_MS = 60 * DAY_MS;

/** The certificate authority, as its roots in ConfigMaps show it. */
export function checkTrust(facts: ClusterFacts): CheckGroup {
  const { rootConfigMaps, namespaces, rootNamespace, nowMs } = facts;
  return {
    name: "certificate authority",
    checks: [
      {
        title: "its roots are published and valid",
        outcome: judge(rootConfigMaps, (all) => judgeRoots(rootsOf(all, rootNamespace), rootNamespace, nowMs)),
      },
      {
        title: "every namespace has the same roots",
        outcome: judge(both(rootConfigMaps, namespaces), ([configMaps, all]) =>
          judgeCopies(configMaps, all, rootNamespace),
        ),
      },
    ],
  };
}

function rootsOf(configMaps: readonly KubernetesObject[], namespace: string): string {
  return readPublishedRoots(configMaps.find(({ metadata }) => metadata.namespace === namespace));
}

function judgeRoots(pem: string, namespace: string, nowMs: number): CheckOutcome {
  const roots = certificatesIn(pem);
  if (roots.length === 0) {
    const hint = "the control plane writes it when it has its authority: see the log of istiod";
    return failed(`there is no certificate in ConfigMap ${namespace}/istio-ca-root-cert`, hint);
  }
  return judgeExpiry(roots, nowMs, ROOT_WARNING_MS);
}

/** Judges when the first of some certificates ends. */
export function judgeExpiry(certificates: readonly X509Certificate[], nowMs: number, warningMs: number): CheckOutcome {
  const expired = certificates.filter(({ validToDate }) => validToDate.getTime() <= nowMs);
  const hint = "replace it: README, Certificates";
  if (!certificates.every(hasReadableDates)) return failed("it has dates that cannot be read", hint);
  const [first] = certificates.toSorted((left, right) => left.validToDate.getTime() - right.validToDate.getTime());
  if (first === undefined) return failed("there is no certificate", hint);
  const until = first.validToDate.toISOString();
  if (expired.length === certificates.length) return failed(`it expired at ${until}`, hint);
  if (expired.length > 0) return warning(`one of ${certificates.length} expired at ${until}`, hint);
  const leftMs = first.validToDate.getTime() - nowMs;
  const message = `valid until ${until} (${formatDuration(leftMs)})`;
  return leftMs < warningMs ? warning(message, hint) : ok(message);
}

function judgeCopies(
  configMaps: readonly KubernetesObject[],
  namespaces: readonly KubernetesObject[],
  rootNamespace: string,
): CheckOutcome {
  const wanted = rootsOf(configMaps, rootNamespace);
  if (wanted === "") return skipped("there are none yet");
  const live = namespaces.filter(
    (namespace) =>
      textAt(namespace, "status", "phase") !== "Terminating" &&
      !NAMESPACES_WITHOUT_ROOTS.includes(namespace.metadata.name),
  );
  const different = live.map(({ metadata }) => metadata.name).filter((name) => rootsOf(configMaps, name) !== wanted);
  if (different.length === 0) return ok(formatCount(live.length, "namespace"));
  const shown = `${different.slice(0, 5).join(", ")}${different.length > 5 ? ` and ${different.length - 5} more` : ""}`;
  const hint = "the control plane writes them within seconds: see the log of istiod for why it does not";
  return failed(`ConfigMap istio-ca-root-cert is missing or different in ${shown}`, hint);
}
