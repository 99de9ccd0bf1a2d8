import { parsePodTag } from "../identity/pod-tag.ts";
import { parseSpiffeId } from "../identity/spiffe-id.ts";
import type { VerifiedPeer } from "./peer-context.ts";

/** Of a pod. */
const TAG = parsePodTag("1A2B3C4D5E6F7081");
const TAGGED_SERIAL = `706F64${TAG}${"00".repeat(9)}`;

/** A peer with a certificate, as the server of a connection would set it. */
export function verifiedPeer(overrides: Partial<Omit<VerifiedPeer, "kind">> = {}): VerifiedPeer {
  return {
    kind: "verified",
    identity: parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello"),
    notAfterMs: Date.UTC(9999, 11, 31),
    certificate: { serialNumber: TAGGED_SERIAL, rootFingerprint: "00:11", authorities: ["A0"] },
    podTag: TAG,
    address: "10.0.0.7",
    ...overrides,
  };
}
