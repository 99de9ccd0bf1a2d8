import type { AuthorityStatus } from "../../ca-agent/authority/authority-status.ts";
import type { ControlState, RotationRequest } from "../../ca-agent/control/control-state.ts";
import type { ControlStore } from "../../ca-agent/control/control-store.ts";
import { OperatorError } from "../operator-error.ts";

/** What becomes of a request to replace the root. */
export type RotationRequestDecision =
  /** A rotation is in progress or asked for already. `requestId`: as `RotationStatus.requestId`. */
  { readonly kind: "join"; readonly requestId: string | null } | { readonly kind: "request" };

/**
 * Decides whether a request is to be stored: two at once are one rotation.
 * @throws OperatorError `not_possible` if no control plane would answer it
 */
export function decideRotationRequest(
  { rotation: asked }: ControlState,
  authorities: readonly AuthorityStatus[],
): RotationRequestDecision {
  if (authorities.length === 0) {
    throw new OperatorError("not_possible", "no control plane could be asked what its root is: nothing was requested");
  }
  const rotations = authorities.flatMap(({ rotation }) => rotation ?? []);
  if (rotations.length < authorities.length) throw new OperatorError("not_possible", OWN_AUTHORITY);
  const running = rotations.find(({ phase }) => phase !== "steady");
  if (running !== undefined) return { kind: "join", requestId: running.requestId };
  const isWaiting = asked !== undefined && !rotations.some(({ requestId }) => requestId === asked.requestId);
  return isWaiting ? { kind: "join", requestId: asked.requestId } : { kind: "request" };
}

const OWN_AUTHORITY =
  "the root is the operator's own (Secret cacerts, or the files of the CA directory), and no control plane has its key. " +
  "Replace it by two edits: first the new ca-cert.pem, ca-key.pem and cert-chain.pem with both roots in root-cert.pem; " +
  "then, when entente ca status shows no certificate of the old root, the new root alone. README, Certificates";

/**
 * Asks for a rotation, unless one is in progress or asked for: of two callers at once, both receive the id of one request.
 * @throws OperatorError `not_possible`, and what the store rejects with
 */
export async function requestRotation(
  store: ControlStore,
  authorities: readonly AuthorityStatus[],
  request: RotationRequest,
): Promise<{ readonly requestId: string | null; readonly isNew: boolean }> {
  const stored = await store.update((state) =>
    decideRotationRequest(state, authorities).kind === "request" ? { ...state, rotation: request } : state,
  );
  if (stored.rotation?.requestId === request.requestId) return { requestId: request.requestId, isNew: true };
  const decision = decideRotationRequest(stored, authorities);
  return { requestId: decision.kind === "join" ? decision.requestId : null, isNew: false };
}
