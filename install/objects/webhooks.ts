import type { V1ValidatingWebhookConfiguration } from "@kubernetes/client-node";
import { mutatingWebhookConfiguration } from "../../injector/admission/selection/webhook-configuration.ts";
import { CUSTOM_RESOURCES } from "../crds/custom-resources.ts";
import { groupOf } from "../crds/kind-description.ts";
import type { InstallValues } from "../values/install-values.ts";
import { componentLabels, REVISION_LABEL } from "./names.ts";
import { injectorNames } from "./state-names.ts";

/**
 * Both configurations, without `caBundle`: the injector writes that and owns it, so that applying these again changes
 * nothing. Until it has, the API server reaches no webhook, and the pods that they select are refused.
 */
export function webhookConfigurations(values: InstallValues) {
  return [mutating(values), validating(values)];
}

function mutating(values: InstallValues) {
  const { metadata, ...configuration } = mutatingWebhookConfiguration({
    revision: values.revision,
    controlPlaneNamespace: values.namespace,
  });
  const labels = { ...metadata.labels, ...componentLabels("istio-sidecar-injector", values) };
  return { ...configuration, metadata: { ...metadata, labels } };
}

/**
 * Which resources are validated: those that no other revision claims. A resource that is being deleted is never held up,
 * since DELETE is not reviewed. Without `failurePolicy` the API server sets Fail. Istio installs with Ignore, so that
 * resources can be applied before its webhook runs; then each `kubectl apply` would open the webhook again for a while.
 */
function validating(values: InstallValues) {
  const { service: name, configurations } = injectorNames(values);
  const groups = [...new Set(CUSTOM_RESOURCES.map(({ kind }) => groupOf(kind)))];
  const ours = { key: REVISION_LABEL, operator: "In", values: [values.revision] };
  const unclaimed = { key: REVISION_LABEL, operator: "DoesNotExist" };
  const selectors = values.revision === "default" ? [ours, unclaimed] : [ours];
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name: configurations.validating, labels: componentLabels("istio-sidecar-injector", values) },
    webhooks: selectors.map((selector) => ({
      name: `${selector === ours ? "rev." : ""}validation.istio.io`,
      clientConfig: {
        service: { name, namespace: values.namespace, path: "/validate", port: 443 },
      },
      rules: [
        {
          operations: ["CREATE", "UPDATE"],
          apiGroups: groups,
          apiVersions: ["*"],
          resources: CUSTOM_RESOURCES.map(({ plural }) => plural),
          scope: "*",
        },
      ],
      objectSelector: { matchExpressions: [selector] },
      admissionReviewVersions: ["v1"],
      sideEffects: "None",
      matchPolicy: "Equivalent",
      timeoutSeconds: 10,
    })),
  } satisfies V1ValidatingWebhookConfiguration;
}
