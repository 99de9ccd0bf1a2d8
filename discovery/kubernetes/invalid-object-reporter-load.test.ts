import { afterEach, describe, expect, it } from "vitest";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { kindOf } from "./mesh-cluster-fixture.ts";
import { countWrites, eventsIn, startReplica, statusOf } from "./reporting-replica-fixture.ts";
import { policyOf, SourceHarness } from "./source-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("an invalid object", () => {
  it("among hundreds has its status in seconds, by a bounded number of calls at once", async () => {
    const harness = new SourceHarness(cleanup);
    for (let index = 0; index < 300; index += 1) harness.cluster.put(policyOf("STRIKT", "ns1", `rule-${index}`));
    let running = 0;
    let most = 0;
    harness.beforeCall = async ({ verb }) => {
      if (verb !== "apply") return;
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => harness.clock.setTimeout(resolve, 100));
      running -= 1;
    };
    await startReplica(cleanup, harness);
    await harness.clock.advance(5000);
    const kind = kindOf(harness.cluster, policyOf("STRICT"));
    expect(harness.cluster.list(kind, {}).items.filter(({ status }) => status !== undefined)).toHaveLength(300);
    expect(most).toBe(8);
  });

  it("among thousands is written to in its turn, at most a hundred a second", async () => {
    const harness = new SourceHarness(cleanup);
    for (let index = 0; index < 400; index += 1) harness.cluster.put(policyOf("STRIKT", "ns1", `rule-${index}`));
    const writes = countWrites(harness);
    await startReplica(cleanup, harness);
    await harness.clock.advance(2500);
    expect(writes()).toBeLessThan(2 * 250);
    await harness.clock.advance(5000);
    expect(writes()).toBe(2 * 400);
  });

  it("is mostly written to by one of two replicas, also while both have many to write", async () => {
    const harness = new SourceHarness(cleanup);
    for (let index = 0; index < 400; index += 1) harness.cluster.put(policyOf("STRIKT", "ns1", `rule-${index}`));
    const writes = countWrites(harness);
    await startReplica(cleanup, harness, "istiod-1", 0.2);
    await startReplica(cleanup, harness, "istiod-2", 0.6);
    await harness.clock.advance(10_000);
    expect(writes()).toBeLessThan(2 * 450);
  });

  it("does not wait for another whose status cannot be written", async () => {
    const harness = new SourceHarness(cleanup);
    harness.cluster.put(policyOf("STRIKT", "ns1", "first"));
    let isFirst = true;
    harness.beforeCall = ({ verb }) => {
      if (verb !== "apply" || !isFirst) return;
      isFirst = false;
      throw new KubernetesApiError("api_timeout", "no response");
    };
    await startReplica(cleanup, harness);
    await harness.clock.advance(1000);
    harness.cluster.put(policyOf("STRIKT", "ns1", "second"));
    await harness.clock.advance(2000);
    expect(statusOf(harness, "ns1", "first")).toBeUndefined();
    expect(statusOf(harness, "ns1", "second")).toBeDefined();
    await harness.clock.advance(60_000);
    expect(statusOf(harness, "ns1", "first")).toBeDefined();
  });

  it.each([
    { name: "413", status: 413, message: "Request entity too large: limit is 3145728" },
    { name: "etcd's limit", status: 500, message: "etcdserver: request is too large" },
    {
      name: "the limit between API server and etcd",
      status: 500,
      message:
        "rpc error: code = ResourceExhausted desc = trying to send message larger than max (3480219 vs. 2097152)",
    },
  ])(
    "whose status is refused as too large ($name) is counted, logged with its name and not tried again",
    async (refusal) => {
      const harness = new SourceHarness(cleanup);
      const { status, message } = refusal;
      let attempts = 0;
      harness.beforeCall = ({ verb }) => {
        if (verb !== "apply") return;
        attempts += 1;
        throw new KubernetesApiError("api_refused", message, { status });
      };
      harness.cluster.put(policyOf("STRIKT"));
      const unwritten = await startReplica(cleanup, harness);
      await harness.clock.advance(300_000);
      expect([attempts, unwritten]).toEqual([1, ["too_large"]]);
      const [line] = harness.log.find("a report was refused");
      expect(line?.fields).toMatchObject({ resource: "PeerAuthentication/ns1/default", why: "too_large" });
      // The Event names what the status does not.
      expect(eventsIn(harness)).toHaveLength(1);
    },
  );

  it("with hundreds of errors has a small status", async () => {
    const harness = new SourceHarness(cleanup);
    const ports = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`${index + 1}`, { mode: "STRIKT" }]));
    const spec = { selector: { matchLabels: { a: "b" } }, portLevelMtls: ports };
    harness.cluster.put({ ...policyOf("STRICT"), spec });
    await startReplica(cleanup, harness);
    await harness.clock.advance(5000);
    expect(statusOf(harness)).toMatchObject({ conditions: [{ reason: "EntenteInvalidConfiguration" }] });
    expect(JSON.stringify(statusOf(harness)).length).toBeLessThan(2000);
  });
});
