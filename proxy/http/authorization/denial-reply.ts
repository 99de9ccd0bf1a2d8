import type { AuthorizationVerdict } from "../../../mesh/policy/authorization/authorization.ts";
import { GRPC_STATUS } from "../../../mesh/resources/fields/grpc-status-names.ts";
import type { LocalReply } from "../../messages/local-reply.ts";

/** What a client that is denied reads, as from Istio's proxies. The rule is in the access log alone. */
const DENIED_TEXT = "RBAC: access denied";

/** The reply to a request that is denied: 403, without a response flag; a call of gRPC ends with PERMISSION_DENIED. */
export function denialReply(verdict: Pick<AuthorizationVerdict, "ruleId">): LocalReply {
  const grpcStatus = GRPC_STATUS.PERMISSION_DENIED;
  return { status: 403, grpcStatus, flags: "-", details: denialDetails(verdict), body: DENIED_TEXT };
}

/** Envoy's details of a denial, in which whitespace is an underscore. */
export function denialDetails({ ruleId }: Pick<AuthorizationVerdict, "ruleId">): string {
  return `rbac_access_denied_matched_policy[${ruleId.replaceAll(/\s/g, "_")}]`;
}
