import { describe, expect, it } from "vitest";
import { PLAIN } from "../text/palette.ts";
import { formatProxies } from "./format-proxies.ts";
import { createProxyReport } from "./proxy-report.ts";
import { readReplicas } from "./read-replicas.ts";
import type { ControlPlaneReplica } from "./sync-page.ts";

const NOW_MS = Date.parse("2026-01-01T12:00:00Z");
const ago = (seconds: number) => new Date(NOW_MS - seconds * 1000).toISOString();
const { signal } = new AbortController();

function proxy(pod: string, changes: object = {}) {
  return {
    namespace: "ns1",
    pod,
    identity: `spiffe://cluster.local/ns/ns1/sa/${pod}`,
    address: "10.0.0.1",
    version: "0.1.0",
    isPodKnown: true,
    connectedSince: ago(3600),
    lastSent: ago(60),
    lastAcknowledged: ago(60),
    resources: [{ kind: "inbound", count: 1, state: "synced" }],
    rejections: [],
    ...changes,
  };
}

function replica(name: string, ...proxies: readonly object[]) {
  return { name, body: JSON.stringify({ proxies }) };
}

/** Control planes that send these pages; one without a page is away. */
function read(...replicas: readonly { readonly name: string; readonly body?: string }[]) {
  const bodies = new Map(replicas.map(({ name, body }) => [name, body]));
  const pages = {
    get: async ({ pod }: { readonly pod: { readonly name: string } }) => {
      const body = bodies.get(pod.name);
      if (body === undefined) throw new Error("connection refused");
      return { status: 200, body };
    },
  };
  const pods = replicas.map(({ name }) => ({ name, namespace: "istio-system" }));
  return readReplicas(pages, pods, signal);
}

const podOf = (name: string) => ({ name, namespace: "ns1", version: "0.1.0" });
const report = (replicas: readonly ControlPlaneReplica[], ...pods: readonly string[]) =>
  createProxyReport({ replicas, pods: pods.map(podOf), nowMs: NOW_MS });

describe("the state of a proxy", () => {
  it.each([
    { name: "synced", changes: {}, state: "synced", problem: undefined },
    {
      name: "behind for a moment",
      changes: { lastSent: ago(1), resources: [{ kind: "inbound", count: 1, state: "stale" }] },
      state: "behind",
      problem: undefined,
    },
    {
      name: "behind for a minute",
      changes: { resources: [{ kind: "inbound", count: 1, state: "stale" }] },
      state: "behind",
      problem: "it has not acknowledged what was sent",
    },
    {
      name: "connected for a long time without anything sent",
      changes: { lastSent: null, lastAcknowledged: null, resources: [{ kind: "inbound", count: 1, state: "waiting" }] },
      state: "behind",
      problem: "it has not acknowledged what was sent",
    },
    {
      name: "rejecting a value",
      changes: { rejections: [{ resource: "destination x", reason: "bad" }] },
      state: "rejected",
      problem: "it does not accept a value and keeps the earlier one",
    },
    {
      name: "of an unknown pod",
      changes: { isPodKnown: false },
      state: "synced",
      problem: "the control plane does not know its pod",
    },
  ])("is $state if it is $name", async ({ changes, state, problem }) => {
    const [row] = report(await read(replica("istiod-a", proxy("web", changes))), "web");
    expect([row?.state, row?.problem]).toEqual([state, problem]);
  });

  it("is not connected if its pod runs and no control plane lists it; such rows come first", async () => {
    const rows = report(await read(replica("istiod-a", proxy("a"))), "a", "b");
    expect(rows.map(({ pod, state }) => [pod, state])).toEqual([
      ["b.ns1", "not connected"],
      ["a.ns1", "synced"],
    ]);
  });

  it("is that of the newer stream if two replicas list it", async () => {
    const moved = proxy("web", { connectedSince: ago(5) });
    const [row, ...others] = report(await read(replica("istiod-a", proxy("web")), replica("istiod-b", moved)), "web");
    expect(row?.controlPlane).toBe("istiod-b.istio-system");
    expect(others).toEqual([]);
  });

  it("is not hidden by a proxy that claims the pod's name from another address", async () => {
    const forged = proxy("web", { address: "10.0.0.66", version: "forged", connectedSince: ago(120) });
    const rows = report(await read(replica("istiod-a", proxy("web")), replica("istiod-b", forged)), "web");
    expect(rows.map(({ pod, version }) => [pod, version])).toEqual([
      ["web.ns1", "0.1.0"],
      ["web.ns1", "forged"],
    ]);
    expect(rows.map(({ problem }) => problem)).toEqual([
      expect.stringContaining("10.0.0.1 and 10.0.0.66"),
      expect.stringContaining("10.0.0.1 and 10.0.0.66"),
    ]);
  });

  it("is uncertain if a replica cannot be asked, and the replica's reason is shown", async () => {
    const replicas = await read(replica("istiod-a"), { name: "istiod-b" }, { name: "istiod-c", body: "{}" });
    const rows = report(replicas, "web");
    expect(rows[0]?.problem).toContain("none of the control planes that could be asked");
    const text = formatProxies(rows, replicas, { nowMs: NOW_MS, palette: PLAIN });
    expect(text).toContain("problem: istiod-b.istio-system: unexpected: connection refused");
    expect(text).toContain("problem: istiod-c.istio-system: bad_page: the control plane's page");
  });

  it("as text has ages and subscriptions, and the reasons of rejected values", async () => {
    const rejecting = proxy("web", { rejections: [{ resource: "route r", reason: "no \u001b regex" }] });
    const replicas = await read(replica("istiod-a", rejecting));
    const text = formatProxies(report(replicas), replicas, { nowMs: NOW_MS, palette: PLAIN });
    expect(text).toMatch(/^web\.ns1 +rejected +0\.1\.0 +1h +1m +1m +inbound 1 +istiod-a\.istio-system$/m);
    expect(text).toContain("problem: web.ns1: route r: no \\x1b regex");
  });

  it("as text has a line for each proxy, whatever it calls itself", async () => {
    const forged = "web\u001b[2J\nstolen.ns1  synced\u202e";
    const names = { pod: forged, version: forged, resources: [{ kind: forged, count: 1, state: "synced" }] };
    const rejections = [{ resource: forged, reason: forged }];
    const replicas = await read(replica("istiod-a", proxy("web", { ...names, rejections })));
    const text = formatProxies(report(replicas), replicas, { nowMs: NOW_MS, palette: PLAIN });
    expect(text.match(/^.+$/gm)?.map((line) => line.split(/[^\w]/)[0])).toEqual(["POD", "web", "problem", "problem"]);
    expect(text).toMatch(/^[\n -~]+$/);
  });
});
