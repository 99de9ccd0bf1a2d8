import type { LocalReply } from "../../messages/local-reply.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { type ExchangeState, planOf } from "./exchange-state.ts";
import type { PlanRequest, RequestPlan } from "./request-plan.ts";

/** An exchange that the policies no longer allow. */
interface DeniedExchange {
  /** The same as before, with the new verdict. */
  readonly state: ExchangeState;
  readonly reply: LocalReply;
}

/** Judges an exchange after the policies have changed. `undefined`: it goes on, or is judged when it is planned. */
export function denialOf(state: ExchangeState, head: RequestHead): DeniedExchange | undefined {
  const plan = planOf(state);
  if (plan?.kind !== "forward") return undefined;
  const denied = plan.judgeAgain?.(head);
  if (denied === undefined) return undefined;
  const { reply, authorization } = denied;
  const judged = { ...plan, authorization };
  const cut = { ...reply, flags: "DO" } as const;
  switch (state.kind) {
    case "responding":
      return { state: { ...state, plan: judged }, reply: cut };
    case "tunnel":
      return { state: { ...state, plan: judged, cutBy: cut }, reply: cut };
    case "delayed":
      return { state: { ...state, plan: judged }, reply };
    default:
      return { state: judged, reply };
  }
}

/** Plans a request, and judges a plan that took time again: the policies may have changed since it was made. */
export function planExchange(
  planRequest: PlanRequest,
  head: RequestHead,
  exchange: { followPlan(plan: RequestPlan): void; onFault(caught: unknown): void },
): void {
  try {
    const plan = planRequest(head);
    if (!(plan instanceof Promise)) exchange.followPlan(plan);
    else plan.then((late) => exchange.followPlan(judgedNow(late, head))).catch((caught) => exchange.onFault(caught));
  } catch (caught) {
    exchange.onFault(caught);
  }
}

function judgedNow(plan: RequestPlan, head: RequestHead): RequestPlan {
  return (plan.kind === "forward" ? plan.judgeAgain?.(head) : undefined) ?? plan;
}
