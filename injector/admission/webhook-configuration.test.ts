import { describe, expect, it } from "vitest";
import { matchesWebhook, mutatingWebhookConfiguration } from "./webhook-configuration.ts";

const configuration = mutatingWebhookConfiguration();

describe("the webhook's configuration", () => {
  it("fails closed, asks for pods at their creation and for containers for debugging, and is never invoked again", () => {
    for (const webhook of configuration.webhooks) {
      expect(webhook).toMatchObject({
        failurePolicy: "Fail",
        reinvocationPolicy: "Never",
        sideEffects: "None",
        admissionReviewVersions: ["v1"],
        rules: [
          { operations: ["CREATE"], resources: ["pods"] },
          { operations: ["UPDATE"], resources: ["pods/ephemeralcontainers"] },
        ],
        clientConfig: { service: { name: "istiod", namespace: "istio-system", path: "/inject", port: 443 } },
      });
    }
  });

  it("gives each entry a name of its own, with three parts at least, as the API server demands", () => {
    const names = configuration.webhooks.map(({ name }) => name);
    expect(new Set(names).size).toBe(4);
    for (const name of names) expect(name.split(".").length).toBeGreaterThanOrEqual(3);
  });

  it("carries the roots in base64", () => {
    const [webhook] = mutatingWebhookConfiguration({ rootCertificates: "PEM" }).webhooks;
    expect(webhook?.clientConfig.caBundle).toBe("UEVN");
  });

  it("never asks about the control plane's own pods, so that it can be restarted while it is away", () => {
    const namespace = { "istio-injection": "enabled", "kubernetes.io/metadata.name": "istio-system" };
    expect(matchesWebhook(configuration, namespace, { app: "istiod" })).toBe(false);
    expect(matchesWebhook(configuration, { ...namespace, "kubernetes.io/metadata.name": "ns1" }, {})).toBe(true);
  });

  it("never asks about the cluster's own namespaces, not even for a pod that wants it", () => {
    const labels = { "kubernetes.io/metadata.name": "kube-system" };
    expect(matchesWebhook(configuration, labels, { "sidecar.istio.io/inject": "true" })).toBe(false);
  });

  it.each([{ "istio-injection": "enabled" }, { "istio.io/rev": "default" }])(
    "never asks about a pod that opted out, in a namespace with %j",
    (namespace) => {
      expect(matchesWebhook(configuration, namespace, { "sidecar.istio.io/inject": "false" })).toBe(false);
      expect(matchesWebhook(configuration, namespace, { "sidecar.istio.io/inject": "true" })).toBe(true);
    },
  );

  it("of another revision selects by that revision alone", () => {
    const canary = mutatingWebhookConfiguration({ revision: "canary" });
    expect(canary.metadata.name).toBe("istio-sidecar-injector-canary");
    expect(matchesWebhook(canary, { "istio.io/rev": "canary" }, {})).toBe(true);
    expect(matchesWebhook(canary, { "istio-injection": "enabled" }, {})).toBe(false);
    expect(matchesWebhook(canary, {}, { "sidecar.istio.io/inject": "true" })).toBe(false);
  });

  it("does not take inherited properties for labels", () => {
    expect(matchesWebhook(configuration, {}, { constructor: "x" })).toBe(false);
  });
});
