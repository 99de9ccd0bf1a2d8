import { randomBytes, X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { splitCertificates } from "../../ca-agent/x509/pem.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { ServingPair } from "../serving-certificate.ts";
import { InjectorCluster, NAMES, refused } from "./injector-cluster-fixture.ts";
import { startWebhookIdentity, type WebhookIdentity } from "./webhook-identity.ts";

const DAY_MS = 86_400_000;
const SECRET = { namespace: "istio-system", name: NAMES.secret };

function createCluster(): InjectorCluster {
  return new InjectorCluster().install();
}

class Replica {
  readonly log = new RecordingLogger();
  readonly controller = new AbortController();
  readonly clock: FakeClock;
  readonly #cluster: InjectorCluster;

  constructor(cluster: InjectorCluster, clock = new FakeClock()) {
    this.#cluster = cluster;
    this.clock = clock;
  }

  start(): Promise<WebhookIdentity> {
    const { clock, log } = this;
    return startWebhookIdentity({
      api: this.#cluster.api,
      names: NAMES,
      clock,
      log,
      random: () => 0.5,
      randomBytes,
      signal: this.controller.signal,
    });
  }
}

/** Whether an API server with this clock and these roots would accept the pair, as crypto/x509 does. */
function isAccepted({ cert }: ServingPair, bundle: string, nowMs: number): boolean {
  const leaf = new X509Certificate(cert);
  const isInTime = leaf.validFromDate.getTime() <= nowMs && nowMs < leaf.validToDate.getTime();
  const roots = splitCertificates(bundle).map((pem) => new X509Certificate(pem));
  const isTrusted = roots.some(
    (root) =>
      root.ca &&
      root.validFromDate.getTime() <= nowMs &&
      nowMs < root.validToDate.getTime() &&
      leaf.verify(root.publicKey),
  );
  return isInTime && isTrusted && leaf.checkHost("istio-sidecar-injector.istio-system.svc") !== undefined;
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

  it("waits for the API at the start, and tells why", async () => {
    const cluster = createCluster();
    cluster.failure = refused(403, "Forbidden");
    const replica = new Replica(cluster);
    const starting = replica.start();
    await replica.clock.advance(5_000);
    expect(replica.log.find("403 Forbidden")).toHaveLength(1);
    cluster.failure = undefined;
    await replica.clock.advance(2_000);
    expect((await starting).isTrusted()).toBe(true);
  });

  it("and the wait for the API end when the process is stopped", async () => {
    const cluster = createCluster();
    cluster.failure = refused(403, "Forbidden");
    const replica = new Replica(cluster);
    const starting = replica.start();
    await replica.clock.advance(100);
    replica.controller.abort(new Error("stopped"));
    await expect(starting).rejects.toThrow("stopped");
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

describe("the caBundle", () => {
  it("is restored if another changes it", async () => {
    const cluster = createCluster();
    const replica = new Replica(cluster);
    const identity = await replica.start();
    cluster.objects.delete(KINDS.mutatingWebhooks, { name: NAMES.configurations.mutating });
    cluster.install();
    expect(cluster.caBundle()).toBe("");
    await replica.clock.advance(12_000);
    expect(isAccepted(identity.current(), cluster.caBundle(), replica.clock.now())).toBe(true);
  });

  it("stays when the installation is applied again", async () => {
    const cluster = createCluster();
    const replica = new Replica(cluster);
    const identity = await replica.start();
    cluster.install();
    expect(isAccepted(identity.current(), cluster.caBundle(), replica.clock.now())).toBe(true);
    expect(isAccepted(identity.current(), cluster.caBundle("b"), replica.clock.now())).toBe(true);
  });

  it("is not written if it is current", async () => {
    const cluster = createCluster();
    const replica = new Replica(cluster);
    await replica.start();
    cluster.writes.length = 0;
    await replica.clock.advance(60_000);
    expect(cluster.writes).toEqual([]);
  });

  it("contains another authority before a certificate of it is used, and keeps the old one for other replicas", async () => {
    const cluster = createCluster();
    const clock = new FakeClock();
    const [one, two] = [new Replica(cluster, clock), new Replica(cluster, clock)];
    const identities = [await one.start(), await two.start()];
    const first = identities.map((identity) => identity.current().cert);
    // The user rotates the authority by deleting its Secret.
    cluster.objects.delete(KINDS.secrets, SECRET);
    const seen: string[] = [];
    for (let second = 0; second < 90; second += 1) {
      seen.push(cluster.caBundle());
      await clock.advance(1_000);
      // The API servers see a change up to ten seconds later.
      const bundle = seen.at(Math.max(0, second - 10)) ?? "";
      for (const identity of identities) expect(isAccepted(identity.current(), bundle, clock.now())).toBe(true);
    }
    expect(splitCertificates(cluster.caBundle())).toHaveLength(2);
    for (const [index, identity] of identities.entries()) expect(identity.current().cert).not.toBe(first[index]);
  });

  it.each([
    { name: "without a key", data: { "ca-cert.pem": "x" } },
    { name: "with another key", data: { "ca-key.pem": "x" } },
    { name: "that contains no PEM", data: { "ca-cert.pem": "", "ca-key.pem": "" } },
  ])("follows a Secret $name, which is replaced", async ({ data }) => {
    const cluster = createCluster();
    const replica = new Replica(cluster);
    const identity = await replica.start();
    const secret = cluster.find(KINDS.secrets, SECRET);
    if (secret === undefined) throw new Error("no Secret");
    const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")]);
    cluster.objects.replace(KINDS.secrets, {
      ...secret,
      data: { ...Object(secret["data"]), ...Object.fromEntries(encoded) },
    });
    await replica.clock.advance(60_000);
    expect(isAccepted(identity.current(), cluster.caBundle(), replica.clock.now())).toBe(true);
    expect(replica.log.find("is replaced")).toHaveLength(1);
  });

  it("follows an authority that is near its end", async () => {
    const cluster = createCluster();
    const replica = new Replica(cluster);
    const identity = await replica.start();
    const [authority] = splitCertificates(cluster.caBundle());
    replica.clock.jump(3_300 * DAY_MS);
    await replica.clock.advance(60_000);
    expect(isAccepted(identity.current(), cluster.caBundle(), replica.clock.now())).toBe(true);
    expect(new X509Certificate(identity.current().cert).verify(new X509Certificate(authority ?? "").publicKey)).toBe(
      false,
    );
  });
});
