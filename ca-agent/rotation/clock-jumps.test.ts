import { describe, expect, it } from "vitest";
import { PhaseClock } from "./phase-clock.ts";
import { DAY_MS, PUBLISHED, SIGNING, STEADY } from "./rotation-fixture.ts";
import { LEAF_MS, LIMITS, RotationMesh } from "./rotation-mesh-fixture.ts";

const STEP_MS = 500;

/** A mesh whose first control plane leads, with a rotation that has reached a phase. */
async function startMesh(phase: "published" | "signing" | "withdrawing") {
  const mesh = new RotationMesh(2);
  const [leader, other] = mesh.controlPlanes;
  if (leader === undefined || other === undefined) throw new TypeError("a control plane is missing");
  await leader.lead();
  mesh.ask("first");
  await mesh.until(phase === "withdrawing" ? "signing" : phase);
  if (phase === "withdrawing") mesh.ask("back", "roll_back");
  await mesh.until(phase);
  return { mesh, leader, other };
}

/** A clock that is behind is corrected after a moment: until then no root is valid yet, so that no step is taken. */
async function setClock(mesh: RotationMesh, byMs: number): Promise<void> {
  const renewAll = () => {
    // Certificates of another time would be expired by this one.
    for (const sidecar of mesh.sidecars) sidecar.renew();
  };
  mesh.clock.jump(byMs);
  renewAll();
  if (byMs > 0) return;
  await mesh.pass(2 * STEP_MS);
  mesh.clock.jump(-byMs);
  renewAll();
}

/** Real time until a phase is over, as far as no certificate may be left and pods receive the root. */
const LEAST_MS = { published: LIMITS.publishMs, signing: LEAF_MS, withdrawing: LEAF_MS };
const CASES = (["published", "signing", "withdrawing"] as const).flatMap((phase) =>
  [-400 * DAY_MS, -DAY_MS, DAY_MS, 400 * DAY_MS].map((byMs) => ({ phase, byMs })),
);

describe("the wall clock of the leader, set by a day or a year", () => {
  it.each(CASES)("does not shorten the phase $phase: $byMs ms", async ({ phase, byMs }) => {
    const { mesh } = await startMesh(phase);
    const beganMs = mesh.clock.monotonicMs();
    await setClock(mesh, byMs);
    while (mesh.store.state.kind === phase) await mesh.pass(STEP_MS);
    expect(mesh.clock.monotonicMs() - beganMs).toBeGreaterThanOrEqual(LEAST_MS[phase] - STEP_MS);
    expect([...mesh.faults]).toEqual([]);
  });

  it.each(CASES)("does not shorten the phase $phase for the next leader: $byMs ms", async ({ phase, byMs }) => {
    const { mesh, leader, other } = await startMesh(phase);
    const beganMs = mesh.clock.monotonicMs();
    mesh.kill(leader);
    await setClock(mesh, byMs);
    await other.lead();
    while (mesh.store.state.kind === phase) await mesh.pass(STEP_MS);
    expect(mesh.clock.monotonicMs() - beganMs).toBeGreaterThanOrEqual(LEAST_MS[phase] - STEP_MS);
    expect([...mesh.faults]).toEqual([]);
  });

  it.each(["published", "signing"] as const)("does not shorten the phase %s after a restart of all", async (phase) => {
    const { mesh, leader, other } = await startMesh(phase);
    const next = mesh.addControlPlane();
    for (const one of [leader, other]) mesh.kill(one);
    const beganMs = mesh.clock.monotonicMs();
    await setClock(mesh, DAY_MS);
    await next.lead();
    while (mesh.store.state.kind === phase) await mesh.pass(STEP_MS);
    // What had passed before was not stored: it begins anew.
    expect(mesh.clock.monotonicMs() - beganMs).toBeGreaterThanOrEqual(LEAST_MS[phase]);
    expect([...mesh.faults]).toEqual([]);
  });
});

describe("the time of a phase", () => {
  it("counts from the first sight of the stored state, on what was stored", () => {
    let nowMs = 1000;
    const phases = new PhaseClock({ monotonicMs: () => nowMs });
    expect(phases.phaseMs({ ...PUBLISHED, countedMs: 500 })).toBe(500);
    nowMs += 250;
    expect(phases.phaseMs({ ...PUBLISHED, countedMs: 500 })).toBe(750);
  });

  it("goes on for the state that was read last while a report still shows the one before", () => {
    let nowMs = 0;
    const phases = new PhaseClock({ monotonicMs: () => nowMs });
    phases.phaseMs(SIGNING);
    nowMs += 250;
    expect(phases.peekMs(PUBLISHED)).toBe(PUBLISHED.countedMs);
    expect(phases.peekMs(SIGNING)).toBe(SIGNING.countedMs + 250);
    expect(phases.phaseMs(SIGNING)).toBe(SIGNING.countedMs + 250);
  });

  it.each([
    { name: "the next phase", next: SIGNING },
    { name: "the same phase of another rotation", next: { ...PUBLISHED, revision: 9 } },
    { name: "a state that was stored again", next: { ...PUBLISHED, countedMs: 400 } },
    { name: "a restored one with the same revision", next: { ...PUBLISHED, sinceMs: 1 } },
    { name: "the end", next: STEADY },
  ])("begins anew with $name", ({ next }) => {
    let nowMs = 0;
    const phases = new PhaseClock({ monotonicMs: () => nowMs });
    phases.phaseMs(PUBLISHED);
    nowMs += DAY_MS;
    expect(phases.phaseMs(next)).toBe("countedMs" in next ? next.countedMs : 0);
  });
});
