import { afterEach, describe, expect, it } from "vitest";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { KINDS } from "../kinds.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { Confirmation } from "./confirmation.ts";
import { podNamed, ReflectorHarness } from "./reflector-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const { pods } = KINDS;

/** What is in force is the names of the pods; the test brings it into force itself. */
async function start() {
  const harness = new ReflectorHarness(cleanup);
  harness.cluster.create(pods, podNamed("a"));
  let [digest, isInForce] = ["a", true];
  let onChanges = (): void => undefined;
  const reflector = await harness.start(pods, { onChanges: () => onChanges() });
  const confirmation = new Confirmation({
    ...{ digest: () => digest, isInForce: () => isInForce, reflector, clock: harness.clock },
  });
  onChanges = () => confirmation.begin();
  const process = (outcome: { readonly digest?: string; readonly isInForce?: boolean } = {}): void => {
    ({ digest = digest, isInForce = true } = outcome);
    confirmation.end();
  };
  const adopt = (next: string): void => {
    digest = next;
    confirmation.read();
  };
  return { harness, confirmation, process, adopt };
}

describe("what is in force is confirmed", () => {
  it("by a list and by a bookmark, not by an open watch, and not while the server is away", async () => {
    const { harness, confirmation } = await start();
    await harness.clock.advance(5000);
    expect(confirmation.read()).toEqual({ digest: "a", ageMs: 5000 });
    harness.watch().bookmark();
    await settlePromises();
    expect(confirmation.read()).toMatchObject({ ageMs: 0 });
    await harness.clock.advance(1000);
    harness.beforeCall = () => {
      throw new KubernetesApiError("api_unreachable", "connection refused");
    };
    harness.watch().cut();
    await harness.clock.advance(600_000);
    expect(confirmation.read()).toMatchObject({ ageMs: 601_000 });
    harness.beforeCall = () => undefined;
    await harness.clock.advance(30_000);
    expect(confirmation.read().ageMs).toBeLessThanOrEqual(30_000);
  });

  it("at the beginning of a list, which may take a while", async () => {
    const harness = new ReflectorHarness(cleanup);
    harness.beforeCall = ({ verb }) => {
      if (verb === "list") harness.clock.pause(2000);
    };
    const reflector = await harness.start();
    expect([reflector.confirmedAt()?.monotonicMs, harness.clock.monotonicMs()]).toEqual([0, 2000]);
  });

  it("as it was before a change, until that is in force", async () => {
    const { harness, confirmation, process } = await start();
    await harness.clock.advance(5000);
    harness.cluster.create(pods, podNamed("b"));
    await harness.clock.advance(100);
    harness.watch().bookmark();
    await settlePromises();
    expect(confirmation.read()).toEqual({ digest: "a", ageMs: 5100 });
    process({ digest: "ab" });
    expect(confirmation.read()).toEqual({ digest: "ab", ageMs: 0 });
  });

  it("at the time of the first of two changes, if that one is in force when the second has arrived", async () => {
    const { harness, confirmation, process, adopt } = await start();
    await harness.clock.advance(5000);
    for (const name of ["b", "c"]) {
      harness.cluster.create(pods, podNamed(name));
      await harness.clock.advance(100);
    }
    adopt("ab");
    expect(confirmation.read()).toMatchObject({ digest: "ab", ageMs: 200 });
    process({ digest: "ab" });
    process({ digest: "abc" });
    expect(confirmation.read()).toMatchObject({ digest: "abc", ageMs: 100 });
  });

  it("at the time of a change, as soon as that is in force, although it is still being processed", async () => {
    const { harness, confirmation, adopt } = await start();
    await harness.clock.advance(5000);
    harness.cluster.create(pods, podNamed("b"));
    await harness.clock.advance(10);
    adopt("ab");
    await harness.clock.advance(1000);
    expect(confirmation.read()).toEqual({ digest: "ab", ageMs: 1010 });
  });

  it("not any more when what was found is refused, until it is in force again", async () => {
    const { harness, confirmation, process } = await start();
    await harness.clock.advance(5000);
    harness.cluster.create(pods, podNamed("damaged"));
    await harness.clock.advance(100);
    process({ isInForce: false });
    harness.watch().bookmark();
    await harness.clock.advance(60_000);
    expect(confirmation.read()).toEqual({ digest: "a", ageMs: 65_100 });
    harness.cluster.delete(pods, { namespace: "default", name: "damaged" });
    await harness.clock.advance(100);
    process();
    expect(confirmation.read().ageMs).toBeLessThanOrEqual(100);
  });

  it("by the clock by which it is longer ago: a suspended machine does not take its state for new", async () => {
    const { harness, confirmation } = await start();
    harness.clock.jump(3_600_000);
    expect(confirmation.read()).toMatchObject({ ageMs: 3_600_000 });
    harness.clock.jump(-7_200_000);
    expect(confirmation.read().ageMs).toBeGreaterThanOrEqual(0);
  });
});
