import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatTaggedSerial, tagOfPodUid } from "../../mesh/identity/pod-tag.ts";
import { normalizeSerialNumber } from "../../mesh/identity/serial-number.ts";
import { indexRevocations } from "../../mesh/policy/authentication/revocations.ts";
import type { Revocations } from "../../mesh/policy/types.ts";
import { fail, HOUR_MS, IDENTITY, ROOT, SvidFixture, trustDomains } from "./svid-fixture.ts";

let svid: SvidFixture;

const POD = tagOfPodUid("u1");

beforeEach(async () => {
  svid = new SvidFixture();
  svid.share = 0.9999;
  svid.answers = [svid.issue({ serialNumber: formatTaggedSerial(new Uint8Array(20), POD) }), svid.issue()];
  await svid.start();
});

afterEach(() => svid.manager.stop());

function ownSerial(): string {
  return svid.source.current()?.certificates[0]?.serialNumber ?? "";
}

function revoke({ serials = [], ...revoked }: Partial<Revocations> & { readonly serials?: readonly string[] }) {
  const certificates = serials.map((serialNumber) => ({ serialNumber }));
  const revocations = indexRevocations({ certificates, identities: [], ...revoked });
  svid.source.setTrust({ roots: [ROOT.certificate], trustDomains, revocations });
}

describe("a sidecar whose own certificate is revoked", () => {
  it("requests another one at once, with a new key, and uses it", async () => {
    const before = svid.source.current();
    revoke({ serials: [`0${ownSerial().toLowerCase()}`] });
    await svid.clock.advance(200);
    expect(svid.requests).toHaveLength(2);
    expect(svid.keys[1]?.equals(svid.keys[0] ?? ROOT.key)).toBe(false);
    expect(normalizeSerialNumber(ownSerial())).not.toBe(before?.certificates[0]?.serialNumber);
    // What was dialled with the old certificate is not used again.
    expect(svid.source.current()?.generation).not.toBe(before?.generation);
    expect(svid.log.find("it is revoked")).toHaveLength(1);
    await svid.clock.advance(HOUR_MS);
    expect(svid.requests).toHaveLength(2);
  });

  it("leaves a certificate alone that is not in the list", async () => {
    revoke({ serials: ["A", ownSerial().slice(1)] });
    await svid.clock.advance(HOUR_MS);
    expect(svid.requests).toHaveLength(1);
  });

  it("asks often while the authority is away", async () => {
    svid.answers = [fail()];
    revoke({ serials: [ownSerial()] });
    await svid.clock.advance(60_000);
    const attempts = svid.requests.length;
    expect(attempts).toBeGreaterThan(12);
    svid.answers = [svid.issue()];
    await svid.clock.advance(5001);
    expect(svid.requests).toHaveLength(attempts + 1);
    await svid.clock.advance(HOUR_MS);
    expect(svid.requests).toHaveLength(attempts + 1);
  });

  it("learns of it while an attempt fails, and does not wait a minute for the next one", async () => {
    svid.answers = [fail()];
    await svid.clock.advance(14 * HOUR_MS);
    const attempts = svid.requests.length;
    const startMs = svid.clock.now();
    revoke({ serials: [ownSerial()] });
    await svid.clock.advance(6000);
    expect((svid.requests[attempts] ?? Infinity) - startMs).toBeLessThanOrEqual(5000);
  });

  it("does not fill the authority's queue if each new certificate is revoked too", async () => {
    svid.answers = [svid.issue({ serialNumber: Uint8Array.of(0x0a) })];
    revoke({ serials: [ownSerial(), "A"] });
    await svid.clock.advance(HOUR_MS);
    expect(svid.requests.length).toBeGreaterThan(10);
    expect(svid.requests.length).toBeLessThan(30);
  });
});

describe("a sidecar whose identity or pod is revoked", () => {
  it.each([
    { what: "identity", revoked: { identities: [IDENTITY] } },
    { what: "pod", revoked: { pods: [POD] } },
  ])("as $what asks once a minute, with a certificate and without, until that is lifted", async ({ revoked }) => {
    svid.answers = [fail("it is revoked")];
    revoke(revoked);
    await svid.clock.advance(HOUR_MS);
    expect(svid.requests.length).toBeGreaterThan(30);
    expect(svid.requests.length).toBeLessThan(75);
    svid.answers = [svid.issue()];
    revoke({});
    await svid.clock.advance(61_000);
    const attempts = svid.requests.length;
    await svid.clock.advance(HOUR_MS);
    expect(svid.requests).toHaveLength(attempts);
  });

  it("accepts a certificate that the authority issues all the same: its list may be newer than ours", async () => {
    revoke({ identities: [IDENTITY] });
    await svid.clock.advance(2001);
    expect(svid.requests).toHaveLength(2);
    expect(svid.manager.state().kind).toBe("resting");
  });
});

describe("a certificate that the control plane refuses", () => {
  it("is replaced, because the bundle that says why may never arrive", async () => {
    svid.manager.reportControlPlane(false);
    svid.manager.reportControlPlane(false);
    await svid.clock.advance(2001);
    expect(svid.requests).toHaveLength(2);
    expect(svid.log.find("the control plane refuses the own certificate")).toHaveLength(1);
    svid.manager.reportControlPlane(true);
    await svid.clock.advance(HOUR_MS);
    expect(svid.requests).toHaveLength(2);
  });

  it("is replaced ever more rarely if the control plane refuses the next ones too", async () => {
    for (let second = 0; second < 3600; second += 1) {
      svid.manager.reportControlPlane(false);
      await svid.clock.advance(1000);
    }
    expect(svid.requests.length).toBeGreaterThan(10);
    expect(svid.requests.length).toBeLessThan(25);
  });

  it("is renewed when that is due, if that comes first", async () => {
    const state = svid.manager.state();
    if (state.kind !== "resting") throw new Error("it has a certificate");
    await svid.clock.advance(state.renewAt.wallMs - svid.clock.now() - 500);
    svid.manager.reportControlPlane(false);
    await svid.clock.advance(501);
    expect(svid.requests).toHaveLength(2);
  });
});
