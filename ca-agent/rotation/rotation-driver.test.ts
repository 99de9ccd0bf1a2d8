import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { type ControlPlane, LEAF_MS, LIMITS, RotationMesh, WHOLE } from "./rotation-mesh-fixture.ts";
import { fingerprintOf, trustedRoots } from "./rotation-state.ts";

const TEN_YEARS_MS = 3650 * 86_400_000;

/** A mesh whose first control plane leads. */
async function startMesh(controlPlanes = 1) {
  const mesh = new RotationMesh(controlPlanes);
  const [leader, ...others] = mesh.controlPlanes;
  if (leader === undefined) throw new TypeError("there is no control plane");
  await leader.lead();
  return { mesh, leader, others };
}

function signingRoot({ store }: RotationMesh): string {
  return fingerprintOf(store.state.current.certificatePem);
}

describe("a rotation by request", () => {
  it("ends with the new root alone, and every sidecar trusts every other at every moment", async () => {
    const { mesh, leader } = await startMesh(2);
    const before = signingRoot(mesh);
    mesh.ask("first");
    await settlePromises();
    expect(mesh.store.state.kind).toBe("published");
    await mesh.until("signing");
    await mesh.until("steady");
    expect(mesh.phases).toEqual(WHOLE);
    expect([...mesh.faults]).toEqual([]);
    const after = signingRoot(mesh);
    expect(after).not.toBe(before);
    await mesh.pass(1000);
    expect(mesh.sidecars.map(({ trusts, leaf }) => [[...trusts], leaf.root])).toEqual(
      mesh.sidecars.map(() => [[after], after]),
    );
    expect(leader.log.find("goes on").map(({ fields }) => fields["to"])).toEqual(WHOLE.slice(1));
  });

  it("is answered once", async () => {
    const { mesh } = await startMesh();
    mesh.ask("first");
    await mesh.until("signing");
    await mesh.until("steady");
    await mesh.pass(60_000);
    expect(mesh.phases).toEqual(WHOLE);
    mesh.ask("second");
    await mesh.until("signing");
    await mesh.until("steady");
    expect(mesh.store.state.requestId).toBe("second");
    expect([...mesh.faults]).toEqual([]);
  });

  it("waits for a sidecar that does not take the new root, says so now and then, and goes on in the end", async () => {
    const { mesh, leader } = await startMesh();
    const [deaf] = mesh.sidecars;
    if (deaf !== undefined) deaf.mood = "deaf";
    mesh.ask("first");
    await mesh.pass(LIMITS.publishLimitMs - 1000);
    expect(mesh.phases).toEqual(["steady", "published"]);
    const lines = leader.log.find("1 of 2 sidecars");
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(LIMITS.publishLimitMs / 60_000);
    await mesh.pass(3000);
    expect(mesh.store.state.kind).toBe("signing");
    // It verifies the others by the cross-signed root.
    expect([...mesh.faults]).toEqual([]);
  });

  it("does not go on before a control plane that has started was found again by its sidecars", async () => {
    const { mesh } = await startMesh();
    mesh.ask("first");
    await mesh.pass(LIMITS.publishMs - 1000);
    mesh.addControlPlane();
    await mesh.pass(LIMITS.settleMs - 500);
    expect(mesh.store.state.kind).toBe("published");
    await mesh.pass(2000);
    expect(mesh.store.state.kind).toBe("signing");
  });

  it("does not end while a control plane is silent that may still sign with the old root", async () => {
    const { mesh, others } = await startMesh(2);
    mesh.ask("first");
    await mesh.pass(2000);
    const [silent] = others;
    if (silent !== undefined) silent.network = "away";
    await mesh.until("signing");
    await mesh.pass(LEAF_MS + LIMITS.clockErrorMs + LEAF_MS);
    expect(mesh.store.state.kind).toBe("signing");
    if (silent !== undefined) silent.network = "up";
    await mesh.until("steady");
    expect([...mesh.faults]).toEqual([]);
  });
});

describe("a rotation by age", () => {
  it("begins when a fifth of the root's life is left, and then happens without anybody", async () => {
    const { mesh } = await startMesh();
    mesh.clock.jump(TEN_YEARS_MS * 0.79);
    await mesh.pass(5000);
    expect(mesh.phases).toEqual(["steady"]);
    mesh.clock.jump(TEN_YEARS_MS * 0.02);
    // Their certificates have expired meanwhile.
    for (const sidecar of mesh.sidecars) sidecar.live();
    await mesh.until("published");
    await mesh.pass(LIMITS.earlyPublishMs - 5000);
    expect(mesh.phases).toEqual(["steady", "published"]);
    await mesh.until("signing");
    await mesh.until("steady");
    expect(mesh.phases).toEqual(WHOLE);
    expect([...mesh.faults]).toEqual([]);
    await mesh.pass(10_000);
    expect(mesh.phases).toEqual(WHOLE);
  });
});

describe("a rotation that fails", () => {
  it.each([
    { name: "the new root cannot be used", act: (mesh: RotationMesh) => (mesh.fault = "it may not sign") },
    { name: "it is asked for", act: (mesh: RotationMesh) => mesh.ask("back", "roll_back") },
    {
      name: "sidecars reject the new root",
      act: (mesh: RotationMesh) => {
        for (const sidecar of mesh.sidecars) sidecar.mood = "rejects";
      },
    },
  ])("goes back before the new root has signed: $name", async ({ act }) => {
    const { mesh, leader } = await startMesh();
    const before = signingRoot(mesh);
    mesh.ask("first");
    await mesh.pass(1000);
    act(mesh);
    await mesh.until("steady");
    expect([signingRoot(mesh), mesh.phases]).toEqual([before, ["steady", "published", "steady"]]);
    expect(trustedRoots(mesh.store.state)).toHaveLength(1);
    expect(leader.log.find("rolled back")).toMatchObject([{ level: "error" }]);
    await mesh.pass(20_000);
    expect([...mesh.faults]).toEqual([]);
  });

  it("goes back when the new root signs already, and keeps trusting it until its leaves have expired", async () => {
    const { mesh } = await startMesh();
    const before = signingRoot(mesh);
    mesh.ask("first");
    await mesh.until("signing");
    await mesh.pass(LEAF_MS * 0.7);
    mesh.ask("back", "roll_back");
    await mesh.until("withdrawing");
    expect(signingRoot(mesh)).toBe(before);
    await mesh.until("steady");
    expect([...mesh.faults]).toEqual([]);
    expect(mesh.sidecars.every(({ trusts }) => trusts.size === 2 || trusts.has(before))).toBe(true);
  });
});

describe("a request to rotate that comes while a root is withdrawn", () => {
  it("is carried out afterwards, and is not reported as rolled back", async () => {
    const { mesh } = await startMesh();
    mesh.ask("first");
    await mesh.until("signing");
    mesh.ask("back", "roll_back");
    await mesh.until("withdrawing");
    mesh.ask("again");
    await mesh.until("steady");
    expect(mesh.store.state).toMatchObject({
      requestId: "back",
      last: { outcome: "rolled_back", reason: "requested" },
    });
    await mesh.until("signing");
    await mesh.until("steady");
    expect(mesh.store.state).toMatchObject({ requestId: "again", last: { outcome: "completed" } });
    expect([...mesh.faults]).toEqual([]);
  });
});

describe("a crash", () => {
  const moments = [1, 2, 3, 4].flatMap((write) => (["before", "after"] as const).map((moment) => ({ write, moment })));

  it.each(moments)("of the leader $moment write $write is survived", async ({ write, moment }) => {
    const { mesh, leader, others } = await startMesh(2);
    let writes = 0;
    mesh.store.onSwap = (now) => {
      if (now === "before") writes += 1;
      if (writes !== write || now !== moment || !mesh.controlPlanes.includes(leader)) return;
      mesh.kill(leader);
      throw new Error("killed");
    };
    mesh.ask("first");
    while (mesh.controlPlanes.includes(leader)) await mesh.pass(500);
    // The lease runs out.
    await mesh.pass(15_000);
    await others[0]?.lead();
    mesh.addControlPlane();
    if (mesh.store.state.kind !== "steady" || mesh.store.state.last === undefined) {
      await mesh.until("signing");
      await mesh.until("steady");
    }
    expect(mesh.phases).toEqual(WHOLE);
    expect([...mesh.faults]).toEqual([]);
  });

  it.each(["published", "signing"] as const)("of all control planes in the phase %s is survived", async (phase) => {
    const { mesh, leader } = await startMesh();
    mesh.ask("first");
    await mesh.until(phase);
    const next = mesh.addControlPlane();
    mesh.kill(leader);
    await next.lead();
    if (phase === "published") await mesh.until("signing");
    await mesh.until("steady");
    expect(mesh.phases).toEqual(WHOLE);
    expect([...mesh.faults]).toEqual([]);
  });
});

/** What may happen in a mesh. `nth` makes each request another one. */
const EVENTS: Readonly<Record<string, (mesh: RotationMesh, one: ControlPlane, nth: number) => unknown>> = {
  kill: (mesh, one) => mesh.controlPlanes.length > 1 && mesh.kill(one),
  add: (mesh) => mesh.addControlPlane(),
  silence: (_mesh, one) => {
    one.network = "away";
  },
  hear: (_mesh, one) => {
    one.network = "up";
  },
  lead: (_mesh, one) => one.lead(),
  resign: (_mesh, one) => one.resign(),
  ask: (mesh, _one, nth) => mesh.ask(`${nth}`),
  "ask back": (mesh, _one, nth) => mesh.ask(`${nth}`, "roll_back"),
  fail: (mesh) => {
    mesh.store.onSwap = failing;
  },
  heal: (mesh) => {
    mesh.store.onSwap = () => undefined;
  },
};

it("whichever control plane leads, dies or falls silent, no sidecar is cut off", async () => {
  const act = fc.constantFrom(...Object.keys(EVENTS));
  const events = fc.array(fc.record({ act, who: fc.nat(5), waitMs: fc.integer({ min: 0, max: 30_000 }) }), {
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(events, async (all) => {
      const { mesh } = await startMesh(2);
      mesh.ask("first");
      for (const [nth, { act: name, who, waitMs }] of all.entries()) {
        const one = mesh.controlPlanes[who % mesh.controlPlanes.length];
        if (one !== undefined) await EVENTS[name]?.(mesh, one, nth);
        await mesh.pass(waitMs);
      }
      mesh.store.onSwap = () => undefined;
      for (const one of mesh.controlPlanes) one.network = "up";
      await mesh.controlPlanes[0]?.lead();
      await mesh.pass(5000);
      await mesh.until("steady");
      expect([...mesh.faults]).toEqual([]);
    }),
    { numRuns: 10 },
  );
});

function failing(): never {
  throw new Error("the API is away");
}
