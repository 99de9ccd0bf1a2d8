import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { refused, type TokenVerdict } from "./authenticator.ts";
import { identityFromClaims, readMember } from "./service-account-claims.ts";
import { NOT_BOUND, readPod, type TokenClaims } from "./token-claims.ts";

export interface ReviewedToken {
  /** What the token itself contains; the API's response must agree with it. */
  readonly claims: TokenClaims;
  readonly audience: string;
  readonly trustDomain: TrustDomain;
}

const SERVICE_ACCOUNTS = "system:serviceaccounts";
const POD_NAME = "authentication.kubernetes.io/pod-name";
const POD_UID = "authentication.kubernetes.io/pod-uid";
const MAX_SHOWN = 300;

/**
 * The verdict in a TokenReview's response. Only `authenticated: true` for our audience, with a service account and a pod
 * that are the token's own, accepts it. A response that the API would not give is not a refusal: the token may be good.
 */
export function decideReview(response: unknown, token: ReviewedToken): TokenVerdict {
  const status = readMember(response, "status");
  if (typeof status !== "object" || status === null) return garbage("has no status");
  const authenticated = readMember(status, "authenticated");
  // The API leaves `false` out.
  if (authenticated === undefined || authenticated === false) {
    const error = readMember(status, "error");
    const reason = typeof error === "string" && error !== "" ? JSON.stringify(error.slice(0, MAX_SHOWN)) : "no reason";
    return refused("refused_by_the_api", `the Kubernetes API does not accept the token: ${reason}`);
  }
  if (authenticated !== true) return garbage("has a status that is neither true nor false");
  return decideAccepted(status, token);
}

function decideAccepted(status: object, { claims, audience, trustDomain }: ReviewedToken): TokenVerdict {
  // Without audiences the server has not looked at them, and the token may be for the API itself.
  if (!readTexts(readMember(status, "audiences")).includes(audience)) {
    return refused("wrong_audience", `the Kubernetes API did not accept the token for the audience ${audience}`);
  }
  const user = readMember(status, "user");
  if (!readTexts(readMember(user, "groups")).includes(SERVICE_ACCOUNTS)) {
    return refused("not_a_service_account", `the token's user is not of the group ${SERVICE_ACCOUNTS}`);
  }
  const identified = identityFromClaims({ sub: readMember(user, "username") }, trustDomain);
  if (identified.kind !== "authenticated") return identified;
  if (identified.identity !== claims.identity) return disagree("service account");
  const extra = readMember(user, "extra");
  const pod = readPod({ name: readOnly(readMember(extra, POD_NAME)), uid: readOnly(readMember(extra, POD_UID)) });
  if (pod === undefined) return refused("not_bound_to_a_pod", NOT_BOUND);
  if (pod.name !== claims.pod.name || pod.uid !== claims.pod.uid) return disagree("pod");
  return { kind: "authenticated", identity: identified.identity, pod };
}

function garbage(what: string): TokenVerdict {
  return { kind: "unavailable", reason: "api_failed", message: `the response to the TokenReview ${what}` };
}

function disagree(what: string): TokenVerdict {
  return refused("claims_disagree", `the Kubernetes API names another ${what} than the token itself`);
}

function readTexts(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Extra values are lists; two values would leave open which one counts. */
function readOnly(value: unknown): unknown {
  const texts = readTexts(value);
  return texts.length === 1 ? texts[0] : undefined;
}
