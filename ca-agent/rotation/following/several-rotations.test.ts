import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KINDS } from "../../../kubernetes/kinds.ts";
import { KubernetesApiError } from "../../../kubernetes/kubernetes-api-error.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { NAMESPACE, readText, SecretHarness } from "../../authority/secrets/secret-authority-fixture.ts";
import type { RotationState } from "../rotation-state.ts";
import { ACTIVATE, inForce, PUBLISH, RETIRE, takeStoredStep, untilInForce, wanted } from "./stored-steps-fixture.ts";

const OWN = "istio-ca-secret";
const cleanup = new Cleanup();
let harness: SecretHarness;
beforeEach(() => {
  harness = new SecretHarness(cleanup);
});
afterEach(() => cleanup.run());

async function rotate(steps: readonly (typeof PUBLISH | typeof ACTIVATE | typeof RETIRE)[]): Promise<RotationState> {
  let state: RotationState | undefined;
  for (const step of steps) state = await takeStoredStep(harness, step);
  if (state === undefined) throw new TypeError("there were no steps");
  return state;
}

const WHOLE = [PUBLISH, ACTIVATE, RETIRE];

describe("a control plane that was cut off from the store", () => {
  it.each([
    { name: "two whole rotations", steps: [...WHOLE, ...WHOLE] },
    { name: "one rotation, and a second one that has begun", steps: [...WHOLE, PUBLISH] },
    { name: "one rotation, and a second one whose root signs", steps: [...WHOLE, PUBLISH, ACTIVATE] },
  ])("during $name goes on where the others are: its root has left, and nothing of it is valid", async ({ steps }) => {
    const replica = await harness.start();
    await untilInForce(harness, replica, await takeStoredStep(harness, PUBLISH));
    harness.beforeCall = () => {
      throw new KubernetesApiError("api_unreachable", "connection refused");
    };
    harness.cutWatches();
    const [, ...rest] = steps;
    const state = await rotate(rest);
    harness.beforeCall = () => undefined;
    await untilInForce(harness, replica, state);
    expect(replica.authority.roots()).toEqual(wanted(state).roots);
    expect(replica.log.find("the old one stays in force")).toEqual([]);
  });
});

describe("after two rotations", () => {
  const moments = [
    { name: "before both", taken: [] },
    { name: "before the second", taken: WHOLE },
    { name: "while the first was in progress", taken: [PUBLISH, ACTIVATE] },
  ];
  const all = [...WHOLE, ...WHOLE];

  it.each(moments)("a Secret from $name is refused by a control plane that runs", async ({ taken }) => {
    const replica = await harness.start();
    for (const step of taken) await untilInForce(harness, replica, await takeStoredStep(harness, step));
    const backup = harness.cluster.history.backup();
    for (const step of all.slice(taken.length))
      await untilInForce(harness, replica, await takeStoredStep(harness, step));
    const before = inForce(replica);
    harness.cluster.history.restore(backup);
    harness.cutWatches();
    expect(await harness.follow("the old one stays in force", replica)).toContain("as from a restored backup");
    expect(inForce(replica)).toEqual(before);
  });

  it.each(moments)("a Secret from $name keeps a control plane from starting", async ({ taken }) => {
    await harness.start();
    for (const step of taken) await takeStoredStep(harness, step);
    const backup = harness.cluster.history.backup();
    const state = await rotate(all.slice(taken.length));
    harness.cluster.history.restore(backup);
    harness.publish(...wanted(state).roots);
    void harness.start().catch(() => undefined);
    expect(await harness.follow("cannot be opened yet")).toContain("authority_root_lost");
  });

  it.each([
    { name: "the first root", published: (first: string, _second: string) => [first] },
    { name: "both roots before", published: (first: string, second: string) => [first, second] },
  ])("a ConfigMap that still has $name is older than the Secret: a control plane starts", async ({ published }) => {
    const replica = await harness.start();
    const first = replica.authority.signingRoot();
    const second = (await rotate(WHOLE)).current.certificatePem;
    const state = await rotate(WHOLE);
    harness.publish(...published(first, second));
    expect(inForce(await harness.start())).toEqual(wanted(state));
  });
});

describe("control planes of two versions", () => {
  /** As a later version stores its next state. */
  function storeAsLater(fields: object): void {
    const secret = harness.find(OWN);
    const names = Object.keys(Object(secret?.["data"]));
    const texts = Object.fromEntries(names.map((name) => [name, readText(secret, name) ?? ""]));
    const record = JSON.stringify({ ...JSON.parse(texts["rotation.json"] ?? ""), ...fields });
    harness.put(OWN, { ...texts, "rotation.json": record });
  }

  it("go through a rotation together while they are upgraded: the earlier one follows and takes no step", async () => {
    const replica = await harness.start();
    const backup = await rotate([PUBLISH]);
    storeAsLater({ revision: 2, version: 2, minReaderVersion: 1, policy: "strict" });
    await untilInForce(harness, replica, { ...backup, revision: 2 });
    const before = harness.find(OWN)?.["data"];
    await expect(takeStoredStep(harness, ACTIVATE)).rejects.toThrow(
      /authority_version: .*Secret istio-system.*Upgrade it/,
    );
    expect(harness.find(OWN)?.["data"]).toEqual(before);
    // One that starts now does as well.
    expect((await harness.start()).authority.revision()).toBe(2);
  });

  it("of which the earlier one cannot read the state keep what is in force there, with the reason", async () => {
    const replica = await harness.start();
    await untilInForce(harness, replica, await takeStoredStep(harness, PUBLISH));
    const before = inForce(replica);
    const texts = harness.find(OWN)?.["data"];
    storeAsLater({ revision: 2, version: 3, minReaderVersion: 2 });
    expect(await harness.follow("the old one stays in force", replica)).toMatch(/authority_version.*upgrade it/);
    expect(inForce(replica)).toEqual(before);
    const starting = harness.start();
    expect(await harness.follow("cannot be opened yet")).toContain("written by a later version");
    // The upgrade is rolled back, with the Secret.
    const secret = harness.cluster.get(KINDS.secrets, { namespace: NAMESPACE, name: OWN });
    harness.cluster.replace(KINDS.secrets, { ...secret, data: texts });
    await harness.pass(3000);
    expect(inForce(await starting)).toEqual(before);
  });

  it("lose nothing of a later state when its Secret is deleted: it is stored again as it was", async () => {
    const replica = await harness.start();
    const published = await takeStoredStep(harness, PUBLISH);
    storeAsLater({ revision: 2, version: 2, minReaderVersion: 1, policy: "strict" });
    await untilInForce(harness, replica, { ...published, revision: 2 });
    const before = harness.find(OWN)?.["data"];
    harness.remove(OWN);
    await harness.follow("created again from memory");
    expect(harness.find(OWN)?.["data"]).toEqual(before);
  });
});
