import { afterEach, expect, it } from "vitest";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { ControlPlaneFixture, HELLO } from "./control-plane/control-plane-fixture.ts";
import { startWorkloadTls } from "./workload-tls.ts";

let plane: ControlPlaneFixture;
let stop: () => void;
afterEach(async () => {
  stop();
  await plane.dispose();
});

it("a control plane may have made its response when it was asked: a late one does not make its state newer", async () => {
  plane = await ControlPlaneFixture.start();
  plane.revocations = { certificates: [], identities: [HELLO] };
  plane.readings = () => ({ controlPlane: "one", revocations: { digest: "01", ageMs: 0 } });
  let lateMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + lateMs };
  const log = new RecordingLogger();
  const tls = await startWorkloadTls({ ...plane.workloadOptions(), clock, random: () => 0, log });
  stop = () => tls.close();
  await tls.firstBundle;
  await plane.stop();
  plane.revocations = undefined;
  plane.readings = () => {
    // Of the ten seconds five have passed since the state was confirmed.
    lateMs = 10_000;
    return { controlPlane: "another", revocations: { digest: "02", ageMs: 5000 } };
  };
  await plane.listen();
  await log.seen("the control plane is behind");
  expect(tls.source.trust().revocations?.find([], HELLO)).toMatchObject({ kind: "identity" });
});
