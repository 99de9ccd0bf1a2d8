import { afterEach, describe, expect, it } from "vitest";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { KINDS } from "../kinds.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { podNamed, ReflectorHarness, refuse } from "./reflector-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const { pods } = KINDS;
const away = (): never => {
  throw new KubernetesApiError("api_unreachable", "connection refused");
};
const harnessWith = (...names: readonly string[]) => ReflectorHarness.with(cleanup, names);

describe("while the API is away, a reflector", () => {
  it("keeps the last state, says since when and why, and catches up afterwards", async () => {
    const harness = harnessWith("a");
    const reflector = await harness.start();
    await harness.takeChanges();
    await harness.clock.advance(2000);
    harness.watch().bookmark();
    await settlePromises();
    const heardMs = harness.clock.now();
    await harness.clock.advance(30_000);
    harness.beforeCall = away;
    harness.watch().cut();
    await harness.clock.advance(3_600_000);
    expect(reflector.status()).toEqual({
      kind: "stale",
      sinceMs: heardMs,
      why: "api_unreachable: connection refused",
    });
    expect([...reflector.objects.keys()]).toEqual(["default/a"]);
    const attempts = harness.takeCalls().length;
    expect(attempts).toBeGreaterThan(150);
    expect(attempts).toBeLessThan(400);
    harness.cluster.create(pods, podNamed("b"));
    harness.beforeCall = () => undefined;
    await harness.clock.advance(30_000);
    expect(await harness.takeChanges()).toEqual(["+default/b"]);
    expect(reflector.status().kind).toBe("current");
    expect(harness.log.find("the last state stays in force")).toHaveLength(1);
  });

  it("has not synced if it was away from the start, and says why", async () => {
    const harness = harnessWith("a");
    harness.beforeCall = away;
    const reflector = await harness.start();
    await harness.clock.advance(60_000);
    expect([reflector.hasSynced, reflector.status().kind]).toEqual([false, "stale"]);
    harness.beforeCall = () => undefined;
    await harness.clock.advance(30_000);
    await reflector.synced;
    expect(await harness.takeChanges()).toEqual(["+default/a"]);
  });

  it("takes over a server that was restored from an older backup", async () => {
    const harness = harnessWith("a");
    await harness.start();
    const backup = harness.cluster.history.backup();
    harness.cluster.create(pods, podNamed("lost"));
    harness.cluster.create(pods, podNamed("b", { from: "before" }));
    await harness.takeChanges();
    await harness.clock.advance(2000);
    const open = harness.watch();
    harness.beforeCall = away;
    open.cut();
    await settlePromises();
    harness.cluster.history.restore(backup);
    harness.cluster.create(pods, podNamed("c"));
    // The same name at the same version as before, with other content.
    harness.cluster.create(pods, podNamed("b", { from: "after" }));
    harness.beforeCall = () => undefined;
    await harness.clock.advance(10_000);
    expect(await harness.takeChanges()).toEqual(["-default/lost", "+default/b", "+default/c"]);
    harness.cluster.create(pods, podNamed("d"));
    await settlePromises();
    expect(await harness.takeChanges()).toEqual(["+default/d"]);
  });

  it("notices by a bookmark that versions ran backwards under an open watch", async () => {
    const harness = harnessWith("a");
    await harness.start();
    const backup = harness.cluster.history.backup();
    harness.cluster.create(pods, podNamed("lost"));
    await harness.takeChanges();
    await harness.clock.advance(2000);
    harness.cluster.history.restore(backup);
    harness.watch().bookmark();
    await harness.clock.advance(5000);
    expect(await harness.takeChanges()).toEqual(["-default/lost"]);
  });
});

describe("a watch that says nothing", () => {
  it("is replaced after a list that finds what it swallowed, again and again", async () => {
    const harness = harnessWith("a");
    harness.isSilent = true;
    await harness.start();
    await harness.takeChanges();
    for (const name of ["first", "second"]) {
      harness.takeCalls();
      harness.cluster.create(pods, podNamed(name));
      await harness.clock.advance(155_000);
      expect(harness.takeCalls()).toEqual(["list pods", "watch pods"]);
      expect(await harness.takeChanges()).toEqual([`+default/${name}`]);
    }
  });

  it("is doubted less and less while the lists in between show no difference: its kind is quiet", async () => {
    const harness = harnessWith("a");
    harness.isSilent = true;
    await harness.start();
    harness.takeCalls();
    const lists: number[] = [];
    for (let minute = 1; minute <= 60; minute += 1) {
      await harness.clock.advance(60_000);
      if (harness.takeCalls().includes("list pods")) lists.push(minute);
    }
    // After 150, 300 and, from then on, at the watch's own limit of 450 + 90 s, with some backoff.
    expect(lists).toEqual([3, 8, 17, 26, 35, 45, 54]);
    await harness.takeChanges();
    harness.cluster.create(pods, podNamed("b"));
    await harness.clock.advance(540_000);
    expect(await harness.takeChanges()).toEqual(["+default/b"]);
    harness.cluster.create(pods, podNamed("c"));
    await harness.clock.advance(155_000);
    expect(await harness.takeChanges()).toEqual(["+default/c"]);
  });

  it("is left alone while bookmarks arrive", async () => {
    const harness = harnessWith("a");
    await harness.start();
    harness.takeCalls();
    for (let minute = 0; minute < 8; minute += 1) {
      harness.watch().bookmark();
      await harness.clock.advance(60_000);
    }
    expect(harness.takeCalls()).toEqual([]);
  });

  it("goes on beyond its time only a little", async () => {
    const harness = harnessWith("a");
    await harness.start();
    harness.takeCalls();
    for (let minute = 0; minute < 10; minute += 1) {
      harness.watch().bookmark();
      await harness.clock.advance(60_000);
    }
    expect(harness.takeCalls()).toEqual(["list pods", "watch pods"]);
  });
});

describe("a missing right", () => {
  it("is named, and asked for again slowly", async () => {
    const harness = harnessWith("a");
    harness.beforeCall = refuse(403, "Forbidden");
    const reflector = await harness.start();
    expect(reflector.status()).toMatchObject({ kind: "forbidden", missingRight: "list pods at the cluster scope" });
    expect(harness.log.find("list pods at the cluster scope")).toHaveLength(1);
    await harness.clock.advance(600_000);
    expect(harness.takeCalls().length).toBeLessThan(25);
    harness.beforeCall = () => undefined;
    await harness.clock.advance(60_000);
    expect([reflector.hasSynced, reflector.status().kind]).toEqual([true, "current"]);
  });

  it("to watch is named too, and the listed state is in force", async () => {
    const harness = harnessWith("a");
    harness.beforeCall = ({ verb }) => {
      if (verb === "watch") refuse(403, "Forbidden")();
    };
    const reflector = await harness.start(pods, { selection: { kind: pods, namespace: "default" } });
    expect(reflector.status()).toMatchObject({ missingRight: "watch pods in namespace default" });
    expect([reflector.hasSynced, reflector.objects.size]).toEqual([true, 1]);
  });
});
