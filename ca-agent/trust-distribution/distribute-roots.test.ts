import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { DistributionHarness } from "./distribution-fixture.ts";
import { ROOT_CONFIG_MAP } from "./root-config-map.ts";

let harness: DistributionHarness;
beforeEach(() => {
  harness = new DistributionHarness();
});
afterEach(() => harness.stop());

describe("the ConfigMap of the roots", () => {
  it("is in every namespace, labelled as Istio's", async () => {
    await harness.start();
    expect(harness.find("default")).toMatchObject({
      metadata: { labels: { "istio.io/config": "true" } },
      data: { "root-cert.pem": "old\n" },
    });
    expect(harness.rootsIn("kube-system")).toBe("old\n");
  });

  it.each(["kube-public", "kube-node-lease", "local-path-storage"])("is not in %s, as in Istio", async (name) => {
    harness.addNamespace(name);
    await harness.start();
    expect(harness.find(name)).toBeUndefined();
  });

  it("is in a new namespace at once", async () => {
    await harness.start();
    harness.addNamespace("ns1");
    await harness.clock.advance(300);
    expect(harness.rootsIn("ns1")).toBe("old\n");
  });

  it.each([
    { name: "edited", change: () => harness.write("default", { "root-cert.pem": "forged\n" }) },
    {
      name: "emptied",
      change: () =>
        harness.cluster.replace(KINDS.configMaps, {
          ...formatEmpty(),
          metadata: { name: ROOT_CONFIG_MAP, namespace: "default" },
        }),
    },
    { name: "deleted", change: () => harness.remove("default") },
  ])("is repaired within two seconds when it is $name", async ({ change }) => {
    await harness.start();
    change();
    await harness.clock.advance(2000);
    expect(harness.rootsIn("default")).toBe("old\n");
    expect(harness.find("default")?.metadata.labels).toEqual({ "istio.io/config": "true" });
  });

  it("keeps what others have added to it", async () => {
    await harness.start();
    harness.write("default", { other: "theirs" });
    await harness.clock.advance(5000);
    expect(harness.find("default")?.["data"]).toEqual({ "root-cert.pem": "old\n", other: "theirs" });
    expect(harness.applied).toHaveLength(2);
  });

  it("that Istio has written is taken over", async () => {
    harness.write("default", { "root-cert.pem": "istio\n" }, "pilot-discovery");
    await harness.start();
    expect(harness.rootsIn("default")).toBe("old\n");
  });

  it("that has the same roots already is left alone: several control planes write it once", async () => {
    await harness.start();
    const before = harness.applied.length;
    await harness.start();
    await harness.clock.advance(3_600_000);
    expect(harness.applied).toHaveLength(before);
  });

  it("has the new roots in all namespaces a second after they change", async () => {
    await harness.start();
    harness.change("old\n", "new\n");
    await harness.clock.advance(1000);
    expect(harness.rootsIn("default")).toBe("old\nnew\n");
    expect(harness.rootsIn("kube-system")).toBe("old\nnew\n");
  });

  it.each([
    { name: "has a time of deletion", more: { metadata: { name: "ns1", deletionTimestamp: "2030-01-01T00:00:00Z" } } },
    { name: "is terminating", more: { status: { phase: "Terminating" } } },
  ])("is not written to a namespace that $name", async ({ more }) => {
    harness.addNamespace("ns1", more);
    await harness.start();
    await harness.clock.advance(60_000);
    expect(harness.find("ns1")).toBeUndefined();
    expect(harness.log.find("could not be written")).toEqual([]);
  });
});

describe("the writes", () => {
  it("are at most 80 a second, however many namespaces there are", async () => {
    for (let index = 0; index < 400; index += 1) harness.addNamespace(`ns${index}`);
    await harness.start();
    await harness.clock.advance(30_000);
    expect(harness.rootsIn("ns399")).toBe("old\n");
    expect(harness.applied).toHaveLength(402);
    const perSecond = new Map<number, number>();
    for (const atMs of harness.applied)
      perSecond.set(Math.floor(atMs / 1000), 1 + (perSecond.get(Math.floor(atMs / 1000)) ?? 0));
    expect(Math.max(...perSecond.values())).toBeLessThanOrEqual(88);
  });

  it("are tried again while the API refuses them, ever more rarely, and the log says why", async () => {
    harness.beforeCall = ({ verb }) => {
      if (verb === "apply")
        throw new KubernetesApiError("api_refused", "403 Forbidden", { status: 403, reason: "Forbidden" });
    };
    await harness.start();
    await harness.clock.advance(3_600_000);
    expect(harness.applied.length).toBeLessThan(60);
    expect(harness.log.find("403 Forbidden")[0]?.message).toContain("istio-ca-root-cert; it is tried again");
    harness.beforeCall = () => undefined;
    await harness.clock.advance(300_000);
    expect(harness.rootsIn("default")).toBe("old\n");
  });

  it("end quietly in a namespace that is deleted meanwhile", async () => {
    await harness.start();
    harness.beforeCall = ({ verb }) => {
      if (verb === "apply") harness.cluster.delete(KINDS.namespaces, { name: "ns1" });
    };
    harness.addNamespace("ns1");
    await harness.clock.advance(60_000);
    expect(harness.log.find("could not be written")).toEqual([]);
  });

  it("become rare when another program writes other roots again and again, which the log names", async () => {
    await harness.start();
    const before = harness.applied.length;
    for (let minute = 0; minute < 60; minute += 1) {
      if (harness.rootsIn("default") === "old\n")
        harness.write("default", { "root-cert.pem": "theirs\n" }, "other-mesh");
      await harness.clock.advance(60_000);
    }
    expect(harness.applied.length - before).toBeLessThan(25);
    const [line] = harness.log.find("root_quarrel");
    expect(line?.message).toContain("give both meshes one cacerts");
    expect(line?.fields["writers"]).toContain("other-mesh");
  });

  it("belong to the mesh's namespace, also those of before, so that its deletion removes them everywhere", async () => {
    await harness.start();
    const before = harness.find("default")?.metadata.ownerReferences;
    harness.addNamespace("mesh");
    harness.addNamespace("ns1");
    await harness.clock.advance(1000);
    harness.write("default", { "root-cert.pem": "old\n" }, "someone");
    harness.change("new\n");
    await harness.clock.advance(5000);
    const { uid } = harness.cluster.get(KINDS.namespaces, { name: "mesh" }).metadata;
    const owner = [{ apiVersion: "v1", kind: "Namespace", name: "mesh", uid }];
    expect(before).toBeUndefined();
    expect(harness.find("ns1")?.metadata.ownerReferences).toEqual(owner);
    expect(harness.find("default")?.metadata.ownerReferences).toEqual(owner);
  });

  it("stop with the control plane", async () => {
    await harness.start();
    harness.stop();
    harness.addNamespace("ns1");
    await harness.clock.advance(60_000);
    expect(harness.find("ns1")).toBeUndefined();
    expect([harness.listeners, harness.clock.pendingTimers]).toEqual([0, 0]);
  });
});

function formatEmpty() {
  return { apiVersion: "v1", kind: "ConfigMap" };
}
