import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { CaError } from "../ca-error.ts";
import { IssuedCertificates } from "./issued-certificates.ts";
import type { PodName } from "./pod-name.ts";
import { PodRevocations } from "./pod-revocations.ts";
import { liftRevocation } from "./revocation-entries.ts";
import { MemoryControl, revocationOf } from "./revocations-fixture.ts";

const HELLO = { namespace: "ns1", name: "hello", uid: "u1" };
const revokedHello = revocationOf({ kind: "pod", ...HELLO });

let clock: FakeClock;
let log: RecordingLogger;
let control: MemoryControl;
let issued: IssuedCertificates;
let stop: AbortController;
beforeEach(() => {
  clock = new FakeClock();
  log = new RecordingLogger();
  control = new MemoryControl();
  issued = new IssuedCertificates();
  stop = new AbortController();
});
afterEach(() => stop.abort());

function start(): PodRevocations {
  return new PodRevocations({ control, store: control, issued, clock, random: () => 0.5, log, signal: stop.signal });
}

function issue(serialNumber: string, pod: PodName = HELLO): void {
  issued.record({ serialNumber, notAfterMs: clock.now() + 86_400_000, pod }, clock.now());
}

function stored(): readonly string[] {
  return control.current().revocations.flatMap(({ what }) => (what.kind === "serial" ? [what.serialNumber] : []));
}

describe("a revoked pod", () => {
  it("has its certificates revoked at once, and soon in the desired state with their expiry", async () => {
    issue("A1");
    issue("B1", { ...HELLO, name: "world" });
    issue("C1", { ...HELLO, uid: "u2" });
    const pods = start();
    expect(pods.isRevoked(HELLO)).toBe(false);
    control.revoke(revokedHello);
    expect(pods.isRevoked(HELLO)).toBe(true);
    expect(pods.entries().map(({ what }) => what)).toEqual([
      { kind: "serial", serialNumber: "A1", ofPod: "ns1/hello" },
    ]);
    await clock.advance(1000);
    expect(stored()).toEqual(["A1"]);
    expect(pods.entries()).toEqual([]);
    expect(control.current().revocations[1]?.expiresAt).toBe(new Date(clock.now() + 86_399_000).toISOString());
  });

  it("leaves room in the desired state, however many certificates it has got: the rest is revoked here", async () => {
    const hostile = Array.from({ length: 4 }, (_, index) => ({ ...HELLO, name: `hostile-${index}` }));
    for (const [index, pod] of hostile.entries()) {
      for (let number = 0; number < 1000; number += 1) issue(`${index + 1}A${number}`, pod);
    }
    const pods = start();
    control.revoke(...hostile.map((pod) => revocationOf({ kind: "pod", ...pod })));
    await clock.advance(10_000);
    expect([stored().length, pods.entries().length]).toEqual([3000, 1000]);
    expect(log.find("revoke the pods' identities")).toHaveLength(1);
    control.set({ ...control.current(), revocations: control.current().revocations.slice(0, -500) });
    await clock.advance(10_000);
    expect(new Set(stored()).size).toBe(3000);
  });

  it("has a certificate revoked that becomes known later", async () => {
    const pods = start();
    control.revoke(revokedHello);
    let changes = 0;
    pods.subscribe(() => {
      changes += 1;
    });
    issue("A1");
    issue("B1", { namespace: "ns1", name: "other" });
    expect([changes, pods.entries().length]).toEqual([1, 1]);
    await clock.advance(1000);
    expect(stored()).toEqual(["A1"]);
  });

  it("stays revoked by this replica while nothing can be stored", async () => {
    const pods = start();
    issue("A1");
    control.failure = new CaError("control_conflict", "busy");
    control.revoke(revokedHello);
    await clock.advance(30_000);
    expect(stored()).toEqual([]);
    expect(pods.entries()).toHaveLength(1);
    expect(log.find("are revoked by this replica alone")).toHaveLength(1);
    control.failure = undefined;
    await clock.advance(5000);
    expect(stored()).toEqual(["A1"]);
  });

  it("that is lifted before its certificates are stored revokes none", async () => {
    const pods = start();
    issue("A1");
    control.revoke(revokedHello);
    control.set(liftRevocation(control.current(), { kind: "pod", ...HELLO }));
    await clock.advance(5000);
    expect([stored(), pods.entries(), pods.isRevoked(HELLO)]).toEqual([[], [], false]);
  });

  it("that another replica has handled is not written again", async () => {
    start();
    issue("A1");
    const found = revocationOf({ kind: "serial", serialNumber: "A1", ofPod: "ns1/hello" });
    control.revoke(revokedHello, found);
    await clock.advance(5000);
    expect([stored(), control.updates]).toEqual([["A1"], 0]);
  });

  it("without a uid is every pod of that name", () => {
    const pods = start();
    control.revoke(revocationOf({ kind: "pod", namespace: "ns1", name: "hello" }));
    expect(pods.isRevoked({ ...HELLO, uid: "u7" })).toBe(true);
    expect(pods.isRevoked({ ...HELLO, namespace: "ns2" })).toBe(false);
  });
});
