import { afterEach, describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { decideServerMode } from "../../mesh/policy/authentication/server-mode.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";
import { findTestPod, TEST_SETTINGS } from "../../mesh/resources/resource-set-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { formatSourceStatus } from "../config-source.ts";
import { definitionOf } from "./mesh-cluster-fixture.ts";
import { podOf, policyOf, SourceHarness } from "./source-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const away = (): never => {
  throw new KubernetesApiError("api_unreachable", "connection refused");
};

function modeOf(set: ResourceSet, pod = "ns1/web-1"): string {
  return decideServerMode({ set, settings: TEST_SETTINGS, pod: findTestPod(set, pod) }).mode;
}

function withWorkload(options: { readonly kinds?: readonly string[] } = {}): SourceHarness {
  const harness = new SourceHarness(cleanup, options);
  harness.cluster.put(podOf("web-1"));
  return harness;
}

describe("an API server that is away", () => {
  it("at the start is waited for, with a line that says why now and then", async () => {
    const harness = withWorkload();
    harness.cluster.put(policyOf("STRICT"));
    harness.beforeCall = away;
    let isStarted = false;
    const starting = harness.begin();
    void starting.then(() => {
      isStarted = true;
    });
    await harness.clock.advance(300_000);
    expect(isStarted).toBe(false);
    expect(harness.statuses.at(-1)).toMatchObject({ kind: "starting", isFailing: true });
    const lines = harness.log.find("has not been read yet");
    expect(lines[0]?.message).toMatch(/connection refused.*trying again/);
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.length).toBeLessThanOrEqual(11);
    harness.beforeCall = () => undefined;
    await harness.clock.advance(30_000);
    const source = await starting;
    expect(modeOf(source.current())).toBe("STRICT");
    expect(source.status()).toEqual({ kind: "current" });
  });

  it("for an hour leaves the last state in force; the status says since when and why", async () => {
    const harness = withWorkload();
    harness.cluster.put(policyOf("STRICT"));
    const source = await harness.start();
    const before = source.current();
    await harness.clock.advance(60_000);
    harness.beforeCall = away;
    for (const watch of harness.api.watches) watch.cut();
    await harness.clock.advance(3_600_000);
    expect(source.current()).toBe(before);
    expect(formatSourceStatus(source.status())).toMatch(
      /^serving the last state of 00:0[01]:\d\d UTC: .*connection refused/,
    );
    expect(harness.log.find("serving the last state of")).toHaveLength(1);
    harness.cluster.put(policyOf("PERMISSIVE"));
    harness.beforeCall = () => undefined;
    await harness.clock.advance(60_000);
    expect(modeOf(source.current())).toBe("PERMISSIVE");
    expect(source.status()).toEqual({ kind: "current" });
    expect(harness.log.find("the Kubernetes API is back")).toHaveLength(1);
  });

  it("is restored from an older backup: the source is then in that state", async () => {
    const harness = withWorkload();
    harness.cluster.put(policyOf("STRICT"));
    const backup = harness.cluster.history.backup();
    harness.cluster.put(policyOf("PERMISSIVE"), podOf("lost", { status: { podIP: "10.0.0.9", podIPs: [] } }));
    const source = await harness.start();
    expect(modeOf(source.current())).toBe("PERMISSIVE");
    harness.beforeCall = away;
    for (const watch of harness.api.watches) watch.cut();
    await harness.clock.advance(10_000);
    harness.cluster.history.restore(backup);
    harness.beforeCall = () => undefined;
    await harness.clock.advance(60_000);
    expect(modeOf(source.current())).toBe("STRICT");
    expect([...source.current().pods.keys()]).toEqual(["ns1/web-1"]);
  });

  it.each([
    { name: "limits its load", error: { status: 429, reason: "TooManyRequests", retryAfterMs: 1000 } },
    { name: "fails", error: { status: 500, reason: "InternalError" } },
  ])("that $name is asked again, and nothing is lost", async ({ error }) => {
    const harness = withWorkload();
    const source = await harness.start();
    harness.beforeCall = ({ verb }) => {
      if (verb !== "discover") throw new KubernetesApiError("api_refused", "no", error);
    };
    for (const watch of harness.api.watches) watch.cut();
    await harness.settle();
    harness.cluster.put(policyOf("STRICT"));
    await harness.clock.advance(120_000);
    expect(modeOf(source.current())).toBe("PERMISSIVE");
    harness.beforeCall = () => undefined;
    await harness.clock.advance(60_000);
    expect(modeOf(source.current())).toBe("STRICT");
  });
});

describe("rights", () => {
  it("that are missing are named, and nothing is served without the policies", async () => {
    const harness = withWorkload();
    harness.beforeCall = ({ verb, resource }) => {
      if (verb !== "discover" && resource === "peerauthentications") {
        throw new KubernetesApiError("api_refused", "forbidden", { status: 403, reason: "Forbidden" });
      }
    };
    let isStarted = false;
    const starting = harness.begin();
    starting.then(
      () => {
        isStarted = true;
      },
      () => undefined,
    );
    await harness.clock.advance(120_000);
    expect(isStarted).toBe(false);
    expect(harness.statuses.at(-1)).toEqual({
      kind: "starting",
      isFailing: true,
      reasons: [
        "PeerAuthentication: the right to list peerauthentications.security.istio.io at the cluster scope is missing",
      ],
    });
  });
});

describe("a kind", () => {
  it("whose CRD is absent is waited for, and followed once it is there", async () => {
    const harness = withWorkload({ kinds: ["DestinationRule"] });
    const source = await harness.start();
    expect(modeOf(source.current())).toBe("PERMISSIVE");
    expect(source.status()).toEqual({ kind: "current" });
    harness.cluster.create(KINDS.customResourceDefinitions, definitionOf("PeerAuthentication"));
    harness.cluster.put(policyOf("STRICT"));
    await harness.clock.advance(40_000);
    expect(modeOf(source.current())).toBe("STRICT");
    harness.cluster.put(policyOf("PERMISSIVE"));
    await harness.settle();
    expect(modeOf(source.current())).toBe("PERMISSIVE");
  });

  it("that is withdrawn takes its objects along, and may come again", async () => {
    const harness = withWorkload();
    harness.cluster.put(policyOf("STRICT"));
    const source = await harness.start();
    harness.cluster.delete(KINDS.customResourceDefinitions, { name: "peerauthentications.security.istio.io" });
    await harness.clock.advance(120_000);
    expect(modeOf(source.current())).toBe("PERMISSIVE");
    harness.cluster.create(KINDS.customResourceDefinitions, definitionOf("PeerAuthentication", ["v1beta1"]));
    harness.cluster.put({ ...policyOf("STRICT"), apiVersion: "security.istio.io/v1beta1" });
    await harness.clock.advance(60_000);
    expect(modeOf(source.current())).toBe("STRICT");
  });

  it("that the server denies for a moment stays in force", async () => {
    const harness = withWorkload();
    harness.cluster.put(policyOf("STRICT"));
    const source = await harness.start();
    let isDenied = true;
    const discover = harness.api.discover.bind(harness.api);
    Object.assign(harness.api, {
      discover: async (group: string) =>
        (await discover(group)).filter(({ kind }) => !isDenied || kind !== "PeerAuthentication"),
    });
    harness.beforeCall = ({ verb, resource }) => {
      if (isDenied && verb !== "discover" && resource === "peerauthentications") {
        throw new KubernetesApiError("api_refused", "not found", { status: 404, reason: "NotFound" });
      }
    };
    for (const watch of harness.api.watches) watch.cut();
    await harness.clock.advance(25_000);
    expect(modeOf(source.current())).toBe("STRICT");
    isDenied = false;
    await harness.clock.advance(60_000);
    expect(modeOf(source.current())).toBe("STRICT");
    expect(harness.changes).toEqual([]);
  });

  it("is read in the best version that is served, and keeps its objects when that changes", async () => {
    const harness = withWorkload({ kinds: [] });
    const crd = definitionOf("PeerAuthentication", ["v1beta1"]);
    harness.cluster.create(KINDS.customResourceDefinitions, crd);
    harness.cluster.put({ ...policyOf("STRICT"), apiVersion: "security.istio.io/v1beta1" });
    const source = await harness.start();
    expect(source.current().peerAuthentications.get("ns1/default")?.apiVersion).toBe("security.istio.io/v1beta1");
    const modes = new Set<string>();
    source.subscribe((set) => modes.add(modeOf(set)));
    harness.cluster.replace(KINDS.customResourceDefinitions, definitionOf("PeerAuthentication", ["v1beta1", "v1"]));
    await harness.clock.advance(60_000);
    expect(source.current().peerAuthentications.get("ns1/default")?.apiVersion).toBe("security.istio.io/v1");
    harness.cluster.replace(KINDS.customResourceDefinitions, crd);
    for (const watch of harness.api.watches) watch.cut();
    await harness.clock.advance(120_000);
    expect(source.current().peerAuthentications.get("ns1/default")?.apiVersion).toBe("security.istio.io/v1beta1");
    expect([...modes]).toEqual(["STRICT"]);
    harness.cluster.remove({ ...policyOf("STRICT"), apiVersion: "security.istio.io/v1beta1" });
    await harness.settle();
    expect(modeOf(source.current())).toBe("PERMISSIVE");
  });

  it("in unknown versions alone makes each of its policies STRICT, and names the versions", async () => {
    const harness = withWorkload({ kinds: [] });
    harness.cluster.create(KINDS.customResourceDefinitions, definitionOf("PeerAuthentication", ["v9"]));
    const source = await harness.start();
    expect(modeOf(source.current())).toBe("PERMISSIVE");
    harness.cluster.put({ ...policyOf("PERMISSIVE"), apiVersion: "security.istio.io/v9" });
    await harness.settle();
    expect(modeOf(source.current())).toBe("STRICT");
    expect(source.problems()[0]?.message).toContain("has the versions security.istio.io/v1, security.istio.io/v1beta1");
  });
});

describe("objects", () => {
  it("that are garbage concern no other one", async () => {
    const harness = withWorkload();
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
    const harness = withWorkload();
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
    const harness = withWorkload();
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
    const harness = withWorkload();
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
    const harness = withWorkload();
    const source = await harness.start();
    harness.cluster.put(podOf("web-1", { status: { phase } }));
    await harness.settle();
    expect(source.current().pods.size).toBe(0);
    expect(source.current().index.podByIp.size).toBe(0);
  });

  it("that change in what nobody reads cause no change", async () => {
    const harness = withWorkload();
    harness.cluster.put({ apiVersion: "v1", kind: "Node", metadata: { name: "node1" } });
    const source = await harness.start();
    const before = source.current();
    const conditions = [
      { type: "Ready", status: "True", lastProbeTime: "2030-01-01T00:00:00Z" },
      { type: "ContainersReady", status: "True" },
    ];
    harness.cluster.put(
      podOf("web-1", { status: { conditions, containerStatuses: [{ name: "app", restartCount: 3 }] } }),
    );
    harness.cluster.put({ apiVersion: "v1", kind: "Node", metadata: { name: "node1" }, status: { images: [] } });
    await harness.settle();
    expect(source.current()).toBe(before);
    expect(harness.changes).toEqual([]);
  });

  it("created again under the same name are other ones: the old version does not stay in force", async () => {
    const harness = withWorkload();
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
    const harness = withWorkload();
    const asked = new Set<string>();
    harness.beforeCall = ({ verb, resource }) => asked.add(`${verb} ${resource}`);
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
    const harness = withWorkload();
    harness.beforeCall = away;
    const starting = harness.begin();
    const rejected = expect(starting).rejects.toThrow();
    await cleanup.run();
    await rejected;
    await harness.clock.advance(60_000);
    expect(harness.clock.pendingTimers).toBe(0);
  });
});
