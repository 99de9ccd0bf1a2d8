import { describe, expect, it } from "vitest";
import { matchesWebhook, mutatingWebhookConfiguration } from "./webhook-configuration.ts";

const configuration = mutatingWebhookConfiguration();

describe("the webhook's configuration", () => {
  it("fails closed, and is never reinvoked", () => {
    for (const webhook of configuration.webhooks) {
      expect(webhook).toMatchObject({
        failurePolicy: "Fail",
        reinvocationPolicy: "Never",
        sideEffects: "None",
        admissionReviewVersions: ["v1"],
        clientConfig: {
          service: { name: "istio-sidecar-injector", namespace: "istio-system", path: "/inject", port: 443 },
        },
      });
    }
  });

  it("selects new pods, and every change of what runs in a pod that has a sidecar", () => {
    const news = configuration.webhooks.filter(({ rules }) =>
      rules.some(({ operations }) => operations[0] === "CREATE"),
    );
    const [running, ...others] = configuration.webhooks.filter((webhook) => !news.includes(webhook));
    expect(others).toEqual([]);
    expect(news.map(({ rules }) => rules)).toEqual(
      news.map(() => [expect.objectContaining({ operations: ["CREATE"], resources: ["pods"] })]),
    );
    expect(running).toMatchObject({
      rules: [{ operations: ["UPDATE"], resources: ["pods", "pods/ephemeralcontainers"] }],
      // A label that the pod's author may change must not matter.
      objectSelector: { matchExpressions: [] },
      namespaceSelector: { matchExpressions: [{ key: "kubernetes.io/metadata.name", operator: "NotIn" }] },
      matchConditions: [{ name: "has-a-sidecar" }, { name: "changes-what-runs" }],
    });
  });

  it("does not depend on the injector for updates that change nothing that runs", () => {
    const conditions = configuration.webhooks.flatMap(({ matchConditions }) => matchConditions ?? []);
    expect(conditions.map(({ expression }) => expression)).toEqual([
      expect.stringContaining("exists(c, c.name == 'istio-proxy')"),
      expect.stringContaining("o.name == c.name && o.image == c.image"),
    ]);
    // The API server leaves out empty fields, and an error of an expression refuses the update.
    const text = conditions.map(({ expression }) => expression).join();
    for (const field of ["request.subResource", "object.spec.initContainers"]) {
      const guards = text.split(`has(${field}) && ${field}`).length - 1;
      expect(guards).toBeGreaterThan(0);
      expect(text.split(field).length - 1).toBe(2 * guards);
    }
  });

  it("gives each entry a unique name with at least three parts, as the API server requires", () => {
    const names = configuration.webhooks.map(({ name }) => name);
    expect(new Set(names).size).toBe(5);
    for (const name of names) expect(name.split(".").length).toBeGreaterThanOrEqual(3);
  });

  it("contains the root certificates in base64", () => {
    const [webhook] = mutatingWebhookConfiguration({ rootCertificates: "PEM" }).webhooks;
    expect(webhook?.clientConfig.caBundle).toBe("UEVN");
  });

  it("never selects the control plane's own pods, so that they can start while the webhook is down", () => {
    const namespace = { "istio-injection": "enabled", "kubernetes.io/metadata.name": "istio-system" };
    expect(matchesWebhook(configuration, namespace, { app: "istiod" })).toBe(false);
    expect(matchesWebhook(configuration, { ...namespace, "kubernetes.io/metadata.name": "ns1" }, {})).toBe(true);
  });

  it("never selects pods of system namespaces, even if they request injection", () => {
    const labels = { "kubernetes.io/metadata.name": "kube-system" };
    expect(matchesWebhook(configuration, labels, { "sidecar.istio.io/inject": "true" })).toBe(false);
  });

  it.each([{ "istio-injection": "enabled" }, { "istio.io/rev": "default" }])(
    "never selects a pod that opted out, in a namespace with %j",
    (namespace) => {
      expect(matchesWebhook(configuration, namespace, { "sidecar.istio.io/inject": "false" })).toBe(false);
      expect(matchesWebhook(configuration, namespace, { "sidecar.istio.io/inject": "true" })).toBe(true);
    },
  );

  it("of another revision selects only by that revision", () => {
    const canary = mutatingWebhookConfiguration({ revision: "canary" });
    expect(canary.metadata.name).toBe("istio-sidecar-injector-canary");
    expect(matchesWebhook(canary, { "istio.io/rev": "canary" }, {})).toBe(true);
    expect(matchesWebhook(canary, { "istio-injection": "enabled" }, {})).toBe(false);
    expect(matchesWebhook(canary, {}, { "sidecar.istio.io/inject": "true" })).toBe(false);
  });

  it("does not treat inherited properties as labels", () => {
    expect(matchesWebhook(configuration, {}, { constructor: "x" })).toBe(false);
  });
});
