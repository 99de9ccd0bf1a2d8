import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { WorkloadRef } from "../mesh/api/convert.ts";
import { peerIdentityKey, type VerifiedPeer } from "../mesh/api/peer-context.ts";
import { type SpiffeId, spiffeIdParts } from "../mesh/identity/spiffe-id.ts";
import type { Pod } from "../mesh/resources/kinds/pod.ts";

/** Longest names of Kubernetes (RFC 1123): what a caller names is kept as long as its stream is open. */
const MAX_NAMESPACE = 63;
const MAX_NAME = 253;

/** Throws Unauthenticated for a caller without a certificate that is valid now. */
export function admitCaller(context: HandlerContext, nowMs: number): VerifiedPeer {
  const peer = context.values.get(peerIdentityKey);
  if (peer.kind === "anonymous") {
    throw new ConnectError(`a workload's certificate is needed: ${peer.reason}`, Code.Unauthenticated);
  }
  if (nowMs > peer.notAfterMs) throw certificateExpired(peer, nowMs);
  return peer;
}

export function certificateExpired(caller: VerifiedPeer, nowMs: number): ConnectError {
  const [now, end] = [nowMs, caller.notAfterMs].map((ms) => new Date(ms).toISOString());
  return new ConnectError(
    `the certificate of ${caller.identity} ended at ${end}, it is ${now}: connect with a new one`,
    Code.Unauthenticated,
  );
}

/** The pod that a request speaks for. Throws where it names none, or one of a namespace that is not the caller's. */
export function admitWorkload(ref: WorkloadRef | undefined, identity: SpiffeId): WorkloadRef {
  if (ref === undefined || ref.namespace === "" || ref.name === "") {
    throw new ConnectError(
      "the request must name the pod that asks: workload.namespace and workload.name",
      Code.InvalidArgument,
    );
  }
  if (ref.namespace.length > MAX_NAMESPACE || ref.name.length > MAX_NAME) {
    throw new ConnectError("the pod's name or namespace is longer than Kubernetes allows", Code.InvalidArgument);
  }
  if (spiffeIdParts(identity).namespace !== ref.namespace) {
    throw new ConnectError(
      `${identity} may not ask for pods of the namespace ${JSON.stringify(ref.namespace)}`,
      Code.PermissionDenied,
    );
  }
  return { namespace: ref.namespace, name: ref.name };
}

/** Why the caller may not speak for this pod; `undefined` if it may. */
export function findPodFault(pod: Pod, identity: SpiffeId): ConnectError | undefined {
  const { serviceAccount } = spiffeIdParts(identity);
  if (pod.spec.serviceAccountName === serviceAccount) return undefined;
  const { namespace, name } = pod.metadata;
  return new ConnectError(
    `the pod ${namespace}/${name} runs as the service account ${pod.spec.serviceAccountName}; ${identity} may not ask for it`,
    Code.PermissionDenied,
  );
}
