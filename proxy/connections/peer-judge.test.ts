import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { indexRevocations } from "../../mesh/policy/authentication/revocations.ts";
import { createSecureContextSource, type Svid } from "../tls/secure-context-source.ts";
import type { TrustAnchors } from "../tls/trust-anchors.ts";
import { onTrustChange } from "./peer-judge.ts";

const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const ROOT = mintRoot();
const OTHER = mintRoot();
const HOUR_MS = 3_600_000;

function trustIn(...domains: readonly string[]): TrustAnchors {
  return { roots: [ROOT.certificate], trustDomains: domains.map(parseTrustDomain) };
}

function svidUntil(notAfterMs: number): Svid {
  const times = { notBefore: new Date(notAfterMs - HOUR_MS), notAfter: new Date(notAfterMs) };
  const leaf = mintLeaf({ issuer: ROOT, uriSans: [HELLO], ...times });
  return { identity: HELLO, certificates: [leaf.certificate], privateKeyPem: leaf.keyPem, notAfterMs };
}

function watchTrust() {
  const clock = new FakeClock();
  const source = createSecureContextSource({ trust: trustIn("cluster.local"), clock });
  source.setSvid(svidUntil(clock.now() + HOUR_MS));
  let changes = 0;
  onTrustChange(source, () => {
    changes += 1;
  });
  return { clock, source, changes: () => changes };
}

describe("a change of trust is reported", () => {
  it("for other trust domains", () => {
    const { source, changes } = watchTrust();
    source.setTrust(trustIn("cluster.local", "old.domain"));
    expect(changes()).toBe(1);
  });

  it("for other roots", () => {
    const { source, changes } = watchTrust();
    source.setTrust({ ...trustIn("cluster.local"), roots: [ROOT.certificate, OTHER.certificate] });
    expect(changes()).toBe(1);
  });

  it("for other revocations, and for their end", () => {
    const { source, changes } = watchTrust();
    const revocations = indexRevocations({ certificates: [], identities: [HELLO] });
    source.setTrust({ ...trustIn("cluster.local"), revocations });
    expect(changes()).toBe(1);
    source.setTrust({
      ...trustIn("cluster.local"),
      revocations: indexRevocations({ certificates: [], identities: [HELLO] }),
    });
    expect(changes()).toBe(1);
    source.setTrust(trustIn("cluster.local"));
    expect(changes()).toBe(2);
  });

  it("not for a new certificate of the workload's own", () => {
    const { clock, source, changes } = watchTrust();
    source.setSvid(svidUntil(clock.now() + 2 * HOUR_MS));
    expect(changes()).toBe(0);
  });

  it("not for an equal bundle", () => {
    const { source, changes } = watchTrust();
    source.setTrust(trustIn("cluster.local"));
    expect(changes()).toBe(0);
  });

  it("also while the workload's own certificate has expired: what is revoked must not stay open", () => {
    const { clock, source, changes } = watchTrust();
    clock.jump(2 * HOUR_MS);
    source.setTrust(trustIn("cluster.local", "old.domain"));
    expect(changes()).toBe(1);
    source.setSvid(svidUntil(clock.now() + HOUR_MS));
    expect(changes()).toBe(1);
  });
});
