import { describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import { renderInstallation } from "../render-installation.ts";
import { parseInstallValues } from "../values/parse-values.ts";
import { InstallFixture } from "./cluster-fixture.ts";
import { describeObject, INSTALLED_KINDS, installedKind } from "./installed-kinds.ts";

const RENDERED = renderInstallation(parseInstallValues()).flatMap(({ objects }) => objects);

function installedNames(fixture: InstallFixture): readonly string[] {
  return fixture.names(...INSTALLED_KINDS).filter((name) => !fixture.firstNamespaces.includes(name));
}

describe("an installation", () => {
  it("creates every object, and waits until everything runs", async () => {
    const fixture = new InstallFixture();
    const lines = await fixture.install();
    expect(installedNames(fixture).toSorted()).toEqual(RENDERED.map(describeObject).toSorted());
    for (const object of RENDERED) expect(lines).toContain(`${describeObject(object)} created`);
    expect(lines).toContain("waiting for Deployment istio-system/istiod: 0 of 2 pods available");
    expect(lines.slice(-2)).toEqual([
      "MutatingWebhookConfiguration istio-sidecar-injector is available",
      "ValidatingWebhookConfiguration istio-validator-istio-system is available",
    ]);
  });

  it("leaves the roots that the injector writes into the webhooks, and never lets validation fail open", async () => {
    const fixture = new InstallFixture();
    const webhooks = (): string =>
      JSON.stringify([KINDS.mutatingWebhooks, KINDS.validatingWebhooks].map((kind) => fixture.cluster.list(kind, {})));
    await fixture.install([], { waitMs: 0 });
    expect(webhooks()).not.toContain('"failurePolicy":"Ignore"');
    await fixture.install();
    await fixture.install(["image=entente:2"]);
    expect(webhooks()).not.toContain('"failurePolicy":"Ignore"');
    expect(webhooks().match(/"caBundle":"UEVN"/g)).toHaveLength(7);
  });

  it("changes nothing the second time", async () => {
    const fixture = new InstallFixture();
    await fixture.install();
    const lines = await fixture.install();
    expect(lines.filter((line) => !line.endsWith(" unchanged") && !line.endsWith(" is available"))).toEqual([]);
  });

  it.each([3, 20, 40, 60])("that was cut at call %i is completed by the next run", async (failsAtCall) => {
    const fixture = new InstallFixture();
    fixture.failsAtCall = failsAtCall;
    await expect(fixture.install()).rejects.toThrow("the connection was cut");
    fixture.failsAtCall = Number.POSITIVE_INFINITY;
    await fixture.install();
    expect(installedNames(fixture).toSorted()).toEqual(RENDERED.map(describeObject).toSorted());
  });

  it("of another version changes what differs, and deletes what it no longer has", async () => {
    const fixture = new InstallFixture();
    await fixture.install();
    const lines = await fixture.install(["gateway.enabled=false", "image=entente:2"]);
    expect(lines).toContain("Deployment istio-system/istiod changed");
    expect(lines).toContain("Service istio-system/istiod unchanged");
    expect(lines).toContain("Deployment istio-system/istio-ingressgateway deleted: this installation does not have it");
    expect(fixture.names(KINDS.deployments)).toEqual([
      "Deployment istio-system/istio-sidecar-injector",
      "Deployment istio-system/istiod",
    ]);
  });

  it("takes over what `kubectl apply` made, without another version of it", async () => {
    const fixture = new InstallFixture();
    for (const object of RENDERED) {
      const annotations = { "kubectl.kubernetes.io/last-applied-configuration": "{}" };
      const applied = { ...object, metadata: { ...object.metadata, annotations } };
      fixture.cluster.apply(installedKind(object), applied, { fieldManager: "kubectl" });
    }
    const lines = await fixture.install();
    for (const object of RENDERED) expect(lines).toContain(`${describeObject(object)} unchanged`);
  });

  it("beside another revision leaves that one alone", async () => {
    const fixture = new InstallFixture();
    await fixture.install();
    const before = installedNames(fixture);
    const lines = await fixture.install(["revision=canary"]);
    expect(lines.join()).not.toContain("deleted");
    expect(installedNames(fixture)).toEqual(expect.arrayContaining([...before]));
    expect(installedNames(fixture)).toContain("Deployment istio-system/istiod-canary");
  });

  it("stores nothing in a dry run, and says what it would do", async () => {
    const fixture = new InstallFixture();
    const lines = await fixture.install([], { mode: "validate" });
    expect(installedNames(fixture)).toEqual([]);
    expect(lines).toContain("Deployment istio-system/istiod created (dry run)");
    await fixture.install();
    const again = await fixture.install(["image=entente:2"], { mode: "validate" });
    expect(again).toContain("Deployment istio-system/istiod changed (dry run)");
    expect(again).toContain("Service istio-system/istiod unchanged (dry run)");
    expect(JSON.stringify(fixture.cluster.list(KINDS.deployments, {}).items)).not.toContain("entente:2");
  });
});

describe("what belongs to others", () => {
  it("is left as it is where it is shared: resource definitions and the namespace", async () => {
    const fixture = new InstallFixture();
    const name = "peerauthentications.security.istio.io";
    const spec = { group: "security.istio.io", names: { plural: "peerauthentications" }, versions: [] };
    fixture.put(KINDS.customResourceDefinitions, { metadata: { name, labels: { release: "istio" } }, spec });
    fixture.put(KINDS.namespaces, { metadata: { name: "istio-system" } });
    const lines = await fixture.install();
    expect(lines).toContain(`CustomResourceDefinition ${name} left as it is: it belongs to someone else`);
    expect(lines).toContain("Namespace istio-system left as it is: it belongs to someone else");
    expect(fixture.cluster.get(KINDS.customResourceDefinitions, { name })["spec"]).toEqual(spec);
    expect(JSON.stringify(fixture.cluster.get(KINDS.namespaces, { name: "istio-system" }))).not.toContain("entente");
  });

  it.each([
    { name: "Istio's", labels: { app: "istiod", release: "istio" } },
    {
      name: "an installation's in another namespace",
      labels: { "app.kubernetes.io/managed-by": "entente", "app.kubernetes.io/instance": "other" },
    },
  ])("is never replaced: $name webhook configuration stops the installation before it begins", async ({ labels }) => {
    const fixture = new InstallFixture();
    fixture.put(KINDS.mutatingWebhooks, { metadata: { name: "istio-sidecar-injector", labels }, webhooks: [] });
    await expect(fixture.install()).rejects.toThrow(
      "MutatingWebhookConfiguration istio-sidecar-injector: already there, and of another installation",
    );
    expect(installedNames(fixture)).toEqual(["MutatingWebhookConfiguration istio-sidecar-injector"]);
  });

  it("is never deleted as outdated", async () => {
    const fixture = new InstallFixture();
    await fixture.install();
    fixture.put(KINDS.services, { metadata: { name: "mine", namespace: "istio-system", labels: { app: "istiod" } } });
    await fixture.install();
    expect(fixture.names(KINDS.services)).toContain("Service istio-system/mine");
  });
});

describe("an installation that cannot be made", () => {
  it("names each right that is missing, and changes nothing", async () => {
    const fixture = new InstallFixture({
      allows: ({ resource, namespace, verb }) =>
        verb === "get" || (resource !== "clusterroles" && namespace !== "istio-system"),
    });
    await expect(fixture.install()).rejects.toThrow(
      /you may not create clusterroles\.rbac\.authorization\.k8s\.io, patch .*create deployments\.apps in the namespace istio-system/,
    );
    expect(installedNames(fixture)).toEqual([]);
  });

  it("does not ask for the right to change what it leaves alone", async () => {
    const fixture = new InstallFixture({ allows: ({ resource, verb }) => verb === "get" || resource !== "namespaces" });
    await expect(fixture.install()).rejects.toThrow("you may not create namespaces, patch namespaces;");
    fixture.put(KINDS.namespaces, { metadata: { name: "istio-system" } });
    await expect(fixture.install()).resolves.toContain(
      "Namespace istio-system left as it is: it belongs to someone else",
    );
  });

  it("says which pod does not start and why, when the time is over", async () => {
    const status = {
      containerStatuses: [{ state: { waiting: { reason: "ImagePullBackOff", message: "not found" } } }],
    };
    const pods = [{ apiVersion: "v1", kind: "Pod", metadata: { name: "" }, status }];
    const fixture = new InstallFixture({ starts: false, pods });
    const reason = "0 of 2 pods available: pod istiod-1 waits (ImagePullBackOff: not found)";
    await expect(fixture.install([], { waitMs: 5000 })).rejects.toThrow(
      `Deployment istio-system/istiod did not become available in time: ${reason}`,
    );
    expect(fixture.lines).toContain(`waiting for Deployment istio-system/istiod: ${reason}`);
  });

  it("does not wait if that is not asked for", async () => {
    const fixture = new InstallFixture({ starts: false });
    expect((await fixture.install([], { waitMs: 0 })).join()).not.toContain("waiting");
  });
});
