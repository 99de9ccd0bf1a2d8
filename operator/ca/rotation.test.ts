import { describe, expect, it } from "vitest";
import type { RotationStatus } from "../../ca-agent/authority/authority-status.ts";
import { type ControlState, EMPTY_CONTROL_STATE } from "../../ca-agent/control/control-state.ts";
import type { ControlStore } from "../../ca-agent/control/control-store.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { followRotation, judgeRotation } from "./follow-rotation.ts";
import type { AuthorityReplica } from "./read-authority.ts";
import { at, authority, NOW_MS, replica, rotating, STEADY, silentReplica } from "./replica-fixture.ts";
import { decideRotationRequest, type RotationKind, requestRotation } from "./request-rotation.ts";

const asked = (requestId: string, kind?: "roll_back"): ControlState => ({
  ...EMPTY_CONTROL_STATE,
  rotation: { ...(kind && { kind }), requestId, requestedAt: at(-1) },
});
const steady = (requestId: string, rolledBack: string | null = null) =>
  authority({ rotation: { ...STEADY, requestId, rolledBack } });

describe("a request to replace the root", () => {
  it.each([
    { name: "nothing is in progress", control: EMPTY_CONTROL_STATE, authorities: [authority()], kind: "request" },
    { name: "the last one is done", control: asked("r1"), authorities: [steady("r1")], kind: "request" },
    { name: "the last one was rolled back", control: asked("r1"), authorities: [steady("r1", "x")], kind: "request" },
    { name: "one is not begun yet", control: asked("r2"), authorities: [steady("r1")], kind: "join", requestId: "r2" },
    {
      name: "one is in progress at any control plane",
      control: asked("r1"),
      authorities: [authority(), rotating("signing", { requestId: "r1" })],
      kind: "join",
      requestId: "r1",
    },
    {
      name: "the new root signs already because of the old one's age",
      control: EMPTY_CONTROL_STATE,
      authorities: [rotating("signing", { cause: "age" })],
      kind: "join",
      requestId: null,
    },
    {
      name: "one is published because of the root's age, and would sign a week later",
      control: EMPTY_CONTROL_STATE,
      authorities: [rotating("published", { cause: "age" })],
      kind: "request",
    },
    {
      name: "that was requested already",
      control: asked("r2"),
      authorities: [rotating("published", { cause: "age", requestId: "r1" })],
      kind: "join",
      requestId: "r2",
    },
  ])("is a $kind if $name", ({ control, authorities, ...expected }) => {
    const { name: _, ...decision } = expected;
    expect(decideRotationRequest("rotate", control, authorities)).toEqual(decision);
  });

  it.each([
    { name: "no control plane could be asked", authorities: [], message: "nothing was requested" },
    {
      name: "the root is the operator's own",
      authorities: [authority(), authority({ rotation: null })],
      message: /operator's own .*both roots in root-cert\.pem.*the new root alone/,
    },
  ])("is refused if $name", ({ authorities, message }) => {
    expect(() => decideRotationRequest("rotate", EMPTY_CONTROL_STATE, authorities)).toThrow(message);
  });

  it.each<{ name: string; control: ControlState; phase: RotationStatus["phase"]; outcome: string }>([
    { name: "one is in progress", control: asked("r1"), phase: "published", outcome: "request" },
    { name: "the new root signs", control: asked("r1"), phase: "signing", outcome: "request" },
    { name: "to go back is asked for already", control: asked("r2", "roll_back"), phase: "signing", outcome: "join" },
    { name: "one is requested and not begun", control: asked("r2"), phase: "steady", outcome: "cancel" },
    { name: "the next one is requested after it", control: asked("r2"), phase: "withdrawing", outcome: "cancel" },
    { name: "another one is in progress", control: asked("r2"), phase: "signing", outcome: "request" },
    {
      name: "the request was cancelled",
      control: asked("r2", "roll_back"),
      phase: "steady",
      outcome: "no rotation is in",
    },
    { name: "none is in progress", control: asked("r1"), phase: "steady", outcome: "no rotation is in progress" },
    { name: "it was rolled back", control: asked("r1"), phase: "withdrawing", outcome: "no rotation is in progress" },
  ])("to go back if $name: $outcome", ({ control, phase, outcome }) => {
    const decide = () =>
      decideRotationRequest("roll_back", control, [authority({ rotation: { ...STEADY, phase, requestId: "r1" } })])
        .kind;
    if (outcome.includes(" ")) expect(decide).toThrow(outcome);
    else expect(decide()).toBe(outcome);
  });

  it.each([
    { name: "came too late", phase: "steady", outcome: "request" },
    {
      name: "was answered, and the other root's certificates are still valid",
      phase: "withdrawing",
      outcome: "request",
    },
    { name: "is not answered yet", phase: "signing", outcome: "join" },
  ] as const)("after one to go back that $name is a $outcome", ({ phase, outcome }) => {
    const authorities = [authority({ rotation: { ...STEADY, phase, requestId: "r1" } })];
    expect(decideRotationRequest("rotate", asked("r2", "roll_back"), authorities).kind).toBe(outcome);
  });

  it("by two callers at once is one", async () => {
    let stored = EMPTY_CONTROL_STATE;
    // Each change is made twice, as after a conflict, and on what the other caller has stored in between.
    const store: ControlStore = {
      read: async () => stored,
      update: async (change) => {
        change(stored);
        await Promise.resolve();
        stored = change(stored);
        return stored;
      },
    };
    const request = (requestId: string) => requestRotation(store, [authority()], { requestId, requestedAt: at(0) });
    const both = await Promise.all([request("a"), request("b")]);
    expect(both).toEqual([
      { requestId: "a", isNew: true },
      { requestId: "a", isNew: false },
    ]);
    expect(stored.rotation?.requestId).toBe("a");
  });
});

describe("the progress of a rotation", () => {
  it.each<{ name: string; replicas: readonly AuthorityReplica[]; kind: string; text: string }>([
    { name: "requested", replicas: [replica("a")], kind: "running", text: "the control planes have not begun yet" },
    {
      name: "requested of a leader that cannot begin",
      replicas: [replica("a"), replica("b", authority({ rotation: { ...STEADY, fault: "its clock is wrong" } }))],
      kind: "running",
      text: "requested: b.istio-system cannot rotate the root, and tries again: its clock is wrong",
    },
    {
      name: "published",
      replicas: [replica("a", rotating("published", { requestId: "r", waiting: "1 of 2 proxies" }))],
      kind: "running",
      text: "published for 3m; waits: 1 of 2 proxies",
    },
    {
      name: "done at one control plane, and still in a phase at another one",
      replicas: [replica("a", steady("r")), replica("b", rotating("signing", { requestId: "r" }))],
      kind: "running",
      text: "signing",
    },
    {
      name: "done at one control plane, and not read by another one",
      replicas: [replica("a", steady("r")), replica("b")],
      kind: "running",
      text: "not yet read by b.istio-system",
    },
    { name: "done", replicas: [replica("a", steady("r")), silentReplica("b")], kind: "done", text: "done" },
    {
      name: "rolled back",
      replicas: [replica("a", steady("r", "proxies reject it"))],
      kind: "failed",
      text: "rolled back: proxies reject it; the old root signs",
    },
    {
      name: "rolled back, and the certificates of the new root are still trusted",
      replicas: [
        replica("a", authority({ rotation: { ...STEADY, phase: "withdrawing", requestId: "r", rolledBack: "x" } })),
      ],
      kind: "failed",
      text: "rolled back: x; the old root signs",
    },
    {
      name: "another one rolled back before it",
      replicas: [replica("a", steady("before", "x"))],
      kind: "running",
      text: "not begun yet",
    },
    {
      name: "unknown",
      replicas: [silentReplica("a")],
      kind: "running",
      text: "no control plane can be asked: a.istio-system: connection refused",
    },
  ])("is $kind if it is $name", ({ replicas, kind, text }) => {
    const progress = judgeRotation({ kind: "rotate", requestId: "r" }, replicas, { nowMs: NOW_MS, hasBegun: false });
    expect(progress).toMatchObject({ kind, text: expect.stringContaining(text) });
  });

  /** What is printed while a rotation goes through these states, one a round. */
  async function follow(
    rounds: readonly (readonly AuthorityReplica[])[],
    timeoutMs?: number,
    kind: RotationKind = "rotate",
  ) {
    const clock = new FakeClock();
    const lines: string[] = [];
    let round = 0;
    const outcome = await followRotation({
      request: { kind, requestId: "r" },
      read: async () => rounds[Math.min(round, rounds.length - 1)] ?? [],
      onProgress: (line) => lines.push(line),
      timeoutMs,
      clock,
      pause: async (delayMs) => {
        round += 1;
        await clock.advance(delayMs);
      },
      signal: new AbortController().signal,
    });
    return { lines, outcome, round };
  }

  it("is followed to its end, with a line for each stage and not for each round", async () => {
    const waits = (waiting: string) => [replica("a", rotating("published", { requestId: "r", since: null, waiting }))];
    const { lines, outcome } = await follow([
      [replica("a")],
      [replica("a")],
      waits("2 left"),
      waits("1 left"),
      [replica("a", rotating("signing", { requestId: "r", since: null }))],
      [replica("a", steady("r"))],
    ]);
    expect(outcome.kind).toBe("done");
    expect(lines).toEqual([expect.stringContaining("not begun"), "published; waits: 2 left", "signing"]);
  });

  it("is said again after a minute, if the line has changed", async () => {
    const rounds = Array.from({ length: 40 }, (_, index) => [
      replica("a", rotating("published", { requestId: "r", since: null, waiting: `${100 - index} left` })),
    ]);
    const { lines } = await follow([...rounds, [replica("a", steady("r"))]]);
    expect(lines).toEqual(["published; waits: 100 left", "published; waits: 70 left"]);
  });

  it("is followed no longer than asked", async () => {
    const { outcome, round } = await follow([[replica("a")]], 5000);
    expect([outcome.kind, round]).toEqual(["running", 3]);
  });

  it("ends with the reason if it is rolled back", async () => {
    const { outcome } = await follow([
      [replica("a", rotating("published", { requestId: "r" }))],
      [replica("a", steady("r", "x"))],
    ]);
    expect(outcome).toMatchObject({ kind: "failed", text: expect.stringContaining("x") });
  });

  it("ends if another request has rolled it back", async () => {
    const { outcome } = await follow([
      [replica("a", rotating("signing", { requestId: "r" }))],
      [
        replica(
          "a",
          authority({ rotation: { ...STEADY, phase: "withdrawing", requestId: "r2", rolledBack: "requested" } }),
        ),
      ],
    ]);
    expect(outcome).toMatchObject({ kind: "failed", text: "rolled back on request; the old root signs" });
  });

  it("back to the root before is done when that signs again, and fails when there is only the new one", async () => {
    const signing = [replica("a", rotating("signing", { requestId: "r1" }))];
    const back = [
      replica(
        "a",
        authority({ rotation: { ...STEADY, phase: "withdrawing", requestId: "r", rolledBack: "requested" } }),
      ),
    ];
    expect((await follow([signing, back], undefined, "roll_back")).outcome.kind).toBe("done");
    expect((await follow([signing, [replica("a", steady("r1"))]], undefined, "roll_back")).outcome).toMatchObject({
      kind: "failed",
      text: expect.stringContaining("too late"),
    });
  });
});
