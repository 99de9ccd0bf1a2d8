/**
 * What AuthorizationPolicies demand, as the control plane sends it to the proxy of a workload: selected for the
 * workload, with the trust domain's aliases resolved, and otherwise as written.
 */
import type { SpiffeId } from "../../identity/spiffe-id.ts";

export type AuthorizationAction = "ALLOW" | "DENY" | "AUDIT" | "CUSTOM";

/** Istio's `meshConfig.pathNormalization.normalization`; `DEFAULT` there is `BASE`. */
export type PathNormalization = "NONE" | "BASE" | "MERGE_SLASHES" | "DECODE_AND_MERGE_SLASHES";

/** The policies that apply to one workload. */
export interface Authorization {
  /** In the order of their names, `NAMESPACE/NAME`. None: everything is allowed. */
  readonly policies: readonly AuthorizationPolicyRules[];
  readonly pathNormalization: PathNormalization;
  /** How many proxies in front of a gateway are trusted with `x-forwarded-for`. */
  readonly numTrustedProxies: number;
}

/** Of a workload to which no policy applies, in a mesh with default settings. */
export const NO_AUTHORIZATION: Authorization = { policies: [], pathNormalization: "BASE", numTrustedProxies: 0 };

/** One policy. */
export interface AuthorizationPolicyRules {
  readonly namespace: string;
  readonly name: string;
  readonly action: AuthorizationAction;
  /** Of the action CUSTOM; else empty. */
  readonly provider: string;
  /** Counted and logged, without an effect (`istio.io/dry-run`). */
  readonly isDryRun: boolean;
  /** One of them must match; an empty list never matches. */
  readonly rules: readonly AuthorizationRule[];
}

/** Matches if one entry of `from`, one entry of `to` and all of `when` match. An empty list matches everything. */
export interface AuthorizationRule {
  readonly from: readonly AuthorizationClause[];
  readonly to: readonly AuthorizationClause[];
  readonly when: AuthorizationClause;
}

/** Conditions of which all must match. */
export type AuthorizationClause = readonly AuthorizationCondition[];

/**
 * Matches if one of `values` matches, or there are none, and none of `notValues` does. The values are those of the
 * resource, except that a service account always has its namespace (`NAMESPACE/NAME`).
 */
export interface AuthorizationCondition {
  /**
   * A key of `when` (`source.principal`, `request.headers[NAME]`, …). The lists of `from` and `to` have the keys
   * `source.principal`, `request.auth.principal`, `source.namespace`, `source.serviceAccount`, `source.trustDomain`,
   * `source.ip`, `remote.ip`, `request.host`, `destination.port`, `request.method` and `request.path`.
   */
  readonly key: string;
  readonly values: readonly string[];
  readonly notValues: readonly string[];
}

/** What is known of a connection when it is judged. */
export interface ConnectionAttributes {
  /** The verified identity of the client; `undefined`: plaintext. */
  readonly peer: SpiffeId | undefined;
  /** The address of the TCP peer. */
  readonly sourceIp: string;
  /** The address of the client in front of trusted proxies; without such the TCP peer's. */
  readonly remoteIp: string;
  /** The address on which the application listens: the pod's. */
  readonly destinationIp: string;
  /** The port on which the application listens, not the Service's. */
  readonly destinationPort: number;
  /** The server name of the TLS handshake. */
  readonly sni: string | undefined;
}

/** What is known of a request when it is judged. */
export interface RequestAttributes {
  readonly method: string;
  /** Host and port as the client sent them; empty: there is no Host, and it matches nothing. */
  readonly authority: string;
  /** Normalised, with its query. */
  readonly path: string;
  /** The values of a field, a line each; none if it is absent. @param name in lower case */
  readonly headerLines: (name: string) => readonly string[];
  /** The verified token of RequestAuthentication. */
  readonly token: TokenAttributes | undefined;
}

/** The claims of a verified token (RFC 7519). */
export interface TokenAttributes {
  readonly issuer: string;
  readonly subject: string;
  /** Those that are words with spaces between them (`scope`, `permission`, `spaceDelimitedClaims`) are lists already. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** A connection and, on an HTTP port, one of its requests. */
export interface AuthorizationAttributes {
  readonly connection: ConnectionAttributes;
  /** `undefined`: a stream, in which nothing of HTTP can be matched. */
  readonly request: RequestAttributes | undefined;
}

/** A verdict, and what made it. */
export interface AuthorizationVerdict {
  readonly kind: "allowed" | "denied";
  /**
   * `ns[NAMESPACE]-policy[NAME]-rule[INDEX]`, of CUSTOM between `istio-ext-authz-PROVIDER-` and
   * `-deny-due-to-bad-CUSTOM-action`: the first rule that matched, in the order of the ids. `none`: no rule did,
   * either because there is no policy that allows, or because none of those matched.
   */
  readonly ruleId: string;
  /** Whether a policy with the action AUDIT matched: the request is to be logged. */
  readonly isAudited: boolean;
  /** What the policies in dry run would have decided; absent if there is none with the action. */
  readonly dryRun: {
    readonly allow?: { readonly result: "allowed" | "denied"; readonly ruleId: string };
    readonly deny?: { readonly result: "allowed" | "denied"; readonly ruleId: string };
  };
}
