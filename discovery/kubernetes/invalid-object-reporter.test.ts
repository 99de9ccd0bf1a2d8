import { afterEach, describe, expect, it } from "vitest";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { kindOf } from "./mesh-cluster-fixture.ts";
import { countWrites, eventsIn, startReplica, statusOf } from "./reporting-replica-fixture.ts";
import { podOf, policyOf, SourceHarness } from "./source-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const MESSAGE =
  'not in force: spec.mtls.mode: must be one of UNSET, DISABLE, PERMISSIVE, STRICT, is "STRIKT". ' +
  "The last valid version applies, or the strictest one if there is none.";

describe("an invalid object", () => {
  it("gets a condition of Istio's form and an Event, and loses the condition once it is valid", async () => {
    const harness = new SourceHarness(cleanup);
    harness.cluster.put(policyOf("STRIKT"));
    await startReplica(cleanup, harness);
    await harness.clock.advance(10_000);
    expect(statusOf(harness)).toEqual({
      conditions: [
        {
          type: "Reconciled",
          status: "False",
          reason: "EntenteInvalidConfiguration",
          message: MESSAGE,
          lastTransitionTime: "2030-01-01T00:00:00Z",
        },
      ],
      validationMessages: [
        {
          type: { name: "SchemaValidationError", code: "IST0106" },
          level: "ERROR",
          documentationUrl: "https://istio.io/latest/docs/reference/config/analysis/ist0106/",
        },
      ],
      observedGeneration: 1,
    });
    expect(eventsIn(harness)).toMatchObject([
      {
        metadata: { namespace: "ns1", name: expect.stringMatching(/^default\.[0-9a-f]{16}$/) },
        type: "Warning",
        reason: "InvalidConfiguration",
        note: MESSAGE,
        regarding: { kind: "PeerAuthentication", name: "default", namespace: "ns1" },
        reportingInstance: "istiod-1",
      },
    ]);
    harness.cluster.put(policyOf("STRICT"));
    await harness.clock.advance(10_000);
    expect(statusOf(harness)).toEqual({ conditions: [], validationMessages: [], observedGeneration: 2 });
    expect(eventsIn(harness)).toHaveLength(1);
  });

  it("has its condition replaced when it becomes invalid in another way", async () => {
    const harness = new SourceHarness(cleanup);
    harness.cluster.put(policyOf("STRIKT"));
    await startReplica(cleanup, harness);
    await harness.clock.advance(10_000);
    harness.cluster.put(policyOf("PERMISIVE"));
    await harness.clock.advance(10_000);
    expect(JSON.stringify(statusOf(harness))).toContain("PERMISIVE");
    expect(statusOf(harness)).toMatchObject({ observedGeneration: 2 });
    expect(eventsIn(harness)).toHaveLength(2);
  });

  it("is written to once, however often it is seen, and by one of several replicas", async () => {
    const harness = new SourceHarness(cleanup);
    const writes = countWrites(harness);
    harness.cluster.put(policyOf("STRIKT"));
    await startReplica(cleanup, harness, "istiod-1", 0.2);
    await startReplica(cleanup, harness, "istiod-2", 0.9);
    await harness.clock.advance(60_000);
    expect(writes()).toBe(2);
    harness.cluster.put({ ...policyOf("STRIKT"), metadata: { ...policyOf("x").metadata, labels: { a: "b" } } });
    await harness.clock.advance(60_000);
    expect(writes()).toBe(2);
  });

  it("keeps the conditions of others", async () => {
    const harness = new SourceHarness(cleanup);
    const other = { type: "Other", status: "True" };
    harness.cluster.put({ ...policyOf("STRIKT"), status: { conditions: [other] } });
    await startReplica(cleanup, harness);
    await harness.clock.advance(10_000);
    expect(statusOf(harness)).toMatchObject({ conditions: [other, { reason: "EntenteInvalidConfiguration" }] });
    harness.cluster.put(policyOf("STRICT"));
    await harness.clock.advance(10_000);
    expect(statusOf(harness)).toMatchObject({ conditions: [other] });
  });

  it("is not fought over with a program that removes the condition", async () => {
    const harness = new SourceHarness(cleanup);
    const writes = countWrites(harness);
    harness.cluster.put(policyOf("STRIKT"));
    await startReplica(cleanup, harness);
    await harness.clock.advance(10_000);
    const kind = kindOf(harness.cluster, policyOf("x"));
    for (let turn = 0; turn < 20; turn += 1) {
      const current = harness.cluster.get(kind, { namespace: "ns1", name: "default" });
      harness.cluster.replace(kind, { ...current, status: { conditions: [] } }, { subresource: "status" });
      await harness.clock.advance(10_000);
    }
    expect(writes()).toBe(2);
  });

  it("is left alone where the right is missing, with one line that names it", async () => {
    const harness = new SourceHarness(cleanup);
    harness.beforeCall = ({ verb }) => {
      if (verb === "apply" || verb === "create") {
        throw new KubernetesApiError("api_refused", "forbidden", { status: 403, reason: "Forbidden" });
      }
    };
    harness.cluster.put(policyOf("STRIKT"), policyOf("STRIKT", "istio-system"));
    await startReplica(cleanup, harness);
    await harness.clock.advance(60_000);
    expect(harness.log.find("a right is missing").map(({ fields }) => fields["missingRight"])).toEqual([
      "patch peerauthentications/status.security.istio.io",
      "create events.events.k8s.io",
    ]);
  });

  it("with a long text in another script gets an Event that the server accepts", async () => {
    const harness = new SourceHarness(cleanup);
    const labels = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`字${index}`, index]));
    const metadata = { name: "default", namespace: "ns1" };
    harness.cluster.put({ ...policyOf("STRICT"), metadata, spec: { selector: { matchLabels: labels } } });
    await startReplica(cleanup, harness);
    await harness.clock.advance(10_000);
    const [event] = eventsIn(harness);
    expect(Buffer.byteLength(String(event?.["note"]))).toBeLessThanOrEqual(1024);
    expect(String(event?.["note"])).toMatch(/字.* …\. The last valid version applies/);
  });

  it("is not tried again where the server refuses the report as invalid", async () => {
    const harness = new SourceHarness(cleanup);
    let writes = 0;
    harness.beforeCall = ({ verb }) => {
      if (verb !== "apply" && verb !== "create") return;
      writes += 1;
      throw new KubernetesApiError("api_refused", "invalid", { status: 422, reason: "Invalid" });
    };
    harness.cluster.put(policyOf("STRIKT"));
    await startReplica(cleanup, harness);
    await harness.clock.advance(300_000);
    expect([writes, harness.log.find("a report was refused").length]).toEqual([2, 2]);
  });

  it("is tried again after an error, in its state of then", async () => {
    const harness = new SourceHarness(cleanup);
    harness.cluster.put(policyOf("STRIKT"));
    harness.beforeCall = ({ verb }) => {
      if (verb === "apply") throw new KubernetesApiError("api_timeout", "no response");
    };
    await startReplica(cleanup, harness);
    await harness.clock.advance(10_000);
    harness.cluster.put(policyOf("PERMISIVE"));
    await harness.clock.advance(10_000);
    harness.beforeCall = () => undefined;
    await harness.clock.advance(120_000);
    expect(JSON.stringify(statusOf(harness))).toContain("PERMISIVE");
  });

  it("of Kubernetes' own kinds gets an Event alone", async () => {
    const harness = new SourceHarness(cleanup);
    const verbs: string[] = [];
    harness.beforeCall = ({ verb, resource }) => void verbs.push(`${verb} ${resource}`);
    harness.cluster.put({ ...podOf("odd"), spec: { containers: "x" } });
    await startReplica(cleanup, harness);
    await harness.clock.advance(60_000);
    expect(verbs.filter((verb) => /^(?:apply|create)/.test(verb))).toEqual(["create events"]);
  });

  it("that is deleted before its turn is no error", async () => {
    const harness = new SourceHarness(cleanup);
    harness.cluster.put(policyOf("STRIKT"));
    await startReplica(cleanup, harness);
    harness.cluster.remove(policyOf("STRIKT"));
    await harness.clock.advance(60_000);
    expect(harness.log.find("could not be written")).toEqual([]);
  });
});
