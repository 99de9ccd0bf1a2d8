import type { AuthorizationVerdict } from "../../../mesh/policy/authorization/authorization.ts";
import type { FoldedHeaders } from "../../../mesh/policy/routing/header-operations.ts";
import type { RequestEdits } from "../../messages/edits/head-edits.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import type { UpstreamPool } from "../pool/upstream-pool.ts";
import type { RetryPolicy } from "./retry-policy.ts";

/** How a request is handled. */
export type RequestPlan = ForwardPlan | LocalReplyPlan;

export interface ForwardPlan {
  readonly kind: "forward";
  readonly pool: UpstreamPool;
  readonly edits: RequestEdits;
  readonly responseHeaders: FoldedHeaders | undefined;
  /** `undefined`: only retries that are safe without a policy. */
  readonly retries: RetryPolicy | undefined;
  /** To the end of the response; `undefined`: no limit. A call of gRPC may have a shorter one of its own. */
  readonly timeoutMs: number | undefined;
  /** An injected delay before the request is forwarded. */
  readonly delayMs: number | undefined;
  /** `VirtualService/NAME.NAMESPACE[INDEX]`, or `default`. */
  readonly route: string;
  /** `outbound|PORT|SUBSET|HOST` or `inbound|PORT||`. */
  readonly cluster: string;
  /** The verdict of AuthorizationPolicies; absent: there is none. */
  readonly authorization?: AuthorizationVerdict | undefined;
  /** The proof of reports to the client's sidecar (`connections/delivery-proof.ts`). @default there are no reports */
  readonly proveDelivery?: () => string | undefined;
  /** Judges the request again after the policies have changed. `undefined`: it is still allowed. */
  readonly judgeAgain?: (head: RequestHead) => LocalReplyPlan | undefined;
  /** Called once, when the request has ended. */
  readonly onOver?: () => void;
}

/** The proxy sends a local reply: a redirect, an injected abort, no route. */
export interface LocalReplyPlan {
  readonly kind: "local_reply";
  readonly reply: LocalReply;
  readonly delayMs: number | undefined;
  readonly route: string;
  /** Denied by AuthorizationPolicies, or judged before another reason for the reply. */
  readonly authorization?: AuthorizationVerdict | undefined;
}

/** Plans a request; synchronously if everything is known. */
export type PlanRequest = (head: RequestHead) => RequestPlan | Promise<RequestPlan>;

/** Its request has ended, or never begun. */
export function releasePlan(plan: RequestPlan | undefined): void {
  if (plan?.kind === "forward") plan.onOver?.();
}
