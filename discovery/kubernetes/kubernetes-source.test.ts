import { afterEach, describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { away, modeOf, podOf, policyOf, withWorkload } from "./source-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("objects", () => {
  it("that are garbage concern no other one", async () => {
    const harness = withWorkload(cleanup);
    harness.cluster.put(policyOf("STRICT"), { ...policyOf("x", "istio-system"), spec: "garbage" });
    const source = await harness.start();
    expect(modeOf(source.current())).toBe("STRICT");
    harness.cluster.put({ ...podOf("odd"), spec: { containers: { not: "a list" } } });
    await harness.settle();
    expect([...source.current().pods.keys()]).toEqual(["ns1/web-1"]);
    expect(source.problems().map(({ resource }) => resource)).toEqual([
      "PeerAuthentication/default.istio-system",
      "Pod/odd.ns1",
    ]);
  });

  it("of 1.5 MB are read if the mesh uses little of them, and refused by name otherwise", async () => {
    const harness = withWorkload(cleanup);
    const large = "x".repeat(1_500_000);
    const values = Object.fromEntries(Array.from({ length: 120_000 }, (_, index) => [`field-${index}`, index]));
    harness.cluster.put({ ...podOf("large"), metadata: { ...podOf("large").metadata, annotations: { large } } });
    const policy = { ...policyOf("STRICT"), spec: { mtls: { mode: "PERMISSIVE" }, values } };
    harness.cluster.history.put("security.istio.io/peerauthentications", "ns1/default", policy);
    const source = await harness.start();
    expect(source.current().pods.get("ns1/large")?.metadata.annotations).toEqual({});
    expect(modeOf(source.current())).toBe("STRICT");
    expect(source.problems()[0]?.message).toContain("more than 100000 values");
  });

  it("created 500 at once arrive in few changes", async () => {
    const harness = withWorkload(cleanup);
    const source = await harness.start();
    for (let index = 0; index < 500; index += 1) {
      harness.cluster.put(
        podOf(`many-${index}`, { status: { podIP: `10.1.${index >> 8}.${index & 255}`, podIPs: [] } }),
      );
    }
    await harness.settle();
    expect(source.current().pods.size).toBe(501);
    expect(harness.changes.length).toBeLessThan(5);
    expect(source.current().index.podByIp.get("10.1.1.243")?.metadata.name).toBe("many-499");
  });

  it("of a namespace that is deleted stay as long as their pods drain", async () => {
    const harness = withWorkload(cleanup);
    harness.cluster.put(policyOf("STRICT"));
    const source = await harness.start();
    const leaving = {
      ...podOf("web-1"),
      metadata: { ...podOf("web-1").metadata, deletionTimestamp: "2030-01-01T00:00:00Z" },
    };
    harness.cluster.history.put("/pods", "ns1/web-1", { ...leaving, kind: "Pod" });
    await harness.settle();
    expect(source.current().pods.get("ns1/web-1")?.metadata.deletionTimestamp).toBeDefined();
    expect(modeOf(source.current())).toBe("STRICT");
    harness.cluster.delete(KINDS.namespaces, { name: "ns1" });
    await harness.settle();
    const { pods, namespaces, peerAuthentications } = source.current();
    expect([pods.size, namespaces.has("ns1"), peerAuthentications.size]).toEqual([0, false, 0]);
  });

  it.each(["Succeeded", "Failed"])("are no workloads once they are pods that have %s", async (phase) => {
    const harness = withWorkload(cleanup);
    const source = await harness.start();
    harness.cluster.put(podOf("web-1", { status: { phase } }));
    await harness.settle();
    expect(source.current().pods.size).toBe(0);
    expect(source.current().index.podByIp.size).toBe(0);
  });

  it("that change in what nobody reads cause no change", async () => {
    const harness = withWorkload(cleanup);
    const source = await harness.start();
    const before = source.current();
    const conditions = [
      { type: "Ready", status: "True", lastProbeTime: "2030-01-01T00:00:00Z" },
      { type: "ContainersReady", status: "True" },
    ];
    harness.cluster.put(
      podOf("web-1", { status: { conditions, containerStatuses: [{ name: "app", restartCount: 3 }] } }),
    );
    await harness.settle();
    expect(source.current()).toBe(before);
    expect(harness.changes).toEqual([]);
  });

  it("of kinds that no decision reads are not asked for", async () => {
    const harness = withWorkload(cleanup);
    const asked = new Set<string>();
    harness.beforeCall = ({ resource }) => void asked.add(resource);
    await harness.start();
    expect(asked).toContain("pods");
    expect(
      [...asked].filter((resource) => ["nodes", "serviceaccounts", "secrets", "configmaps"].includes(resource)),
    ).toEqual([]);
  });

  it("created again under the same name are other ones: the old version does not stay in force", async () => {
    const harness = withWorkload(cleanup);
    harness.cluster.put(policyOf("PERMISSIVE"));
    const source = await harness.start();
    harness.cluster.remove(policyOf("PERMISSIVE"));
    harness.cluster.put(policyOf("STRIKT"));
    await harness.settle();
    expect(modeOf(source.current())).toBe("STRICT");
  });
});

describe("a source of some kinds", () => {
  it("asks for no others", async () => {
    const harness = withWorkload(cleanup);
    const asked = new Set<string>();
    harness.beforeCall = ({ verb, resource }) => void asked.add(`${verb} ${resource}`);
    const source = await harness.start({ kinds: ["Namespace", "PeerAuthentication"] });
    expect(source.current().namespaces.has("ns1")).toBe(true);
    expect([...asked].sort()).toEqual([
      "discover security.istio.io",
      "list namespaces",
      "list peerauthentications",
      "watch namespaces",
      "watch peerauthentications",
    ]);
  });

  it("rejects if it is stopped before it has started, and reports nothing later", async () => {
    const harness = withWorkload(cleanup);
    harness.beforeCall = away;
    const starting = harness.begin();
    const rejected = expect(starting).rejects.toThrow();
    await cleanup.run();
    await rejected;
    await harness.clock.advance(60_000);
    expect(harness.clock.pendingTimers).toBe(0);
  });
});
