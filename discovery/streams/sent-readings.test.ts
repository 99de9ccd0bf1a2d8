import { afterEach, expect, it } from "vitest";
import type { Update } from "../../mesh/api/gen/discovery_pb.ts";
import { DiscoveryFixture } from "../discovery-fixture.ts";

const BUNDLE = { kind: "trust bundle" } as const;
let mesh: DiscoveryFixture;
afterEach(() => mesh.calls.abort());

function ageOf({ readings }: Update): number | undefined {
  return readings?.revocations?.ageMs;
}

it("each trust bundle comes with the age of what it was made from, and so does one that is unchanged", async () => {
  mesh = new DiscoveryFixture();
  mesh.readings = () => ({ controlPlane: "a", revocations: { digest: "ab", ageMs: mesh.clock.monotonicMs() } });
  const discovery = mesh.start();
  const proxy = mesh.proxy({ discovery }).identify().subscribe(1, BUNDLE);
  const first = await proxy.update();
  expect([first.result.case, ageOf(first), first.readings?.controlPlane]).toEqual(["value", 0, "a"]);
  await mesh.clock.advance(60_000);
  mesh.roots.change(["another root"]);
  // Nothing was sent because time has passed: this is the next response.
  const second = await proxy.update();
  expect([second.result.case, ageOf(second)]).toEqual(["value", 60_000]);
  if (second.result.case !== "value") return;
  await mesh.clock.advance(1000);
  const { digest } = second.result.value;
  const other = mesh.proxy({ discovery }).identify().subscribe(1, BUNDLE, digest).subscribe(2, { kind: "inbound" });
  const updates = [await other.update(), await other.update()];
  expect(updates.map(({ result }) => result.case)).toEqual(["unchanged", "value"]);
  expect(updates.map(ageOf)).toEqual([61_000, undefined]);
});

it("a control plane that does not know that age sends none", async () => {
  mesh = new DiscoveryFixture();
  const { readings } = await mesh.proxy().identify().subscribe(1, BUNDLE).update();
  expect(readings).toBeUndefined();
});
