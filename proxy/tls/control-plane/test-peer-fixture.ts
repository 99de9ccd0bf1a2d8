/** For tests: who calls a control plane, as its own server judges it. */
import type { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { TLSSocket } from "node:tls";
import type { PeerContext } from "../../../mesh/api/peer-context.ts";
import { verifiedPeer } from "../../../mesh/api/peer-fixture.ts";
import type { TrustDomain } from "../../../mesh/identity/spiffe-id.ts";
import { indexRevocations } from "../../../mesh/policy/authentication/revocations.ts";
import { verifyPeer } from "../../../mesh/policy/authentication/verify-peer.ts";
import type { Revocations } from "../../../mesh/policy/types.ts";
import { parseCertificates } from "../trust-anchors.ts";

/** Whom the control plane trusts at this moment. */
export interface TestTrust {
  /** PEM. */
  readonly roots: readonly string[];
  readonly trustDomain: TrustDomain;
  readonly refused: Revocations;
  readonly nowMs: number;
}

export function judgeTestPeer(request: IncomingMessage | Http2ServerRequest, trust: TestTrust): PeerContext {
  const verdict = verifyPeer({
    ...{ certificates: peerCertificates(request), sessionReused: false, nowMs: trust.nowMs },
    roots: trust.roots.flatMap((root) => parseCertificates(root, "a root")),
    ...{ trustDomains: [trust.trustDomain], revocations: indexRevocations(trust.refused) },
  });
  return verdict.kind === "trusted"
    ? verifiedPeer({ identity: verdict.identity, notAfterMs: verdict.notAfterMs, address: "" })
    : { kind: "anonymous", reason: verdict.message, address: "" };
}

function peerCertificates(request: IncomingMessage | Http2ServerRequest): readonly X509Certificate[] {
  const socket = isHttp2(request) ? request.stream.session?.socket : undefined;
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  return certificate === undefined ? [] : [certificate];
}

function isHttp2(request: IncomingMessage | Http2ServerRequest): request is Http2ServerRequest {
  return "stream" in request;
}
