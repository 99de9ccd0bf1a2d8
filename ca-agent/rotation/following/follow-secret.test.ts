import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KINDS } from "../../../kubernetes/kinds.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { NAMESPACE, type Replica, readText, SecretHarness } from "../../authority/secrets/secret-authority-fixture.ts";
import { mintOwnRoot } from "../rotation-fixture.ts";
import { type RotationState, trustedRoots } from "../rotation-state.ts";
import {
  ACTIVATE,
  inForce,
  PUBLISH,
  RETIRE,
  ROLL_BACK,
  type StepPlan,
  takeStoredStep,
  untilInForce,
  wanted,
} from "./stored-steps-fixture.ts";

const OWN = "istio-ca-secret";
const cleanup = new Cleanup();
let harness: SecretHarness;
beforeEach(() => {
  harness = new SecretHarness(cleanup);
});
afterEach(() => cleanup.run());

const take = (plan: StepPlan) => takeStoredStep(harness, plan);
const untilFollowed = (replica: Replica, state: RotationState) => untilInForce(harness, replica, state);

describe("a rotation in the Secret", () => {
  it.each([
    { name: "to its end", plans: [PUBLISH, ACTIVATE, RETIRE] },
    { name: "back before the new root signs", plans: [PUBLISH, ROLL_BACK] },
    { name: "back after the new root has signed", plans: [PUBLISH, ACTIVATE, ROLL_BACK, RETIRE] },
    { name: "twice", plans: [PUBLISH, ACTIVATE, RETIRE, PUBLISH, ACTIVATE, RETIRE] },
  ])("is followed by every control plane within a second, and opened by one that starts: $name", async ({ plans }) => {
    const replicas = [await harness.start(), await harness.start()];
    for (const plan of plans) {
      const beganMs = harness.clock.monotonicMs();
      const state = await take(plan);
      for (const replica of replicas) {
        await untilFollowed(replica, state);
        expect(inForce(replica)).toEqual(wanted(state));
      }
      expect(harness.clock.monotonicMs() - beganMs).toBeLessThanOrEqual(1000);
      expect(inForce(await harness.start())).toEqual(wanted(state));
    }
    expect(replicas.flatMap(({ log }) => log.find("refused"))).toEqual([]);
  });

  it.each([
    { name: "published", plans: [PUBLISH] },
    { name: "signing", plans: [PUBLISH, ACTIVATE] },
    { name: "withdrawing", plans: [PUBLISH, ACTIVATE, ROLL_BACK] },
  ])("that is $name is created again from memory, whole, after the Secret was deleted", async ({ plans }) => {
    const replica = await harness.start();
    for (const plan of plans) await untilFollowed(replica, await take(plan));
    const before = harness.find(OWN)?.["data"];
    harness.remove(OWN);
    await harness.follow("created again from memory");
    expect(harness.find(OWN)?.["data"]).toEqual(before);
  });

  it("leaves the old certificate and the new ones readable to an Istio or an earlier version", async () => {
    await harness.start();
    await take(PUBLISH);
    const state = await take(ACTIVATE);
    expect(readText(harness.find(OWN), "ca-cert.pem")).toBe(state.current.certificatePem);
    expect(readText(harness.find(OWN), "root-cert.pem")).toBe(trustedRoots(state).join(""));
    expect(readText(harness.find(OWN), "key.pem")).toBe("");
  });

  it("never appears in a log with a key", async () => {
    const { log } = await harness.start();
    for (const plan of [PUBLISH, ACTIVATE, RETIRE]) await take(plan);
    harness.put(OWN, { "ca-cert.pem": "garbage" });
    await harness.follow("the old one stays in force");
    expect(JSON.stringify(log.find(""))).not.toContain("PRIVATE KEY");
  });
});

describe("an etcd that is restored from before the rotation", () => {
  async function rotate(replica: Replica, plans: readonly (typeof PUBLISH | typeof ACTIVATE | typeof RETIRE)[]) {
    for (const plan of plans) await untilFollowed(replica, await take(plan));
  }

  it.each([
    { name: "while the new root signs", plans: [PUBLISH, ACTIVATE] },
    { name: "after its end", plans: [PUBLISH, ACTIVATE, RETIRE] },
  ])("$name, does not make a running control plane go back: certificates of the new root exist", async ({ plans }) => {
    const replica = await harness.start();
    const backup = harness.cluster.history.backup();
    await rotate(replica, plans);
    const before = inForce(replica);
    harness.cluster.history.restore(backup);
    harness.cutWatches();
    const refusal = await harness.follow("the old one stays in force", replica);
    expect(refusal).toContain("an earlier state than the one in force, as from a restored backup");
    expect(refusal).toContain("add it");
    expect(inForce(replica)).toEqual(before);
    expect(replica.authority.refusal()).toMatch(/^authority_root_lost: Secret istio-system\/istio-ca-secret: .*add it/);
  });

  it("is followed once the new root was added to the bundle: both are trusted", async () => {
    const replica = await harness.start();
    const backup = harness.cluster.history.backup();
    await rotate(replica, [PUBLISH, ACTIVATE, RETIRE]);
    const [next = ""] = replica.authority.roots();
    harness.cluster.history.restore(backup);
    harness.cutWatches();
    await harness.follow("the old one stays in force", replica);
    const [certificate = "", key = ""] = ["ca-cert.pem", "ca-key.pem"].map((name) => readText(harness.find(OWN), name));
    harness.put(OWN, { "ca-cert.pem": certificate, "ca-key.pem": key, "root-cert.pem": certificate + next });
    while (replica.authority.roots().length < 2) await harness.pass(100);
    expect(replica.authority.roots()).toEqual([certificate, next]);
    expect(replica.authority.refusal()).toBeUndefined();
    // A control plane that starts now agrees.
    harness.publish(certificate, next);
    expect((await harness.start()).authority.roots()).toEqual([certificate, next]);
  });

  it.each([
    { name: "while both roots are published", published: (old: string, next: string) => [old, next] },
    { name: "while only the new root is published", published: (_old: string, next: string) => [next] },
  ])("$name, keeps a control plane from starting, which says what to do", async ({ published }) => {
    const replica = await harness.start();
    const backup = harness.cluster.history.backup();
    const [old = ""] = replica.authority.roots();
    await rotate(replica, [PUBLISH, ACTIVATE]);
    const [next = ""] = replica.authority.roots();
    harness.cluster.history.restore(backup);
    harness.publish(...published(old, next));
    const starting = harness.start();
    const reason = await harness.follow("cannot be opened yet");
    expect(reason).toContain("authority_root_lost");
    expect(reason).toMatch(/add (that|the published) root to its/);
    const [certificate = "", key = ""] = ["ca-cert.pem", "ca-key.pem"].map((name) => readText(harness.find(OWN), name));
    harness.put(OWN, { "ca-cert.pem": certificate, "ca-key.pem": key, "root-cert.pem": old + next });
    await harness.pass(3000);
    expect((await starting).authority.roots()).toEqual([old, next]);
  });
});

describe("a control plane starts in the moment", () => {
  it("after the end of a rotation, while the old root is still published", async () => {
    const replica = await harness.start();
    const [old = ""] = replica.authority.roots();
    await take(PUBLISH);
    await take(ACTIVATE);
    const state = await take(RETIRE);
    harness.publish(...trustedRoots(state), old);
    expect(inForce(await harness.start())).toEqual(wanted(state));
  });

  it("after a rotation was rolled back, while the new root is still published", async () => {
    await harness.start();
    const published = await take(PUBLISH);
    const state = await take(ROLL_BACK);
    harness.publish(...trustedRoots(published));
    expect(inForce(await harness.start())).toEqual(wanted(state));
  });
});

describe("a root that is replaced by force", () => {
  const forced = mintOwnRoot();
  const texts = {
    "ca-cert.pem": forced.certificatePem,
    "ca-key.pem": forced.keyPem,
    "root-cert.pem": forced.certificatePem,
  };

  it.each([
    { name: "before a rotation", plans: [] },
    { name: "published", plans: [PUBLISH] },
    { name: "signing", plans: [PUBLISH, ACTIVATE] },
    { name: "withdrawing", plans: [PUBLISH, ACTIVATE, ROLL_BACK] },
  ])("$name, is refused whole, and what was in force stays", async ({ plans }) => {
    const replica = await harness.start();
    for (const plan of plans) await untilFollowed(replica, await take(plan));
    const before = inForce(replica);
    harness.put(OWN, texts);
    expect(await harness.follow("the old one stays in force", replica)).toContain("authority_root_lost");
    expect(inForce(replica)).toEqual(before);
  });

  it("by hand is followed if both roots are in the bundle, and the record of earlier rotations is removed", async () => {
    const replica = await harness.start();
    for (const plan of [PUBLISH, ACTIVATE, RETIRE]) await untilFollowed(replica, await take(plan));
    const [present = ""] = replica.authority.roots();
    harness.put(OWN, { ...texts, "root-cert.pem": present + forced.certificatePem });
    while (replica.authority.roots().length < 2) await harness.pass(100);
    expect(replica.authority.signingRoot()).toBe(present);
    await harness.pass(180_000);
    expect(replica.authority.signingRoot()).toBe(forced.certificatePem);
  });

  it.each([
    { name: "the certificate alone", change: { "ca-cert.pem": forced.certificatePem }, reason: "is not the root" },
    {
      name: "an emptied bundle",
      change: { "root-cert.pem": "" },
      reason: "root-cert.pem of Secret istio-system/istio-ca-secret is missing",
    },
    { name: "an emptied record", change: { "rotation.json": "" }, reason: "rotation.json is missing" },
  ])("in part is refused as well: $name", async ({ change, reason }) => {
    const replica = await harness.start();
    for (const plan of [PUBLISH, ACTIVATE]) await untilFollowed(replica, await take(plan));
    const before = inForce(replica);
    const secret = harness.cluster.get(KINDS.secrets, { namespace: NAMESPACE, name: OWN });
    const names = Object.keys(Object(secret["data"]));
    const present = Object.fromEntries(names.map((name) => [name, readText(secret, name) ?? ""]));
    harness.put(OWN, { ...present, ...change });
    expect(await harness.follow("the old one stays in force", replica)).toContain(reason);
    expect(inForce(replica)).toEqual(before);
  });
});
