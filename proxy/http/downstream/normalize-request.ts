import { normalizePath } from "../../../mesh/policy/authorization/normalize-path.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import type { PlanRequest, RequestPlan } from "../exchange/request-plan.ts";
import type { DownstreamOptions } from "./downstream-options.ts";

/** A request as it is planned. */
interface NormalizedRequest extends RequestHead {
  /** Its path has no form that could be judged. */
  readonly isRefused?: true;
}

/**
 * A request with its path in the form in which it is judged, routed and forwarded: one form for all three, or a server
 * would read another path than the policy did (CVE-2021-31920). A path that is to be refused stays as it is.
 */
export function normalizeRequest(
  head: RequestHead,
  { pathNormalization }: Pick<DownstreamOptions, "pathNormalization">,
): NormalizedRequest {
  const path = normalizePath(head.path, pathNormalization());
  if (path === undefined) return { ...head, isRefused: true };
  return path === head.path ? head : { ...head, path };
}

/** Plans a normalised request. One whose path has no safe form is refused before any policy sees it. */
export function planNormalized(
  head: NormalizedRequest,
  { planRequest }: Pick<DownstreamOptions, "planRequest">,
): ReturnType<PlanRequest> {
  return head.isRefused === true ? REFUSED_PATH : planRequest(head);
}

const REFUSED_PATH: RequestPlan = {
  kind: "local_reply",
  reply: { status: 400, flags: "DPE", details: "path_normalization_failed: the path contains %00" },
  delayMs: undefined,
  route: "",
};
