import { describe, expect, it } from "vitest";
import { testPod } from "../../mesh/resources/resource-set-fixture.ts";
import type { ClusterHarness } from "../installed-cluster-fixture.ts";
import type { CheckGroup, CheckOutcome } from "./check.ts";
import { evaluateChecks } from "./evaluate-checks.ts";
import { checkedCluster, createHealthyCluster, meshedPod, type ServedByPods } from "./healthy-cluster-fixture.ts";
import { readClusterFacts } from "./read-cluster-facts.ts";
import { UNHEALTHY_CASES } from "./unhealthy-cases-fixture.ts";
import { UNHEALTHY_DATA_PLANES, waiting } from "./unhealthy-data-plane-fixture.ts";

const { signal } = new AbortController();

async function check(harness: ClusterHarness, served: ServedByPods = {}): Promise<readonly CheckGroup[]> {
  return evaluateChecks(await readClusterFacts(checkedCluster(harness, served), "health", signal), "health");
}

function outcomeOf(groups: readonly CheckGroup[], title: string): CheckOutcome | undefined {
  return groups.flatMap(({ checks }) => checks).find((one) => one.title.includes(title))?.outcome;
}

const outcomes = (groups: readonly CheckGroup[]) =>
  groups.flatMap(({ checks }) => checks.map(({ title, outcome }) => `${outcome.kind}: ${title}`));

describe("a healthy mesh", () => {
  it("passes every check but the dry run, which an API server without webhooks does not patch", async () => {
    const groups = await check(createHealthyCluster());
    const others = outcomes(groups).filter((text) => !text.startsWith("ok: "));
    expect(others).toEqual(["failed: a new pod gets a sidecar (dry run)"]);
  });

  it.each([...UNHEALTHY_CASES, ...UNHEALTHY_DATA_PLANES])(
    "is not, with $name",
    async ({ change, served, title, kind, text }) => {
      const harness = createHealthyCluster();
      change?.(harness);
      const outcome = outcomeOf(await check(harness, served), title);
      expect(outcome?.kind).toBe(kind);
      expect(JSON.stringify(outcome)).toContain(text);
    },
  );

  it("is of one version if its programs report it, whatever the tags of their images are", async () => {
    const harness = createHealthyCluster().putTexts(meshedPod("web", {}, "registry.example/mirror@sha256:0a1b"));
    const outcome = outcomeOf(await check(harness), "control plane's version");
    expect(outcome).toEqual({ kind: "ok", message: "0.1.0; 1 of 1 proxies report it themselves" });
  });

  it("leaves out the pods that have Istio's own proxy, whose state Istio's control plane knows", async () => {
    const proxy = { name: "istio-proxy", image: "proxyv2:1.31", args: ["proxy", "sidecar", "--domain", "ns1.svc"] };
    const status = waiting("istio-proxy", "CrashLoopBackOff");
    const ofIstio = testPod({ name: "istios", spec: { containers: [{ name: "app" }, proxy] }, status });
    const groups = await check(createHealthyCluster().putTexts(ofIstio));
    expect(outcomeOf(groups, "proxies are ready")).toEqual({
      kind: "ok",
      message: "1 pod; 1 more has a proxy of Istio's, and is not looked at",
    });
    expect(outcomeOf(groups, "control plane's version")?.kind).toBe("ok");
    expect(outcomeOf(groups, "connected and up to date")).toEqual({ kind: "ok", message: "1 proxy" });
  });

  it("cannot be judged without an API server, and nothing else is asked", async () => {
    const harness = createHealthyCluster();
    const api = Object.assign(harness.api, {
      version: async () => {
        throw new Error("connection refused");
      },
    });
    const groups = await check(Object.assign(harness, { api }));
    expect(groups).toHaveLength(1);
    expect(outcomeOf(groups, "can be reached")).toMatchObject({ kind: "failed", message: /connection refused/ });
  });
});
