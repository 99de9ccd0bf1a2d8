import type { AuthorityStatus } from "../../ca-agent/authority/authority-status.ts";
import type { ControlState, RotationRequest } from "../../ca-agent/control/control-state.ts";
import type { ControlStore } from "../../ca-agent/control/control-store.ts";
import { OperatorError } from "../operator-error.ts";

/** What becomes of a request to replace the root. */
export type RotationRequestDecision =
  /** A rotation is in progress or asked for already. `requestId`: as `RotationStatus.requestId`. */
  | { readonly kind: "join"; readonly requestId: string | null }
  | { readonly kind: "request" }
  /**
   * A request to rotate is stored that no control plane has begun with. The one to go back replaces it, so a control plane
   * that begins at this moment goes back at once.
   */
  | { readonly kind: "cancel"; readonly requestId: string };

/** To another root, or back to the one before. */
export type RotationKind = NonNullable<RotationRequest["kind"]>;

/**
 * Decides whether a request is to be stored: two at once are one.
 * @throws OperatorError `not_possible` if no control plane would answer it
 */
export function decideRotationRequest(
  kind: RotationKind,
  { rotation: asked }: ControlState,
  authorities: readonly AuthorityStatus[],
): RotationRequestDecision {
  if (authorities.length === 0) {
    throw new OperatorError("not_possible", "no control plane could be asked what its root is: nothing was requested");
  }
  const rotations = authorities.flatMap(({ rotation }) => rotation ?? []);
  if (rotations.length < authorities.length) throw new OperatorError("not_possible", OWN_AUTHORITY);
  const running = rotations.find(({ phase }) => phase === "published" || phase === "signing");
  const isWaiting = asked !== undefined && !rotations.some(({ requestId }) => requestId === asked.requestId);
  // One that came too late to go back is never answered, and not in the way of another one.
  const isSame = isWaiting && (asked.kind ?? "rotate") === kind;
  if (kind === "roll_back" && running === undefined) {
    if (isWaiting && !isSame) return { kind: "cancel", requestId: asked.requestId };
    throw new OperatorError("not_possible", NOTHING_TO_ROLL_BACK);
  }
  if (isSame) return { kind: "join", requestId: asked.requestId };
  // One by age is in no hurry until an operator requests it.
  const isUnhurried = rotations.some(({ phase, cause }) => phase === "published" && cause === "age");
  if (kind === "rotate" && running !== undefined && !isUnhurried) return { kind: "join", requestId: running.requestId };
  return { kind: "request" };
}

const NOTHING_TO_ROLL_BACK =
  "no rotation is in progress or requested, so there is no root to go back to: entente ca status shows the roots";

const OWN_AUTHORITY =
  "the root is the operator's own (Secret cacerts, or the files of the CA directory), and no control plane has its key. " +
  "Replace it by two edits: first the new ca-cert.pem, ca-key.pem and cert-chain.pem with both roots in root-cert.pem; " +
  "then, when entente ca status shows no certificate of the old root, the new root alone. README, Certificates";

export interface RequestedRotation {
  readonly requestId: string | null;
  /** Whether it was stored now. */
  readonly isNew: boolean;
  /** The request that it cancels: no rotation had begun. */
  readonly cancelled?: string;
}

/**
 * Asks for a rotation, unless one is in progress or asked for: of two callers at once, both receive the id of one request.
 * @throws OperatorError `not_possible`, and what the store rejects with
 */
export async function requestRotation(
  store: ControlStore,
  authorities: readonly AuthorityStatus[],
  request: RotationRequest,
): Promise<RequestedRotation> {
  const { kind = "rotate", requestId } = request;
  const decisions: RotationRequestDecision[] = [];
  const stored = await store.update((state) => {
    const decision = decideRotationRequest(kind, state, authorities);
    decisions.push(decision);
    return decision.kind === "join" ? state : { ...state, rotation: request };
  });
  if (stored.rotation?.requestId === requestId) {
    const decided = decisions.at(-1);
    return { requestId, isNew: true, ...(decided?.kind === "cancel" && { cancelled: decided.requestId }) };
  }
  const decision = decideRotationRequest(kind, stored, authorities);
  return { requestId: decision.kind === "join" ? decision.requestId : null, isNew: false };
}
