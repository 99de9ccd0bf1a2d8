import type { Timer } from "../../../mesh/runtime.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { ForwardPlan, RequestPlan } from "./request-plan.ts";

/** Of a tunnel that the proxy ends, for the access log. */
export type CutBy = Pick<LocalReply, "flags" | "details">;

/** How far an exchange has come, as seen from its response. */
export type ExchangeState =
  /** The request's head has been read, and what came with it is being read. */
  | { readonly kind: "arriving" }
  /** Its plan is being made. */
  | { readonly kind: "planning" }
  /** The plan delays it. */
  | { readonly kind: "delayed"; readonly plan: RequestPlan; readonly timer: Timer }
  /** It follows its plan, which is the state itself; no part of a response has been sent. */
  | RequestPlan
  /** The head of the response has been sent. */
  | { readonly kind: "responding"; readonly plan: ForwardPlan; readonly status: number }
  /** Its connections have become a tunnel. `cutBy`: the proxy is ending it. */
  | { readonly kind: "tunnel"; readonly plan: ForwardPlan; readonly cutBy?: CutBy }
  | { readonly kind: "over" };

export const ARRIVING: ExchangeState = { kind: "arriving" };
export const PLANNING: ExchangeState = { kind: "planning" };
export const OVER: ExchangeState = { kind: "over" };

/** The plan, if it has been made. */
export function planOf(state: ExchangeState): RequestPlan | undefined {
  switch (state.kind) {
    case "arriving":
    case "planning":
    case "over":
      return undefined;
    case "forward":
    case "local_reply":
      return state;
    case "delayed":
    case "responding":
    case "tunnel":
      return state.plan;
  }
}

/** Why the proxy is ending a tunnel, if it is. */
export function cutOf(state: ExchangeState): CutBy | undefined {
  return state.kind === "tunnel" ? state.cutBy : undefined;
}
