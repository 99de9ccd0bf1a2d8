import { afterEach, describe, expect, it } from "vitest";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { formatSourceStatus } from "../config-source.ts";
import { away, modeOf, podOf, policyOf, withWorkload } from "./source-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("an API server that is away", () => {
  it("at the start is waited for, with a line that says why now and then", async () => {
    const harness = withWorkload(cleanup);
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
    const harness = withWorkload(cleanup);
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
    const harness = withWorkload(cleanup);
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

  it("that takes 10 s for each response is waited for, and its changes arrive", async () => {
    const harness = withWorkload(cleanup);
    harness.cluster.put(policyOf("STRICT"));
    harness.beforeCall = () => new Promise((resolve) => void harness.clock.setTimeout(resolve, 10_000));
    const starting = harness.begin();
    await harness.clock.advance(25_000);
    const source = await starting;
    expect(modeOf(source.current())).toBe("STRICT");
    await harness.clock.advance(25_000);
    harness.cluster.put(policyOf("PERMISSIVE"));
    await harness.settle();
    expect(modeOf(source.current())).toBe("PERMISSIVE");
  });

  it("that never speaks on an open watch is asked anew", async () => {
    const harness = withWorkload(cleanup);
    harness.isSilent = true;
    const source = await harness.start();
    harness.cluster.put(policyOf("STRICT"));
    await harness.clock.advance(100_000);
    expect(modeOf(source.current())).toBe("PERMISSIVE");
    await harness.clock.advance(400_000);
    expect(modeOf(source.current())).toBe("STRICT");
  });

  it.each([
    { name: "limits its load", error: { status: 429, reason: "TooManyRequests", retryAfterMs: 1000 } },
    { name: "fails", error: { status: 500, reason: "InternalError" } },
  ])("that $name is asked again, and nothing is lost", async ({ error }) => {
    const harness = withWorkload(cleanup);
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
    const harness = withWorkload(cleanup);
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
