import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KubernetesApiError } from "../../../kubernetes/kubernetes-api-error.ts";
import { mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { textsOf } from "../authority-fixture.ts";
import { readText, SecretHarness } from "./secret-authority-fixture.ts";

const OWN = "istio-ca-secret";
const PLUGGED = "cacerts";
const oldRoot = mintRoot({ commonName: "old" });
const newRoot = mintRoot({ commonName: "new" });
const oldSigner = mintRoot({ commonName: "old signer", issuer: oldRoot });
const newSigner = mintRoot({ commonName: "new signer", issuer: newRoot });
const oldTexts = textsOf({ signer: oldSigner, roots: [oldRoot] });
const newTexts = textsOf({ signer: newSigner, roots: [newRoot] });
const bothTexts = textsOf({ signer: newSigner, roots: [oldRoot, newRoot] });
const fingerprintOf = (root: typeof oldRoot): string => root.certificate.fingerprint256;
const rootPem = (root: typeof oldRoot): string => root.certificate.toString();

const cleanup = new Cleanup();
let harness: SecretHarness;
beforeEach(() => {
  harness = new SecretHarness(cleanup);
});
afterEach(() => cleanup.run());

describe("a Secret that changes", () => {
  it("is followed by every control plane within a second", async () => {
    harness.put(PLUGGED, oldTexts);
    const replicas = [await harness.start(), await harness.start()];
    harness.put(PLUGGED, bothTexts);
    for (const replica of replicas) {
      await harness.follow("the authority has changed", replica);
      expect(replica.authority.roots()).toEqual([oldRoot, newRoot].map(rootPem));
    }
    expect(harness.clock.monotonicMs()).toBeLessThanOrEqual(1000);
  });

  it("may be plugged in while the mesh runs on its own root, if both roots are in it", async () => {
    harness.put(OWN, oldTexts);
    const { authority } = await harness.start();
    harness.put(PLUGGED, bothTexts);
    await harness.follow("the authority has changed");
    expect(authority.roots()).toEqual([oldRoot, newRoot].map(rootPem));
  });

  it.each([
    {
      name: "half written",
      texts: { "ca-cert.pem": newSigner.pem },
      reason: "ca-key.pem of Secret istio-system/cacerts is missing",
    },
    { name: "empty", texts: {}, reason: "contains no authority" },
    { name: "of another mesh", texts: newTexts, reason: "authority_root_lost" },
  ])("to something $name is refused with its reason, and the next good one is followed", async ({ texts, reason }) => {
    harness.put(PLUGGED, oldTexts);
    const { authority, log } = await harness.start();
    harness.put(PLUGGED, { ...texts });
    expect(await harness.follow("the old one stays in force")).toContain(reason);
    harness.cutWatches();
    await harness.pass(60_000);
    expect(log.find("the old one stays in force")).toHaveLength(1);
    expect(authority.roots()).toEqual([rootPem(oldRoot)]);
    expect(authority.refusal()).toContain(reason);
    harness.put(PLUGGED, bothTexts);
    await harness.follow("the authority has changed");
    expect(authority.refusal()).toBeUndefined();
  });

  it("to something that is valid only from now on, by an issuer whose clock is ahead, is followed when it is", async () => {
    harness.put(PLUGGED, oldTexts);
    const { authority, log } = await harness.start();
    const notBefore = new Date(harness.clock.now() + 90_000);
    const early = mintRoot({ commonName: "early signer", issuer: newRoot, notBefore });
    harness.put(PLUGGED, textsOf({ signer: early, roots: [oldRoot, newRoot] }));
    expect(await harness.follow("the old one stays in force")).toContain("is not valid yet");
    await harness.pass(60_000);
    expect(authority.refusal()).toContain("it is looked at again when it is valid");
    await harness.follow("the authority has changed");
    expect(authority.refusal()).toBeUndefined();
    expect(log.find("the old one stays in force")).toHaveLength(1);
    expect(harness.clock.now()).toBeLessThan(notBefore.getTime() + 5000);
  });

  it("to something that is not valid yet, and back, stays as it is", async () => {
    harness.put(PLUGGED, oldTexts);
    const { authority, log } = await harness.start();
    const notBefore = new Date(harness.clock.now() + 90_000);
    const early = mintRoot({ commonName: "early signer", issuer: newRoot, notBefore });
    harness.put(PLUGGED, textsOf({ signer: early, roots: [oldRoot, newRoot] }));
    await harness.follow("the old one stays in force");
    harness.put(PLUGGED, oldTexts);
    await harness.pass(200_000);
    expect(authority.refusal()).toBeUndefined();
    expect(authority.roots()).toEqual([rootPem(oldRoot)]);
    expect(log.find("the authority has changed")).toEqual([]);
  });

  it("is not followed on the other Secret's changes", async () => {
    harness.put(OWN, newTexts);
    harness.put(PLUGGED, oldTexts);
    const { authority, log } = await harness.start();
    harness.put(OWN, textsOf({ signer: newRoot, roots: [newRoot] }));
    await harness.pass(5000);
    expect(authority.roots()).toEqual([rootPem(oldRoot)]);
    expect(log.find("refused")).toEqual([]);
  });
});

describe("a Secret that is deleted", () => {
  it("is created again from memory if the root is the mesh's own", async () => {
    const { authority } = await harness.start();
    const before = harness.find(OWN)?.["data"];
    harness.remove(OWN);
    await harness.follow("created again from memory");
    expect(harness.find(OWN)?.["data"]).toEqual(before);
    expect(harness.find(OWN)?.["type"]).toBe("istio.io/ca-root");
    const { authority: restarted } = await harness.start();
    expect(restarted.roots()).toEqual(authority.roots());
  });

  it("is created again by one of two control planes, and both go on", async () => {
    const replicas = [await harness.start(), await harness.start()];
    harness.remove(OWN);
    await harness.pass(5000);
    const restored = replicas.filter(({ log }) => log.find("created again from memory").length > 0);
    expect(restored).toHaveLength(1);
    expect(replicas.flatMap(({ log }) => [...log.find("refused"), ...log.find("not restored")])).toEqual([]);
  });

  it("is created again as soon as the API allows it", async () => {
    await harness.start();
    harness.beforeCall = ({ verb }) => {
      if (verb === "apply") throw new KubernetesApiError("api_refused", "403 Forbidden", { status: 403 });
    };
    harness.remove(OWN);
    await harness.pass(30_000);
    expect(harness.log.find("is not restored yet")).toHaveLength(1);
    harness.beforeCall = () => undefined;
    await harness.follow("created again from memory");
  });

  it("stays in force if it was the operator's, which the log says once", async () => {
    harness.put(PLUGGED, oldTexts);
    const { authority } = await harness.start();
    harness.remove(PLUGGED);
    await harness.pass(60_000);
    expect(authority.roots()).toEqual([rootPem(oldRoot)]);
    expect(harness.log.find("none can start any more")).toHaveLength(1);
    expect(harness.find(PLUGGED)).toBeUndefined();
    expect(harness.find(OWN)).toBeUndefined();
  });

  it.each([
    { name: "without any Secret", prepare: () => undefined, reason: "restore the Secret from a backup" },
    {
      name: "with another mesh's Secret",
      prepare: () => harness.put(PLUGGED, newTexts),
      reason: "add the published root",
    },
  ])("keeps a control plane from starting $name, until the operator begins anew", async ({ prepare, reason }) => {
    harness.publish(rootPem(oldRoot));
    prepare();
    const starting = harness.start();
    expect(await harness.follow("cannot be opened yet")).toContain(reason);
    expect(harness.find(OWN)).toBeUndefined();
    harness.unpublish();
    await harness.pass(3000);
    expect((await starting).authority.roots()).toHaveLength(1);
  });

  it("keeps a control plane from starting if the new one shares a root that does not sign, as a running one refuses it", async () => {
    const other = mintRoot({ commonName: "another mesh" });
    harness.publish(rootPem(oldRoot), rootPem(other));
    harness.put(PLUGGED, textsOf({ signer: newSigner, roots: [newRoot, other] }));
    const starting = harness.start();
    expect(await harness.follow("cannot be opened yet")).toContain(
      `does not contain the root ${fingerprintOf(oldRoot)}`,
    );
    harness.put(PLUGGED, textsOf({ signer: newSigner, roots: [oldRoot, newRoot, other] }));
    await harness.pass(3000);
    expect((await starting).authority.roots()).toHaveLength(3);
  });

  it("keeps no control plane from starting if the root that signs is published: an old one was removed meanwhile", async () => {
    harness.publish(rootPem(oldRoot), rootPem(newRoot));
    harness.put(PLUGGED, newTexts);
    expect((await harness.start()).authority.roots()).toEqual([rootPem(newRoot)]);
  });

  it("is no obstacle if the published ConfigMap is not readable: anyone's garbage is repaired later", async () => {
    harness.publish("garbage\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    expect((await harness.start()).authority.roots()).toHaveLength(1);
  });
});

describe("the API server", () => {
  it("may be away for an hour: the authority stays, and a change of that time is followed afterwards", async () => {
    harness.put(PLUGGED, oldTexts);
    const { authority } = await harness.start();
    harness.beforeCall = harness.away;
    harness.cutWatches();
    await harness.pass(3_600_000);
    expect(authority.roots()).toEqual([rootPem(oldRoot)]);
    harness.put(PLUGGED, bothTexts);
    harness.beforeCall = () => undefined;
    await harness.follow("the authority has changed");
    expect(authority.roots()).toHaveLength(2);
  });

  it("may be restored from a backup of before the rotation: the root that signs now stays trusted", async () => {
    harness.put(PLUGGED, oldTexts);
    const backup = harness.cluster.history.backup();
    const { authority } = await harness.start();
    harness.put(PLUGGED, bothTexts);
    await harness.follow("the authority has changed");
    await harness.pass(180_000);
    harness.cluster.history.restore(backup);
    harness.cutWatches();
    expect(await harness.follow("the old one stays in force")).toContain("authority_root_lost");
    expect(authority.roots()).toEqual([oldRoot, newRoot].map(rootPem));
    harness.put(PLUGGED, bothTexts);
    await harness.pass(5000);
    expect(authority.roots()).toEqual([oldRoot, newRoot].map(rootPem));
  });

  it("may be restored from a backup of before the mesh: the Secret is created again", async () => {
    const backup = harness.cluster.history.backup();
    const { authority } = await harness.start();
    harness.cluster.history.restore(backup);
    harness.cutWatches();
    await harness.follow("created again from memory");
    expect(readText(harness.find(OWN), "ca-cert.pem")).toBe(authority.roots()[0]);
  });
});
