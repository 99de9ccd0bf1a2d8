import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { certificatesIn } from "../certificates/read-certificates.ts";
import { type CheckGroup, type CheckOutcome, failed, ok, skipped, warning } from "./check.ts";
import type { ClusterFacts, ProbeResult, WebhookCertificate } from "./cluster-facts.ts";
import { judge } from "./fact.ts";
import { fieldAt, listAt, textAt } from "./object-fields.ts";
import { isOurs } from "./preflight-checks.ts";
import { judgeExpiry } from "./trust-checks.ts";

const DAY_MS = 86_400_000;
/** The injector renews its certificate long before: less than this, and it does not. */
const SERVING_WARNING_MS = 2 * DAY_MS;
const INSTALL_HINT = "run entente install, or kubectl apply -k examples/kubernetes";

/** Injection: from the webhook's configuration to a pod that it patches. */
export function checkWebhooks(facts: ClusterFacts): CheckGroup {
  const { mutatingWebhooks, validatingWebhooks, webhookCertificate, endpointSlices, probe, nowMs } = facts;
  return {
    name: "injection",
    checks: [
      {
        title: "the injection webhook is configured and trusted",
        outcome: judge(mutatingWebhooks, (all) => judgeConfiguration(all, nowMs)),
      },
      {
        title: "the validation webhook is configured and trusted",
        outcome: judge(validatingWebhooks, (all) => judgeConfiguration(all, nowMs)),
      },
      {
        title: "the webhook's Service has endpoints",
        outcome: judge(endpointSlices, judgeEndpoints),
      },
      {
        title: "the webhook presents a certificate that its configuration trusts",
        outcome: judge(webhookCertificate, (certificate) => judgeCertificate(certificate, nowMs)),
      },
      { title: "a new pod gets a sidecar (dry run)", outcome: judgeProbe(probe) },
    ],
  };
}

function judgeConfiguration(configurations: readonly KubernetesObject[], nowMs: number): CheckOutcome {
  const ours = configurations.filter(isOurs);
  if (ours.length === 0) return failed("there is none", INSTALL_HINT);
  for (const configuration of ours) {
    const { name } = configuration.metadata;
    const bundles = listAt(configuration, "webhooks").map((webhook) => bundleOf(webhook));
    if (bundles.some((bundle) => bundle === "")) {
      return failed(`${name} has a webhook without caBundle`, "the injector writes it: see its log");
    }
    const certificates = bundles.flatMap(certificatesIn);
    if (certificates.length === 0)
      return failed(`${name}: caBundle has no certificate`, "the injector writes it: see its log");
    const expiry = judgeExpiry(certificates, nowMs, SERVING_WARNING_MS);
    if (expiry.kind !== "ok") return expiry;
  }
  return ok();
}

/** The PEM text of a webhook's `caBundle`; empty without one. */
export function bundleOf(webhook: unknown): string {
  return Buffer.from(textAt(webhook, "clientConfig", "caBundle") ?? "", "base64").toString("utf8");
}

function judgeEndpoints(slices: readonly KubernetesObject[]): CheckOutcome {
  const ofInjector = slices.filter(({ metadata }) =>
    (metadata.labels?.["kubernetes.io/service-name"] ?? "").startsWith("istio-sidecar-injector"),
  );
  const ready = ofInjector
    .flatMap((slice) => listAt(slice, "endpoints"))
    .filter((endpoint) => fieldAt(endpoint, "conditions", "ready") !== false);
  if (ready.length > 0) return ok(`${ready.length} ready`);
  return failed(
    "no replica of the injector is ready",
    "pods that ask for a sidecar are refused: see the injector's pods",
  );
}

function judgeCertificate({ notAfter, fault, names }: WebhookCertificate, nowMs: number): CheckOutcome {
  const hint = "the injector renews it and caBundle: see its log, or restart it";
  if (fault !== undefined) return failed(`${fault} (it is for ${names})`, hint);
  const leftMs = Date.parse(notAfter) - nowMs;
  if (leftMs <= 0) return failed(`it expired at ${notAfter}`, hint);
  return leftMs < SERVING_WARNING_MS ? warning(`it expires at ${notAfter}`, hint) : ok(`valid until ${notAfter}`);
}

function judgeProbe(probe: ClusterFacts["probe"]): CheckOutcome {
  if (probe.kind === "known") return judgePatched(probe.value);
  if (/failed calling webhook/.test(probe.reason)) {
    return failed(
      probe.reason,
      "the API server cannot reach the webhook: a NetworkPolicy or firewall, or its certificate",
    );
  }
  return skipped(probe.reason);
}

function judgePatched({ containers, namespace }: ProbeResult): CheckOutcome {
  if (containers.includes("istio-proxy")) return ok(`in namespace ${namespace}`);
  const hint =
    "no webhook selects it: see the namespaceSelector of MutatingWebhookConfiguration istio-sidecar-injector";
  return failed(`a pod in namespace ${namespace} that asks for a sidecar gets none`, hint);
}
