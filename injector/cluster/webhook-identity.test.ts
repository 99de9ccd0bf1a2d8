import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import { splitCertificates } from "../../mesh/identity/pem-certificates.ts";
import { DAY_MS, InjectorCluster, isAccepted, Replica, refused, SECRET } from "./injector-cluster-fixture.ts";

function createCluster(): InjectorCluster {
  return new InjectorCluster().install();
}

describe("the webhook's certificate", () => {
  it("is signed by an authority in a Secret, and trusted by our webhooks alone", async () => {
    const cluster = createCluster();
    const replica = new Replica(cluster);
    const identity = await replica.start();
    expect(isAccepted(identity.current(), cluster.caBundle("a"), replica.clock.now())).toBe(true);
    expect(cluster.caBundle("b")).toBe(cluster.caBundle("a"));
    expect(cluster.caBundle("v")).toBe(cluster.caBundle("a"));
    expect(cluster.caBundle("foreign")).toBe("");
    expect(identity.isTrusted()).toBe(true);
    expect(new X509Certificate(identity.current().cert).ca).toBe(false);
  });

  it("makes the validating webhook fail closed from then on, and leaves the mutating one's policy alone", async () => {
    const cluster = createCluster();
    await new Replica(cluster).start();
    expect(cluster.webhook("v")["failurePolicy"]).toBe("Fail");
    expect(cluster.webhook("foreign")["failurePolicy"]).toBe("Ignore");
  });

  it("fills a Secret that was installed empty", async () => {
    const cluster = createCluster();
    cluster.objects.create(KINDS.secrets, { apiVersion: "v1", kind: "Secret", metadata: SECRET });
    await new Replica(cluster).start();
    expect(Object.keys(Object(cluster.find(KINDS.secrets, SECRET)?.["data"]))).toEqual(["ca-cert.pem", "ca-key.pem"]);
    expect(cluster.writes).not.toContain("create secrets");
  });

  it("is accepted whichever of two replicas that start at once is called", async () => {
    const cluster = createCluster();
    const [one, two] = [new Replica(cluster), new Replica(cluster)];
    let turn = 0;
    cluster.beforeWrite = async () => {
      // Both have read "no Secret" before either writes.
      turn += 1;
      if (turn === 1) await new Promise((resolve) => setImmediate(resolve));
    };
    const identities = await Promise.all([one.start(), two.start()]);
    await Promise.all([one.clock.advance(20_000), two.clock.advance(20_000)]);
    for (const identity of identities) {
      expect(isAccepted(identity.current(), cluster.caBundle(), one.clock.now())).toBe(true);
    }
    expect(cluster.all(KINDS.secrets)).toHaveLength(1);
  });

  it.each([-1, 1])("is accepted by an API server whose clock is %d hour off", async (hours) => {
    const cluster = createCluster();
    const replica = new Replica(cluster);
    const identity = await replica.start();
    expect(isAccepted(identity.current(), cluster.caBundle(), replica.clock.now() + hours * 3_600_000)).toBe(true);
  });

  it("is renewed at half of its life, even while the API is away", async () => {
    const cluster = createCluster();
    const replica = new Replica(cluster);
    const identity = await replica.start();
    const first = identity.current();
    cluster.failure = refused(503, "ServiceUnavailable");
    replica.clock.jump(46 * DAY_MS);
    await replica.clock.advance(11_000);
    expect(identity.current().cert).not.toBe(first.cert);
    expect(isAccepted(identity.current(), cluster.caBundle(), replica.clock.now())).toBe(true);
    expect(replica.log.find("not up to date")).toHaveLength(1);
  });

  it("that has expired, because the machine slept, is replaced within seconds", async () => {
    const cluster = createCluster();
    const replica = new Replica(cluster);
    const identity = await replica.start();
    replica.clock.jump(200 * DAY_MS);
    expect(isAccepted(identity.current(), cluster.caBundle(), replica.clock.now())).toBe(false);
    await replica.clock.advance(11_000);
    expect(isAccepted(identity.current(), cluster.caBundle(), replica.clock.now())).toBe(true);
  });

  it("that was signed by a clock in the future is replaced when the clock is corrected", async () => {
    const cluster = createCluster();
    await new Replica(cluster).start();
    const replica = new Replica(cluster);
    replica.clock.jump(30 * DAY_MS);
    const identity = await replica.start();
    replica.clock.jump(-30 * DAY_MS);
    await replica.clock.advance(60_000);
    expect(isAccepted(identity.current(), cluster.caBundle(), replica.clock.now())).toBe(true);
  });

  it("is one that nobody trusts until the API responds, so that the kubelet sees a living process", async () => {
    const cluster = createCluster();
    cluster.failure = refused(403, "Forbidden");
    const replica = new Replica(cluster);
    const identity = await replica.start();
    await replica.clock.advance(60_000);
    expect(
      new X509Certificate(identity.current().cert).checkHost("istio-sidecar-injector.istio-system.svc"),
    ).toBeDefined();
    expect(identity.isTrusted()).toBe(false);
    expect(replica.log.find("403 Forbidden")).toHaveLength(1);
    cluster.failure = undefined;
    await replica.clock.advance(2_000);
    expect(identity.isTrusted()).toBe(true);
    expect(isAccepted(identity.current(), cluster.caBundle(), replica.clock.now())).toBe(true);
    expect(splitCertificates(cluster.caBundle())).toHaveLength(1);
  });

  it.each(["stop", "abort"] as const)("leaves no timer behind: %s", async (how) => {
    const replica = new Replica(createCluster());
    const identity = await replica.start();
    if (how === "stop") identity.stop();
    else replica.controller.abort();
    await replica.clock.advance(60_000);
    expect(replica.clock.pendingTimers).toBe(0);
  });

  it("stays until the webhook configurations are installed, which is then noticed", async () => {
    const cluster = new InjectorCluster();
    const replica = new Replica(cluster);
    const identity = await replica.start();
    expect(replica.log.find("no webhook configuration calls")).toHaveLength(1);
    cluster.install();
    await replica.clock.advance(12_000);
    expect(isAccepted(identity.current(), cluster.caBundle(), replica.clock.now())).toBe(true);
  });
});
