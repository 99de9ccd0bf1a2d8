import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { LEAF_MS, startTwo } from "./rotating-cluster-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("a leader", () => {
  it("says of a step that it has just taken what it waits for now, and is not slower because it is asked", async () => {
    const { cluster, leader } = await startTwo(cleanup);
    cluster.ask("first");
    await cluster.until("signing");
    for (let isFollowed = false; !isFollowed; ) {
      await cluster.pass(1000);
      expect(leader.rotation.status()?.since).not.toBeNull();
      const state = await cluster.state();
      isFollowed = state.kind === "signing" && state.isFollowed;
    }
    expect(leader.rotation.status()?.waiting).toContain("certificates of the other root may still be valid");
  });

  it("shows the phase and its sidecars in its metrics", async () => {
    const { cluster, leader } = await startTwo(cleanup);
    cluster.ask("first");
    await cluster.until("signing");
    await cluster.pass(LEAF_MS / 2 + 2000);
    const text = await leader.registry.metrics();
    expect(text).toContain('entente_root_rotation_phase{phase="signing"} 1');
    expect(text).toContain('entente_root_rotation_phase{phase="steady"} 0');
    expect(text).toContain('entente_root_rotation_sidecars{signing_root="connected"} 2');
    expect(text).toContain('entente_root_rotation_sidecars{signing_root="in_certificate"} 2');
    expect(text).toContain("entente_root_rotation_leader 1");
    expect(text).toContain('entente_root_rotation_steps_total{phase="published"} 1');
  });
});
