import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { WorkloadRef } from "../../mesh/api/convert.ts";
import { peerIdentityKey, type VerifiedPeer } from "../../mesh/api/peer-context.ts";
import { type SpiffeId, spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";
import { DNS_LABEL, DNS_SUBDOMAIN } from "../../mesh/resources/fields/metadata.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";

/** Throws Unauthenticated for a caller without a currently valid certificate. */
export function admitCaller(context: HandlerContext, nowMs: number): VerifiedPeer {
  const peer = context.values.get(peerIdentityKey);
  if (peer.kind === "anonymous") {
    throw new ConnectError(`a workload certificate is required: ${peer.reason}`, Code.Unauthenticated);
  }
  if (nowMs > peer.notAfterMs) throw certificateExpired(peer, nowMs);
  return peer;
}

export function certificateExpired(caller: VerifiedPeer, nowMs: number): ConnectError {
  const [now, end] = [nowMs, caller.notAfterMs].map((ms) => new Date(ms).toISOString());
  return new ConnectError(
    `the certificate of ${caller.identity} expired at ${end}, and it is now ${now}: connect with a new one`,
    Code.Unauthenticated,
  );
}

/** The pod that a request is for. Throws if it names no pod, or one in a namespace other than the caller's. */
export function admitWorkload(ref: WorkloadRef | undefined, identity: SpiffeId): WorkloadRef {
  if (ref === undefined || ref.namespace === "" || ref.name === "") {
    throw new ConnectError("the request must name its pod: workload.namespace and workload.name", Code.InvalidArgument);
  }
  // They are kept in memory while the stream is open, and operators see them.
  if (!DNS_LABEL.test(ref.namespace) || !DNS_SUBDOMAIN.test(ref.name)) {
    throw new ConnectError("the pod's name or namespace is none that Kubernetes allows", Code.InvalidArgument);
  }
  if (spiffeIdParts(identity).namespace !== ref.namespace) {
    throw new ConnectError(
      `${identity} may not request the configuration of pods in namespace ${JSON.stringify(ref.namespace)}`,
      Code.PermissionDenied,
    );
  }
  return { namespace: ref.namespace, name: ref.name };
}

/** Why the caller may not request this pod's configuration; `undefined` if it may. */
export function findPodFault(pod: Pod, identity: SpiffeId): ConnectError | undefined {
  const { serviceAccount } = spiffeIdParts(identity);
  if (pod.spec.serviceAccountName === serviceAccount) return undefined;
  const { namespace, name } = pod.metadata;
  return new ConnectError(
    `the pod ${namespace}/${name} runs as service account ${pod.spec.serviceAccountName}; ${identity} may not request its configuration`,
    Code.PermissionDenied,
  );
}
