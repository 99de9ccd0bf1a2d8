import { afterEach, describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { definitionOf, kindOf } from "./mesh-cluster-fixture.ts";
import { away, modeOf, policyOf, withWorkload } from "./source-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("a kind", () => {
  it("whose CRD is absent is waited for, and followed once it is there", async () => {
    const harness = withWorkload(cleanup, { kinds: ["DestinationRule"] });
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

  it("that a starting server does not list yet is not treated as absent", async () => {
    const harness = withWorkload(cleanup);
    harness.cluster.put(policyOf("STRICT"));
    let isStarting = true;
    const discover = harness.api.discover.bind(harness.api);
    Object.assign(harness.api, { discover: async (group: string) => (isStarting ? [] : await discover(group)) });
    harness.beforeCall = ({ resource }) => {
      if (isStarting && resource === "peerauthentications") {
        throw new KubernetesApiError("api_refused", "starting", { status: 503, reason: "ServiceUnavailable" });
      }
    };
    let isStarted = false;
    const starting = harness.begin();
    void starting.then(() => {
      isStarted = true;
    });
    await harness.clock.advance(60_000);
    expect(isStarted).toBe(false);
    isStarting = false;
    await harness.clock.advance(60_000);
    expect(modeOf((await starting).current())).toBe("STRICT");
  });

  it("that is withdrawn takes its objects along, and may come again", async () => {
    const harness = withWorkload(cleanup);
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
    const harness = withWorkload(cleanup);
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
    const harness = withWorkload(cleanup, { kinds: [] });
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

  it("loses what was deleted while its version changed", async () => {
    const harness = withWorkload(cleanup, { kinds: [] });
    harness.cluster.create(KINDS.customResourceDefinitions, definitionOf("PeerAuthentication", ["v1beta1"]));
    const old = { ...policyOf("STRICT"), apiVersion: "security.istio.io/v1beta1" };
    harness.cluster.put(old);
    const source = await harness.start();
    harness.beforeCall = ({ verb, resource }) => {
      if (verb !== "discover" && resource === "peerauthentications") away();
    };
    for (const watch of harness.api.watches) watch.cut();
    await harness.settle();
    harness.cluster.remove(old);
    harness.cluster.replace(KINDS.customResourceDefinitions, definitionOf("PeerAuthentication", ["v1"]));
    await harness.clock.advance(60_000);
    expect(modeOf(source.current())).toBe("STRICT");
    harness.beforeCall = () => undefined;
    await harness.clock.advance(60_000);
    expect(modeOf(source.current())).toBe("PERMISSIVE");
  });

  it("whose new version is listed and then refused keeps its objects for half a minute", async () => {
    const harness = withWorkload(cleanup, { kinds: [] });
    harness.cluster.create(KINDS.customResourceDefinitions, definitionOf("PeerAuthentication", ["v1beta1"]));
    harness.cluster.put({ ...policyOf("STRICT"), apiVersion: "security.istio.io/v1beta1" });
    const source = await harness.start();
    const kind = {
      ...kindOf(harness.cluster, { ...policyOf("x"), apiVersion: "security.istio.io/v1beta1" }),
      version: "v1",
    };
    let answers = 0;
    Object.assign(harness.api, {
      discover: async () => {
        answers += 1;
        return answers === 1 ? [{ ...kind, verbs: [], shortNames: [], isPreferredVersion: true }] : [];
      },
    });
    harness.beforeCall = ({ verb, resource }) => {
      if (verb !== "discover" && resource === "peerauthentications") {
        throw new KubernetesApiError("api_refused", "not found", { status: 404, reason: "NotFound" });
      }
    };
    for (const watch of harness.api.watches) watch.cut();
    await harness.clock.advance(24_000);
    expect(answers).toBeGreaterThan(1);
    expect(modeOf(source.current())).toBe("STRICT");
    await harness.clock.advance(120_000);
    expect(modeOf(source.current())).toBe("PERMISSIVE");
  });

  it("in unknown versions alone makes each of its policies STRICT, and names the versions", async () => {
    const harness = withWorkload(cleanup, { kinds: [] });
    harness.cluster.create(KINDS.customResourceDefinitions, definitionOf("PeerAuthentication", ["v9"]));
    const source = await harness.start();
    expect(modeOf(source.current())).toBe("PERMISSIVE");
    harness.cluster.put({ ...policyOf("PERMISSIVE"), apiVersion: "security.istio.io/v9" });
    await harness.settle();
    expect(modeOf(source.current())).toBe("STRICT");
    expect(source.problems()[0]?.message).toContain("has the versions security.istio.io/v1, security.istio.io/v1beta1");
  });
});
