import { describe, expect, it } from "vitest";
import { mintRoot } from "../../../../mesh/identity/mint-certificate-fixture.ts";
import { parseTrustDomain } from "../../../../mesh/identity/spiffe-id.ts";
import { verifyPeer } from "../../../../mesh/policy/authentication/verify-peer.ts";
import { createAttackers, mintNow, STOLEN_IDENTITY } from "./attackers.ts";

const NOW_MS = Date.parse("2030-06-01T00:00:00Z");
const MESH_ROOT = mintRoot({ commonName: "mesh" });

function judge(certificate: ReturnType<typeof mintNow> | undefined) {
  return verifyPeer({
    certificates: certificate === undefined ? [] : [certificate.certificate],
    sessionReused: false,
    roots: [MESH_ROOT.certificate],
    trustDomains: [parseTrustDomain("cluster.local")],
    nowMs: NOW_MS,
  });
}

describe("the demo's attackers", () => {
  it.each(createAttackers(MESH_ROOT, NOW_MS))("$name is refused as $reason", ({ certificate, reason }) => {
    expect(judge(certificate)).toMatchObject({ kind: "refused", reason });
  });

  it("differ from a workload in that one point alone: a faultless certificate is trusted", () => {
    expect(judge(mintNow(MESH_ROOT, [STOLEN_IDENTITY], NOW_MS))).toMatchObject({ kind: "trusted" });
  });
});
