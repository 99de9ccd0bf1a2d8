import { describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import { InstallFixture } from "./cluster-fixture.ts";
import { INSTALLED_KINDS } from "./installed-kinds.ts";
import { createRemovalReport } from "./removal-report.ts";

const STATE_KINDS = [...INSTALLED_KINDS, KINDS.secrets, KINDS.leases];

/** An installation that has run: with what its parts write into the cluster. */
async function installed(expressions: readonly string[] = []): Promise<InstallFixture> {
  const fixture = new InstallFixture();
  await fixture.install(expressions);
  for (const name of ["istio-ca-secret", "istio-sidecar-injector-tls"]) {
    fixture.put(KINDS.secrets, { metadata: { name, namespace: "istio-system" }, data: {} });
  }
  for (const namespace of ["default", "kube-system", "istio-system"]) {
    fixture.put(KINDS.configMaps, { metadata: { name: "istio-ca-root-cert", namespace }, data: {} });
  }
  fixture.put(KINDS.configMaps, { metadata: { name: "entente-ca", namespace: "istio-system" }, data: {} });
  fixture.put(KINDS.configMaps, { metadata: { name: "mine", namespace: "default" }, data: {} });
  fixture.put(KINDS.leases, { metadata: { name: "entente-root-rotation", namespace: "istio-system" } });
  const labels = { "entente.io/replica": "control-plane" };
  fixture.put(KINDS.leases, { metadata: { name: "entente-istiod-istiod-1", namespace: "istio-system", labels } });
  return fixture;
}

function untouched({ firstNamespaces }: InstallFixture): readonly string[] {
  return ["ConfigMap default/mine", ...firstNamespaces];
}

describe("removing an installation", () => {
  it("keeps the authority's key and the resource definitions, and says so", async () => {
    const fixture = await installed();
    const lines = await fixture.uninstall();
    const left = fixture.names(...STATE_KINDS).filter((name) => !name.startsWith("CustomResourceDefinition"));
    expect(left.toSorted()).toEqual(
      [
        ...untouched(fixture),
        ...["ConfigMap istio-system/entente-ca", "Namespace istio-system", "Secret istio-system/istio-ca-secret"],
      ].toSorted(),
    );
    expect(fixture.names(KINDS.customResourceDefinitions)).toHaveLength(8);
    expect(lines).toContain("Secret istio-system/istio-ca-secret kept: the authority's key");
    expect(lines).toContain("ConfigMap istio-system/entente-ca kept: what is revoked");
    expect(lines).toContain("8 of CustomResourceDefinition kept: the mesh's policies and routes are in them");
    expect(lines).toContain("Namespace istio-system kept: what is kept, and what others created, is in it");
    expect(lines).toContain("entente uninstall --purge removes these too, but nothing that an operator created");
  });

  it("leaves nothing at all with a purge", async () => {
    const fixture = await installed();
    await fixture.uninstall({ mode: "purge" });
    expect(fixture.names(...STATE_KINDS).toSorted()).toEqual(untouched(fixture).toSorted());
  });

  it("removes the webhooks first, so that no pod is refused meanwhile", async () => {
    const fixture = await installed();
    const [first, second] = await fixture.uninstall();
    expect([first, second]).toEqual([
      "MutatingWebhookConfiguration istio-sidecar-injector deleted",
      "ValidatingWebhookConfiguration istio-validator-istio-system deleted",
    ]);
  });

  it("twice is no error, and says that nothing is installed", async () => {
    const fixture = await installed();
    await fixture.uninstall({ mode: "purge" });
    const nothing = "nothing of revision default is installed in namespace istio-system";
    expect(await fixture.uninstall({ mode: "purge" })).toEqual([nothing]);
  });

  it("of one revision leaves the other one what it needs", async () => {
    const fixture = await installed();
    await fixture.install(["revision=canary"]);
    const lines = await fixture.uninstall({ revision: "canary", mode: "purge" });
    const names = fixture.names(...STATE_KINDS);
    expect(names.filter((name) => name.includes("canary"))).toEqual([]);
    expect(names).toEqual(
      expect.arrayContaining(["Deployment istio-system/istiod", "ConfigMap default/istio-ca-root-cert"]),
    );
    expect(names).toContain("Secret istio-system/istio-ca-secret");
    expect(names).toContain("Lease istio-system/entente-root-rotation");
    expect(fixture.names(KINDS.customResourceDefinitions)).toHaveLength(8);
    expect(lines).toContain(
      "ConfigMap istio-ca-root-cert kept in 3 namespaces: they are left to Deployment istio-system/istiod",
    );
    expect(lines).toContain(
      "Secret istio-system/istio-ca-secret kept: the authority's key, and left to Deployment istio-system/istiod",
    );
  });

  it("never removes an operator's own authority, nor the namespace that holds it", async () => {
    const fixture = await installed();
    fixture.put(KINDS.secrets, { metadata: { name: "cacerts", namespace: "istio-system" }, data: {} });
    const lines = await fixture.uninstall({ mode: "purge" });
    expect(fixture.names(KINDS.secrets)).toEqual(["Secret istio-system/cacerts"]);
    expect(lines).toContain("Namespace istio-system kept: it still has the Secret cacerts");
  });

  it("leaves Istio's resource definitions and a namespace of others", async () => {
    const fixture = new InstallFixture();
    const name = "gateways.networking.istio.io";
    const spec = { group: "networking.istio.io", names: { plural: "gateways" }, versions: [] };
    fixture.put(KINDS.customResourceDefinitions, { metadata: { name, labels: { release: "istio" } }, spec });
    fixture.put(KINDS.namespaces, { metadata: { name: "istio-system" } });
    await fixture.install();
    await fixture.uninstall({ mode: "purge" });
    expect(fixture.names(KINDS.customResourceDefinitions)).toEqual([`CustomResourceDefinition ${name}`]);
    expect(fixture.names(KINDS.namespaces)).toContain("Namespace istio-system");
  });

  describe.each(["keep", "purge"] as const)("in a dry run (%s)", (mode) => {
    async function inUse(): Promise<InstallFixture> {
      const fixture = await installed();
      const { items } = fixture.cluster.list(KINDS.deployments, {});
      for (const { metadata } of items) {
        const { name, namespace = "", labels = {} } = metadata;
        fixture.put(KINDS.pods, { metadata: { name: `${name}-1`, namespace, labels } });
      }
      return fixture;
    }

    it("deletes nothing, and waits for nothing", async () => {
      const fixture = await inUse();
      const before = fixture.names(...STATE_KINDS, KINDS.pods);
      const startMs = fixture.clock.monotonicMs();
      const lines = await fixture.uninstall({ mode, effect: "dry-run" });
      expect(fixture.names(...STATE_KINDS, KINDS.pods)).toEqual(before);
      expect(fixture.clock.monotonicMs()).toBe(startMs);
      expect(lines).toContain("Deployment istio-system/istiod deleted (dry run)");
      expect(lines).toContain("ConfigMap istio-ca-root-cert deleted (dry run) in 3 namespaces");
    });

    it("reports what the removal then deletes and keeps", async () => {
      const fixture = await inUse();
      const planned = createRemovalReport(await fixture.removalSteps({ mode, effect: "dry-run" }), "dry-run");
      for (const { metadata } of fixture.cluster.list(KINDS.pods, {}).items) {
        fixture.cluster.delete(KINDS.pods, metadata);
      }
      const done = createRemovalReport(await fixture.removalSteps({ mode }), "remove");
      expect([planned.deleted, planned.kept]).toEqual([done.deleted, done.kept]);
      expect([planned.dryRun, done.dryRun]).toEqual([true, false]);
      expect(done.kept.map(({ kind }) => kind)).toEqual(
        mode === "purge" ? [] : ["Secret", "ConfigMap", ...Array(8).fill("CustomResourceDefinition"), "Namespace"],
      );
    });

    it("says what the user's pods and Secrets keep", async () => {
      const fixture = await inUse();
      fixture.put(KINDS.pods, { metadata: { name: "mine", namespace: "istio-system" } });
      fixture.put(KINDS.secrets, { metadata: { name: "cacerts", namespace: "istio-system" }, data: {} });
      const lines = await fixture.uninstall({ mode, effect: "dry-run" });
      expect(lines).toContain("Secret istio-system/cacerts kept: an operator created it");
      const reason =
        mode === "purge" ? "it still has the Secret cacerts" : "what is kept, and what others created, is in it";
      expect(lines).toContain(`Namespace istio-system kept: ${reason}`);
    });
  });

  it("waits for the control plane's end before it removes what that would write again", async () => {
    const fixture = await installed();
    const labels = {
      "app.kubernetes.io/managed-by": "entente",
      "app.kubernetes.io/part-of": "entente",
      "app.kubernetes.io/instance": "istio-system",
      "istio.io/rev": "default",
    };
    fixture.put(KINDS.pods, { metadata: { name: "istiod-1", namespace: "istio-system", labels } });
    const lines = await fixture.uninstall({ waitMs: 3000 });
    expect(lines).toContain("waiting for 1 pod to end");
    expect(lines).toContain("1 pod has not ended; run uninstall again later, to remove what is left");
  });

  it("says which control plane there is where none of its own is installed", async () => {
    const fixture = new InstallFixture();
    await fixture.install(["revision=canary"]);
    for (const effect of ["dry-run", "remove"] as const) {
      const [line] = await fixture.uninstall({ effect });
      expect(line).toMatch(/^nothing of revision default is .*; there is Deployment istio-system\/istiod-canary$/);
    }
    expect((await fixture.uninstall({ revision: "canary" })).join()).not.toContain("nothing of");
  });

  it("says how many pods still have a sidecar", async () => {
    const fixture = await installed();
    const labels = { "security.istio.io/tlsMode": "istio" };
    for (const name of ["a", "b"]) fixture.put(KINDS.pods, { metadata: { name, namespace: "default", labels } });
    expect(await fixture.uninstall()).toContain(
      "2 pods still have a sidecar, whose certificate is no longer renewed: restart them",
    );
  });
});
