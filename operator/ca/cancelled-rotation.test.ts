import { describe, expect, it, onTestFinished } from "vitest";
import { CONTROL_HOMES, ControlHomes } from "../../ca-agent/control/control-homes-fixture.ts";
import { planFor } from "../../ca-agent/rotation/plan-rotation-fixture.ts";
import { PUBLISHED, STEADY as STEADY_STATE } from "../../ca-agent/rotation/rotation-fixture.ts";
import { judgeRotation } from "./follow-rotation.ts";
import { at, authority, NOW_MS, replica, rotating, STEADY } from "./replica-fixture.ts";
import { requestRotation } from "./request-rotation.ts";

describe.each(CONTROL_HOMES)("with $name, a requested rotation that has not begun", ({ open }) => {
  it("is cancelled: no control plane begins with it, and one that just has goes back", async () => {
    const homes = new ControlHomes();
    onTestFinished(() => homes.end());
    const { store } = open(homes);
    const planned = async () => {
      const { rotation } = await store.read();
      const request = rotation && { kind: rotation.kind ?? "rotate", requestId: rotation.requestId };
      return [STEADY_STATE, PUBLISHED].map((state) => planFor({ state, evidence: { request }, afterMs: 0 }).kind);
    };
    await requestRotation(store, [authority()], { requestId: "r2", requestedAt: at(0) });
    expect(await planned()).toEqual(["step", "wait"]);
    const back = { kind: "roll_back", requestedAt: at(0) } as const;
    const cancelled = await requestRotation(store, [authority()], { ...back, requestId: "r3" });
    expect(cancelled).toEqual({ requestId: "r3", isNew: true, cancelled: "r2" });
    expect(await planned()).toEqual(["wait", "roll_back"]);
    await expect(requestRotation(store, [authority()], { ...back, requestId: "r4" })).rejects.toThrow("or requested");
  });
});

describe("to follow a request to go back that has cancelled another one", () => {
  const request = { kind: "roll_back", requestId: "r", cancelled: "r1" } as const;
  const steady = (requestId: string, rolledBack: string | null = null) =>
    authority({ rotation: { ...STEADY, requestId, rolledBack } });
  it.each([
    { name: "none has begun", status: steady("r0"), kind: "done", text: "cancelled: no rotation has begun" },
    {
      name: "one before it is still withdrawn",
      status: authority({ rotation: { ...STEADY, phase: "withdrawing", requestId: "r0", rolledBack: "x" } }),
      ...{ kind: "done", text: "cancelled: no rotation has begun" },
    },
    {
      name: "one has begun at that moment",
      status: rotating("published", { requestId: "r1" }),
      kind: "running",
      text: "published",
    },
    { name: "that has gone back", status: steady("r", "requested"), kind: "done", text: "rolled back on request" },
  ])("is $kind if $name", ({ status, kind, text }) => {
    const progress = judgeRotation(request, [replica("a", status)], { nowMs: NOW_MS, hasBegun: false });
    expect(progress).toMatchObject({ kind, text: expect.stringContaining(text) });
  });
});
