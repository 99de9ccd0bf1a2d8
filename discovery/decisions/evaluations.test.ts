import { describe, expect, it } from "vitest";
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger, unlimitedLog } from "../../mesh/recording-logger-fixture.ts";
import { createTestSet, TEST_SETTINGS, testPod } from "../../mesh/resources/resource-set-fixture.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { type Evaluation, Evaluations, KEY_OF_TRUST, keyOfKeySet, type MeshView } from "./evaluations.ts";

function setup() {
  const log = new RecordingLogger();
  const fake = new FakeClock();
  let elapsedMs = 0;
  const clock: Clock = { now: () => fake.now(), monotonicMs: () => elapsedMs, setTimeout: fake.setTimeout };
  let view: MeshView = {
    set: createTestSet(testPod({ name: "a" }), testPod({ name: "b" })),
    trust: { roots: ["one"] },
    settings: TEST_SETTINGS,
    keySets: new Map([["a", "keys of a"]]),
  };
  const evaluations = new Evaluations({ clock, log, limitLog: unlimitedLog, view: () => view });
  return {
    log,
    evaluations,
    spend: (ms: number) => {
      elapsedMs += ms;
    },
    setRoots: (...roots: readonly string[]) => {
      view = { ...view, trust: { roots } };
      evaluations.changed([KEY_OF_TRUST]);
    },
    setKeys: (key: string, text: string) => {
      view = { ...view, keySets: new Map(view.keySets).set(key, text) };
      evaluations.changed([keyOfKeySet(key)]);
    },
  };
}

/** Records each evaluation. */
class Recorded<Result> implements Evaluation {
  readonly results: Result[] = [];
  readonly #read: (view: MeshView) => Result;

  constructor(read: (view: MeshView) => Result) {
    this.#read = read;
  }

  evaluate(view: MeshView): void {
    this.results.push(this.#read(view));
  }
}

describe("an evaluation", () => {
  it("is repeated when something changes that it has read, and only then", async () => {
    const { evaluations, setRoots } = setup();
    const ofPod = new Recorded(({ set }) => set.pods.has("ns1/a"));
    const ofRoots = new Recorded(({ trust: { roots } }) => roots.join());
    evaluations.follow(ofPod).evaluate();
    evaluations.follow(ofRoots).evaluate();
    setRoots("two");
    await settlePromises();
    expect([ofPod.results, ofRoots.results]).toEqual([[true], ["one", "two"]]);
    evaluations.changed(["pods/ns1/b"]);
    await settlePromises();
    expect(ofPod.results).toHaveLength(1);
    evaluations.changed(["pods/ns1/a"]);
    await settlePromises();
    expect(ofPod.results).toHaveLength(2);
  });

  it("is repeated when the keys of an issuer change that it needs, also if there were none before", async () => {
    const { evaluations, setKeys } = setup();
    const recorded = new Recorded(({ keySets }) => keySets.get("b"));
    evaluations.follow(recorded).evaluate();
    setKeys("a", "rotated");
    await settlePromises();
    setKeys("b", "keys of b");
    await settlePromises();
    expect(recorded.results).toEqual([undefined, "keys of b"]);
  });

  it("depends on what it has read the last time", async () => {
    const { evaluations, setRoots } = setup();
    let readsPod = false;
    const recorded = new Recorded((view) => (readsPod ? view.set.pods.has("ns1/a") : view.trust.roots.join()));
    evaluations.follow(recorded).evaluate();
    readsPod = true;
    setRoots("two");
    await settlePromises();
    setRoots("three");
    await settlePromises();
    expect(recorded.results).toEqual(["one", true]);
    evaluations.changed(["pods/ns1/a"]);
    await settlePromises();
    expect(recorded.results).toHaveLength(3);
  });

  it("is repeated once for several changes, or earlier if it is needed", async () => {
    const { evaluations, setRoots } = setup();
    const recorded = new Recorded(({ trust: { roots } }) => roots.join());
    const followed = evaluations.follow(recorded);
    followed.evaluate();
    setRoots("two");
    setRoots("three");
    followed.ensureCurrent();
    followed.ensureCurrent();
    await settlePromises();
    expect(recorded.results).toEqual(["one", "three"]);
  });

  it("that fails keeps its last result, is logged, and is repeated after the next change; others go on", async () => {
    const { evaluations, setRoots, log } = setup();
    const broken = new Recorded(({ trust: { roots } }) => {
      if (roots.includes("bad")) throw new Error("no such thing");
      return roots.join();
    });
    const other = new Recorded(({ trust: { roots } }) => roots.join());
    evaluations.follow(broken).evaluate();
    evaluations.follow(other).evaluate();
    setRoots("bad");
    await settlePromises();
    setRoots("two");
    await settlePromises();
    expect([broken.results, other.results]).toEqual([
      ["one", "two"],
      ["one", "bad", "two"],
    ]);
    expect(log.find("a decision failed")).toHaveLength(1);
  });

  it("that is stopped is not repeated, and nothing of it is left", async () => {
    const { evaluations, setRoots } = setup();
    const recorded = new Recorded(({ set, trust: { roots } }) => `${roots.join()} ${set.pods.size}`);
    const followed = evaluations.follow(recorded);
    followed.evaluate();
    expect(evaluations.keys).toBe(2);
    setRoots("two");
    followed.stop();
    await settlePromises();
    expect([recorded.results, evaluations.keys]).toEqual([["one 2"], 0]);
  });
});

it("a change that affects many is worked off in slices, so that other work gets its turn", async () => {
  const { evaluations, setRoots, spend } = setup();
  const recorded = Array.from(
    { length: 10 },
    () =>
      new Recorded(({ trust: { roots } }) => {
        spend(2);
        return roots.join();
      }),
  );
  for (const one of recorded) evaluations.follow(one).evaluate();
  const done = () => recorded.filter(({ results }) => results.includes("two")).length;
  setRoots("two");
  const progress: number[] = [];
  while (done() < recorded.length) {
    await new Promise((resolve) => setImmediate(resolve));
    progress.push(done());
  }
  expect(progress.length).toBeGreaterThan(2);
});
