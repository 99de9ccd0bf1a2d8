import { afterEach, beforeEach, expect, it } from "vitest";
import type { RevokedCertificate } from "../../mesh/policy/types.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { ControlPlaneFixture } from "./control-plane/control-plane-fixture.ts";
import { startWorkloadTls, type WorkloadTls } from "./workload-tls.ts";

let plane: ControlPlaneFixture;
let log: RecordingLogger;
const stops: (() => void)[] = [];

beforeEach(async () => {
  log = new RecordingLogger();
  plane = await ControlPlaneFixture.start();
});

afterEach(async () => {
  for (const stop of stops.splice(0)) stop();
  await plane.dispose();
});

async function start(): Promise<WorkloadTls> {
  const tls = await startWorkloadTls({
    ...plane.workloadOptions(),
    // The shortest waits.
    random: () => 0,
    log,
  });
  stops.push(() => tls.close());
  return tls;
}

function serialOf(tls: WorkloadTls): string {
  return tls.source.current()?.certificates[0]?.serialNumber ?? "";
}

/** Only a connection with the certificate in use is left. */
async function expectMoved(tls: WorkloadTls, before: string): Promise<void> {
  await expect.poll(() => serialOf(tls)).not.toBe(before);
  await expect.poll(() => [...plane.sessions.values()]).toEqual([serialOf(tls)]);
}

function only(certificate: RevokedCertificate) {
  return { certificates: [certificate], identities: [] };
}

it("a sidecar whose certificate is revoked gets another one by its token, and moves its stream to it", async () => {
  const tls = await start();
  await tls.firstBundle;
  const before = serialOf(tls);
  const revoked = only({ serialNumber: before.replace(/^0+/, "") });
  plane.refused = revoked;
  plane.revoke(revoked);
  await expect.poll(() => plane.tokens).toHaveLength(2);
  await expectMoved(tls, before);
  expect(tls.source.trust().revocations?.size).toBe(1);
});

it("a sidecar that the control plane refuses before the bundle says why gets another one too", async () => {
  const tls = await start();
  await tls.firstBundle;
  const before = serialOf(tls);
  plane.refused = only({ serialNumber: before });
  for (const session of plane.sessions.keys()) session.destroy();
  await expect.poll(() => plane.tokens).toHaveLength(2);
  await expectMoved(tls, before);
  expect(log.find("the control plane refuses the own certificate")).toHaveLength(1);
});

it("a control plane whose own certificate is revoked is left, gets no token, and is back with another one", async () => {
  const tls = await start();
  await tls.firstBundle;
  plane.revoke(only({ serialNumber: plane.servingSerialNumber }));
  await expect.poll(() => tls.discovery.isConnected()).toBe(false);
  const refusal = `control_plane_revoked: https://${plane.address}: the certificate`;
  await expect.poll(() => log.find(refusal).length).toBeGreaterThan(2);
  // It needs another certificate of its own now, and does not ask this control plane for one.
  plane.refused = only({ serialNumber: serialOf(tls) });
  tls.svid.reportControlPlane(false);
  await expect.poll(() => log.find(`no new certificate: ${refusal}`).length).toBeGreaterThan(0);
  expect(plane.tokens).toHaveLength(1);
  await plane.stop();
  await plane.listen();
  // Its stream may connect before it has another certificate, and is refused once more.
  await expect.poll(() => plane.tokens).toHaveLength(2);
  await expect.poll(() => tls.discovery.isConnected()).toBe(true);
  expect(plane.tokens).toHaveLength(2);
});

it("an authority of the control plane that is revoked does not keep the bundle away that lifts that", async () => {
  const tls = await start();
  await tls.firstBundle;
  const root = tls.source.trust().roots[0]?.serialNumber ?? "";
  plane.revoke(only({ serialNumber: root }));
  await expect.poll(() => tls.source.trust().revocations?.size).toBe(1);
  plane.revoke({ certificates: [], identities: [] });
  await expect.poll(() => tls.source.trust().revocations).toBeUndefined();
});

it("a bundle whose revocations cannot be read is refused, and what was revoked before stays revoked", async () => {
  const tls = await start();
  await tls.firstBundle;
  plane.revoke(only({ serialNumber: "ABC" }));
  await expect.poll(() => tls.source.trust().revocations?.size).toBe(1);
  plane.revoke(only({ serialNumber: "not a number" }));
  await expect.poll(() => log.find("an invalid response was ignored")).toHaveLength(1);
  expect(tls.source.trust().revocations?.size).toBe(1);
  plane.revoke({ certificates: [], identities: [] });
  await expect.poll(() => tls.source.trust().revocations).toBeUndefined();
});

it("no bundle has arrived as long as the first one cannot be read", async () => {
  plane.revocations = only({ serialNumber: "not a number" });
  const tls = await start();
  let hasBundle = false;
  void tls.firstBundle.then(() => {
    hasBundle = true;
  });
  await expect.poll(() => log.find("an invalid response was ignored")).toHaveLength(1);
  expect(hasBundle).toBe(false);
  plane.revoke(only({ serialNumber: "ABC" }));
  await expect.poll(() => hasBundle).toBe(true);
});
