import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { splitCertificates } from "../../mesh/identity/pem-certificates.ts";
import { DAY_MS, InjectorCluster, isAccepted, NAMES, Replica, SECRET } from "./injector-cluster-fixture.ts";

function createCluster(): InjectorCluster {
  return new InjectorCluster().install();
}

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
