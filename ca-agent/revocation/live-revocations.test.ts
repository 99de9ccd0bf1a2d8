import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { formatTaggedSerial, tagOfPodName, tagOfPodUid } from "../../mesh/identity/pod-tag.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { RevokedCertificate } from "../../mesh/policy/types.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { EMPTY_CONTROL_STATE } from "../control/control-state.ts";
import { createWorkloadSerial } from "../x509/certificate.ts";
import { LiveRevocations } from "./live-revocations.ts";
import { tagPodByUid } from "./pod-name.ts";
import { createRevocationReport } from "./report-revocations.ts";
import { MemoryControl, revocationOf } from "./revocations-fixture.ts";

const HOUR_MS = 3_600_000;
const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const OLD_HELLO = parseSpiffeId("spiffe://old.local/ns/ns1/sa/hello");
const FOREIGN = parseSpiffeId("spiffe://partner/ns/ns1/sa/hello");
const SERIAL = Buffer.from(formatTaggedSerial(new Uint8Array(20), tagOfPodUid("u1")))
  .toString("hex")
  .toUpperCase();
const POD = { namespace: "ns1", name: "hello", uid: "u1" };

let clock: FakeClock;
let log: RecordingLogger;
let control: MemoryControl;
let listed: readonly RevokedCertificate[];
let onListed: () => void;
let stop: AbortController;
let live: LiveRevocations;
let changes: number;
beforeEach(() => {
  clock = new FakeClock();
  log = new RecordingLogger();
  control = new MemoryControl();
  listed = [];
  stop = new AbortController();
  live = new LiveRevocations({
    ...{ control, clock, signal: stop.signal, tagPod: tagPodByUid },
    lists: {
      entries: () => listed,
      subscribe: (listener) => {
        onListed = listener;
        return () => undefined;
      },
    },
    trustDomains: ["cluster.local", "old.local"].map(parseTrustDomain),
    onChange: createRevocationReport(log, clock.now.bind(clock)),
  });
  changes = 0;
  live.subscribe(() => {
    changes += 1;
  });
});
afterEach(() => stop.abort());

function codes(): readonly unknown[] {
  return log.records.map(({ fields }) => fields["code"]);
}

describe("what is distributed", () => {
  it("has the certificates of operators and of lists, and the tags of pods", () => {
    control.revoke(revocationOf({ kind: "serial", serialNumber: "A1" }), revocationOf({ kind: "pod", ...POD }));
    listed = [{ serialNumber: "C1", issuer: "00" }];
    onListed();
    expect(live.current()).toEqual({
      certificates: [{ serialNumber: "A1" }, { serialNumber: "C1", issuer: "00" }],
      identities: [],
      pods: [tagOfPodUid("u1")],
    });
  });

  it("has an identity in all trust domains of the mesh, and a foreign one as it is", () => {
    control.revoke(revocationOf({ kind: "identity", identity: OLD_HELLO }));
    control.revoke(revocationOf({ kind: "identity", identity: FOREIGN }));
    expect(live.current().identities).toEqual([HELLO, OLD_HELLO, FOREIGN]);
  });

  it("changes only when it is different", () => {
    control.revoke(revocationOf({ kind: "serial", serialNumber: "A1" }));
    const before = live.current();
    control.set({ ...control.current(), rotation: { requestId: "r", requestedAt: "2030-01-01T00:00:00Z" } });
    onListed();
    expect([changes, live.current() === before]).toEqual([1, true]);
  });

  it("loses a certificate an hour after it has expired", async () => {
    const expiresAt = new Date(clock.now() + HOUR_MS).toISOString();
    control.revoke(revocationOf({ kind: "serial", serialNumber: "A1" }, { expiresAt }));
    await clock.advance(2 * HOUR_MS);
    expect(live.current().certificates).toHaveLength(1);
    await clock.advance(10 * 60_000);
    expect([live.current().certificates, changes]).toEqual([[], 2]);
    expect(codes()).toEqual(["revoked", "revocation_expired"]);
  });

  it("loses what is lifted", () => {
    control.revoke(revocationOf({ kind: "identity", identity: HELLO }, { reason: "leaver" }));
    control.set(EMPTY_CONTROL_STATE);
    expect(live.current()).toEqual({ certificates: [], identities: [], pods: [] });
    expect(log.find('"code":"revoked"')[0]?.fields).toMatchObject({ peer: HELLO, reason: "leaver" });
    expect(codes()).toEqual(["revoked", "unrevoked"]);
  });
});

describe("the trail of revocations", () => {
  it("is bounded for one change", () => {
    control.revoke(
      ...Array.from({ length: 1200 }, (_, index) => revocationOf({ kind: "serial", serialNumber: `A${index}` })),
    );
    expect(log.records).toHaveLength(1001);
    expect(log.find("more revocations have changed")[0]?.fields["left"]).toBe(200);
  });
});

describe("a caller", () => {
  it.each([
    { name: "of a revoked identity", caller: { identity: HELLO, pods: [] }, kind: "identity" },
    { name: "of it in an alias", caller: { identity: OLD_HELLO, pods: [] }, kind: "identity" },
    { name: "of another one", caller: { identity: FOREIGN, pods: [] }, kind: undefined },
    {
      name: "with a revoked certificate",
      caller: { identity: FOREIGN, serialNumber: "A1", pods: [] },
      kind: "certificate",
    },
    { name: "with another one", caller: { identity: FOREIGN, serialNumber: "A2", pods: [] }, kind: undefined },
    {
      name: "with a certificate of a revoked pod",
      caller: { identity: FOREIGN, serialNumber: SERIAL, pods: [] },
      kind: "pod",
    },
    { name: "in a revoked pod", caller: { identity: FOREIGN, pods: [{ ...POD, name: "x" }, POD] }, kind: "pod" },
    { name: "in another one", caller: { identity: FOREIGN, pods: [{ ...POD, uid: "u2" }] }, kind: undefined },
  ])("$name: $kind", ({ caller, kind }) => {
    control.revoke(
      revocationOf({ kind: "identity", identity: HELLO }),
      revocationOf({ kind: "serial", serialNumber: "A1" }),
      revocationOf({ kind: "pod", ...POD }),
    );
    expect(live.findRevoked(caller)?.kind).toBe(kind);
  });

  it("is revoked with each of the five thousand certificates that its pod has got, and with no other pod's", () => {
    control.revoke(revocationOf({ kind: "pod", ...POD }));
    const findAll = (uid: string) =>
      Array.from({ length: 5000 }, () =>
        Buffer.from(createWorkloadSerial(randomBytes, tagOfPodUid(uid))).toString("hex"),
      )
        .map((serial) => live.findRevoked({ identity: FOREIGN, serialNumber: serial.toUpperCase(), pods: [] }))
        .filter((revoked) => revoked?.kind === "pod").length;
    expect([findAll("u1"), findAll("u2")]).toEqual([5000, 0]);
    expect(live.entries()).toHaveLength(1);
  });

  it("is revoked with every pod of its name, if an earlier version has stored that", () => {
    control.revoke(revocationOf({ kind: "pod", namespace: "ns1", name: "hello" }));
    const isRevoked = (pod: object): boolean =>
      live.findRevoked({ identity: FOREIGN, pods: [{ ...POD, ...pod }] }) !== undefined;
    expect([isRevoked({}), isRevoked({ uid: "u7" }), isRevoked({ name: "world" })]).toEqual([true, true, false]);
    expect(live.current().pods).toEqual([tagOfPodName(POD)]);
  });
});
