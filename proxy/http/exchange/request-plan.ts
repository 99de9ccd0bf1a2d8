import type { RequestHead } from "../../http1/message-head.ts";
import type { HeaderEdits, RequestEdits } from "../headers/rewrite-head.ts";
import type { LocalReply } from "../local-reply.ts";
import type { UpstreamPool } from "../upstream/upstream-pool.ts";
import type { RetryPolicy } from "./decide-retry.ts";

/** What becomes of a request. */
export type RequestPlan = ForwardPlan | LocalReplyPlan;

export interface ForwardPlan {
  readonly kind: "forward";
  readonly pool: UpstreamPool;
  readonly edits: RequestEdits;
  readonly responseHeaders: HeaderEdits | undefined;
  /** `undefined`: only what is safe without a rule. */
  readonly retries: RetryPolicy | undefined;
  /** From the whole request's arrival to the end of the answer; `undefined`: no limit. */
  readonly timeoutMs: number | undefined;
  /** An injected delay before the request goes on. */
  readonly delayMs: number | undefined;
  /** `VirtualService/NAME.NAMESPACE[INDEX]`, or `default`. */
  readonly route: string;
  /** `outbound|PORT|SUBSET|HOST` or `inbound|PORT||`. */
  readonly cluster: string;
  /** Called once, when the request is over. */
  readonly onOver?: () => void;
}

/** The proxy answers by itself: a redirect, an injected abort, no route. */
export interface LocalReplyPlan {
  readonly kind: "local_reply";
  readonly reply: LocalReply;
  readonly delayMs: number | undefined;
  readonly route: string;
}

/** Decides where a request goes; at once wherever everything is known. */
export type PlanRequest = (head: RequestHead) => RequestPlan | Promise<RequestPlan>;
