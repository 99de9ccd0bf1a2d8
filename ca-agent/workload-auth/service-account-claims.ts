import { IdentityError } from "../../mesh/identity/identity-error.ts";
import { formatSpiffeId, type TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { type Refusal, refused, type TokenVerdict } from "./authenticator.ts";

const SUBJECT_PREFIX = ["system", "serviceaccount"] as const;

/**
 * The identity in the claims of a verified token. The subject must be exactly `system:serviceaccount:NAMESPACE:NAME`.
 * If Kubernetes' own claim is present it must name the same account.
 */
export function identityFromClaims(
  claims: Readonly<Record<string, unknown>>,
  trustDomain: TrustDomain,
): Exclude<TokenVerdict, { kind: "unavailable" }> {
  const subject = claims["sub"];
  const parts = typeof subject === "string" ? subject.split(":") : [];
  const [system, kind, namespace = "", serviceAccount = ""] = parts;
  if (parts.length !== 4 || system !== SUBJECT_PREFIX[0] || kind !== SUBJECT_PREFIX[1]) {
    return notAServiceAccount("the subject is not system:serviceaccount:NAMESPACE:NAME");
  }
  if (!agreesWithKubernetes(claims["kubernetes.io"], namespace, serviceAccount)) {
    const message = "the kubernetes.io claim names another service account than the subject";
    return refused("claims_disagree", message);
  }
  try {
    return { kind: "authenticated", identity: formatSpiffeId({ trustDomain, namespace, serviceAccount }) };
  } catch (caught) {
    if (!(caught instanceof IdentityError)) throw caught;
    return notAServiceAccount(caught.message);
  }
}

function agreesWithKubernetes(claim: unknown, namespace: string, serviceAccount: string): boolean {
  if (claim === undefined) return true;
  return (
    readMember(claim, "namespace") === namespace &&
    readMember(readMember(claim, "serviceaccount"), "name") === serviceAccount
  );
}

/** An own property of a parsed JSON value. */
export function readMember(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

function notAServiceAccount(message: string): Refusal {
  return refused("not_a_service_account", message);
}
