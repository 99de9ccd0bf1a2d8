import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { testPod, testResource, testService } from "../../mesh/resources/resource-set-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import {
  type CliCluster,
  componentPod,
  meshedNamespace,
  meshedPod,
  startCliCluster,
} from "../cluster/cluster-fixture.ts";
import { runForTest } from "../run-cli-fixture.ts";

const cleanup = new Cleanup();
let cluster: CliCluster;

beforeEach(async () => {
  cluster = await startCliCluster(cleanup, { authorization: "rbac" });
  cluster.harness
    .put(meshedNamespace("ns1"), meshedPod("web"), componentPod("istiod-1", "istiod"))
    .putTexts(
      testService({ name: "web" }),
      testPod({ name: "old", ip: "10.0.0.2", meshed: false }),
      testResource("PeerAuthentication", "default", { mtls: { mode: "STRICT" } }, { namespace: "ns1" }),
    );
});
afterEach(() => cleanup.run());

const json = (text: string): unknown => JSON.parse(text);

describe("reports of a cluster", () => {
  it("find what is wrong in a namespace, or in all", async () => {
    const { status, stdout, stderr } = await cluster.run([
      "analyze",
      "-n",
      "ns1",
      "-o",
      "json",
      "--fail-on",
      "warning",
    ]);
    expect([status, stderr]).toEqual([1, ""]);
    expect(json(stdout)).toMatchObject({ findings: [{ code: "IST0103", resource: "Pod/old.ns1" }] });
    expect((await cluster.run(["analyze", "--fail-on", "warning"])).status).toBe(0);
    expect((await cluster.run(["analyze", "--fail-on", "warning", "-A"])).status).toBe(1);
  });

  it("show who speaks what to whom", async () => {
    const { status, stdout } = await cluster.run(["tls-check", "old.ns1", "web.ns1", "-o", "json"]);
    expect(status).toBe(1);
    expect(json(stdout)).toMatchObject({ rows: [{ status: "CONFLICT", server: "STRICT", client: "NONE" }] });
    expect((await cluster.run(["tls-check"])).stderr).toContain("no client with a sidecar in namespace default (-A");
  });

  it("describe a pod", async () => {
    const { stdout } = await cluster.run(["describe", "pod", "web.ns1", "-o", "json"]);
    expect(json(stdout)).toMatchObject({
      state: { kind: "created", phase: "Running", isReady: true },
      proxy: { kind: "sidecar", version: "0.1.0" },
      defaultMode: { mode: "STRICT", rule: "PeerAuthentication/default.ns1" },
    });
  });

  it("count the versions", async () => {
    const { stdout } = await cluster.run(["version", "-o", "json"]);
    expect(json(stdout)).toMatchObject({
      controlPlane: [{ version: "0.1.0", pods: 1 }],
      dataPlane: [{ version: "0.1.0", pods: 1 }],
    });
  });

  it("list the connected proxies of every control plane, and those that are missing", async () => {
    cluster.harness.put(componentPod("istiod-2", "istiod"), meshedPod("lost"));
    const proxy = {
      ...{ namespace: "ns1", pod: "web", identity: "spiffe://cluster.local/ns/ns1/sa/default", version: "0.1.0" },
      ...{ connectedSince: new Date().toISOString(), lastSent: null, lastAcknowledged: null, resources: [] },
    };
    await cluster.serve("istio-system/istiod-1:15014", { proxies: [proxy] });
    const first = await cluster.run(["proxy-status", "-o", "json"]);
    expect(json(first.stdout)).toMatchObject({
      proxies: [
        { pod: "lost.ns1", state: "not connected" },
        { pod: "web.ns1", state: "synced", controlPlane: "istiod-1.istio-system" },
      ],
      controlPlanes: [{ pod: "istiod-1.istio-system", proxies: 1 }, { error: expect.stringContaining("refused") }],
    });
    await cluster.serve("istio-system/istiod-2:15014", { proxies: [{ ...proxy, pod: "lost" }] });
    expect(await cluster.run(["proxy-status"])).toMatchObject({ status: 0, stderr: "" });
  });

  it("show a proxy's certificates", async () => {
    const times = { not_before: new Date().toISOString(), not_after: new Date(Date.now() + 3_600_000).toISOString() };
    const identity = "spiffe://cluster.local/ns/ns1/sa/default";
    await cluster.serve("ns1/web:15000", {
      ...{ state: "active", identity, generation: 1, trust_domains: ["cluster.local"] },
      chain: [{ subject_ids: [identity], serial_number: "0A", key: "EC prime256v1", sha256: "AA", ...times }],
      roots: [{ subject: "O=cluster.local", serial_number: "01", sha256: "RR", ...times }],
    });
    const { status, stdout } = await cluster.run(["certs", "web", "-n", "ns1"]);
    expect(status).toBe(0);
    expect(stdout).toContain(identity);
    expect(await cluster.run(["certs", "old.ns1"])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("pod old.ns1 has no proxy"),
    });
  });
});

describe("a cluster that cannot be asked", () => {
  const oneLine = (text: string) => text.split("\n").filter((line) => line !== "");

  it("is named in one line, with the missing right", async () => {
    const token = cluster.server.identities.addUser("guest");
    const { status, stdout, stderr } = await cluster.run(["analyze"], token);
    expect([status, stdout]).toEqual([1, ""]);
    expect(oneLine(stderr)).toEqual([
      expect.stringMatching(/User "guest" cannot (get|list) resource "\w+".*administrator can grant/),
    ]);
  });

  it("is named in one line if it does not know the caller", async () => {
    const { stderr } = await cluster.run(["analyze"], "expired");
    expect(oneLine(stderr)).toEqual([expect.stringMatching(/401 Unauthorized.*: log in again/)]);
  });

  it("is named in one line if it does not listen", async () => {
    await cluster.server.away();
    const { status, stderr } = await cluster.run(["version"]);
    expect(status).toBe(1);
    expect(oneLine(stderr)).toEqual([expect.stringContaining("nothing listens there")]);
  });

  it.each([
    { kind: "garbage" },
    { kind: "half-json" },
    { kind: "status", status: 500, reason: "InternalError" },
  ] as const)("is named in one line if it sends $kind", async (fault) => {
    cluster.server.faults.add(fault, { resource: "pods" });
    const { status, stdout, stderr } = await cluster.run(["tls-check", "-A"]);
    expect([status, stdout]).toEqual([1, ""]);
    expect(oneLine(stderr)).toEqual([expect.stringMatching(/^entente tls-check: \w+: GET .*pods/)]);
  });

  it.each([
    { args: ["--context", "other"], message: 'there is no context "other"' },
    { args: ["-n", "ns1", "-A"], message: "either --namespace or --all-namespaces" },
  ])("is explained for $args", async ({ args, message }) => {
    const { status, stderr } = await cluster.run(["analyze", ...args]);
    expect(status).toBeGreaterThan(0);
    expect(stderr).toContain(message);
  });

  it("is explained without any kubeconfig", async () => {
    const { status, stderr } = await runForTest("version");
    expect(status).toBe(1);
    expect(oneLine(stderr)).toEqual([expect.stringContaining("pass --kubeconfig FILE")]);
  });
});
