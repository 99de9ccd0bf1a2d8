import { describe, expect, it } from "vitest";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { LEAF_MS, LIMITS, RotationMesh, WHOLE } from "./rotation-mesh-fixture.ts";

/** A mesh whose first control plane leads. */
async function startMesh(controlPlanes = 1) {
  const mesh = new RotationMesh(controlPlanes);
  const [leader, ...others] = mesh.controlPlanes;
  if (leader === undefined) throw new TypeError("there is no control plane");
  await leader.lead();
  return { mesh, leader, others };
}

describe("writing", () => {
  it("is tried again when it fails, with one line for one reason", async () => {
    const { mesh, leader } = await startMesh();
    mesh.store.onSwap = () => {
      throw new Error("the API is away");
    };
    mesh.ask("first");
    await mesh.pass(10_000);
    expect(mesh.phases).toEqual(["steady"]);
    expect(mesh.failures).toBeGreaterThan(5);
    expect(leader.log.find("the API is away")).toHaveLength(1);
    mesh.store.onSwap = () => undefined;
    await mesh.until("published");
  });

  it("never happens twice, though two control planes lead at once", async () => {
    const { mesh, others } = await startMesh(2);
    await others[0]?.lead();
    mesh.ask("first");
    await mesh.until("signing");
    await mesh.until("steady");
    expect(mesh.phases).toEqual(WHOLE);
    expect(mesh.store.history.map(({ revision }) => revision)).toEqual([0, 1, 2, 3, 4]);
    expect([...mesh.faults]).toEqual([]);
  });

  it("does not happen without the right to it", async () => {
    const { mesh, leader } = await startMesh();
    leader.resign();
    mesh.ask("first");
    await mesh.pass(60_000);
    expect(mesh.phases).toEqual(["steady"]);
  });

  it("does not happen when an operator has plugged an authority in", async () => {
    const { mesh } = await startMesh();
    mesh.store.other = { kind: "plugged_in", from: "Secret istio-system/cacerts" };
    mesh.ask("first");
    await mesh.pass(10_000);
    expect([mesh.phases, mesh.failures]).toEqual([["steady"], 0]);
  });
});

describe("a leader that is paused at a write, and wakes up", () => {
  const moments = [1, 2, 3, 4].flatMap((write) =>
    (["the next step", "two steps more", "the end"] as const).map((until) => ({ write, until })),
  );

  it.each(moments)("changes nothing: write $write, after $until of its successor", async ({ write, until }) => {
    const { mesh, others } = await startMesh(2);
    const { promise: pause, resolve: wakeUp } = Promise.withResolvers<void>();
    let writes = 0;
    mesh.store.delaySwap = () => {
      writes += 1;
      return writes === write ? pause : undefined;
    };
    mesh.ask("first");
    while (writes < write) await mesh.pass(500);
    // Its lease has run out, and it does not know: it still takes itself for the leader.
    await others[0]?.lead();
    const wanted =
      until === "the end" ? WHOLE.length : Math.min(WHOLE.length, write + (until === "the next step" ? 1 : 2));
    while (mesh.store.history.length < wanted) await mesh.pass(500);
    wakeUp();
    await settlePromises();
    await mesh.pass(2000);
    if (mesh.store.history.length < WHOLE.length) await mesh.until("steady");
    expect(mesh.phases).toEqual(WHOLE);
    expect([...mesh.faults]).toEqual([]);
  });
});

describe("a request", () => {
  it("that is repeated, or made again while the rotation is in progress, is one rotation", async () => {
    const { mesh } = await startMesh();
    mesh.ask("first");
    await mesh.until("published");
    mesh.ask("first");
    mesh.ask("second");
    await mesh.until("signing");
    mesh.ask("third");
    await mesh.pass(LEAF_MS);
    mesh.ask("third");
    await mesh.until("steady");
    await mesh.pass(LIMITS.publishMs * 2);
    expect(mesh.phases).toEqual(WHOLE);
    expect(mesh.store.state).toMatchObject({ requestId: "third", last: { outcome: "completed" } });
  });
});
