/** Policies and attributes in a short form, for tests only. */
import { parseSpiffeId, type SpiffeId } from "../../identity/spiffe-id.ts";
import type {
  AuthorizationClause,
  AuthorizationCondition,
  AuthorizationPolicyRules,
  AuthorizationRule,
  ConnectionAttributes,
  RequestAttributes,
  TokenAttributes,
} from "./authorization.ts";

type Lists = readonly [values: readonly string[], notValues?: readonly string[]];

/** Conditions as in a resource, by their field in `from` and `to`, or by the key of `when`: the values, and the others. */
export type ShortClause = Readonly<Record<string, readonly string[] | { readonly not: readonly string[] } | Lists>>;

const KEYS: Readonly<Record<string, string>> = {
  principals: "source.principal",
  namespaces: "source.namespace",
  serviceAccounts: "source.serviceAccount",
  trustDomains: "source.trustDomain",
  requestPrincipals: "request.auth.principal",
  ipBlocks: "source.ip",
  remoteIpBlocks: "remote.ip",
  hosts: "request.host",
  ports: "destination.port",
  methods: "request.method",
  paths: "request.path",
};

function clauseOf(clause: ShortClause): AuthorizationClause {
  return Object.entries(clause).map(([name, lists]): AuthorizationCondition => {
    const key = KEYS[name] ?? name;
    if ("not" in lists) return { key, values: [], notValues: lists.not };
    const [first, second] = lists;
    if (typeof first === "string" || first === undefined) {
      return { key, values: lists.filter((value) => typeof value === "string"), notValues: [] };
    }
    return { key, values: first, notValues: typeof second === "object" ? second : [] };
  });
}

export interface ShortRule {
  readonly from?: readonly ShortClause[];
  readonly to?: readonly ShortClause[];
  readonly when?: ShortClause;
}

export function ruleOf({ from = [], to = [], when = {} }: ShortRule): AuthorizationRule {
  return { from: from.map(clauseOf), to: to.map(clauseOf), when: clauseOf(when) };
}

/** A policy of the namespace `foo`. */
export function policyOf(
  action: AuthorizationPolicyRules["action"],
  rules: readonly ShortRule[],
  overrides: Partial<AuthorizationPolicyRules> = {},
): AuthorizationPolicyRules {
  const names = { namespace: "foo", name: action.toLowerCase() };
  return { ...names, action, provider: "", isDryRun: false, rules: rules.map(ruleOf), ...overrides };
}

/** The client curl of the namespace foo, over mutual TLS. */
export const CURL = parseSpiffeId("spiffe://cluster.local/ns/foo/sa/curl");

/** @param id without `spiffe://` */
export function peerOf(id: string): SpiffeId {
  return parseSpiffeId(`spiffe://${id}`);
}

export function connectionOf(overrides: Partial<ConnectionAttributes> = {}): ConnectionAttributes {
  return {
    peer: CURL,
    sourceIp: "10.1.0.7",
    remoteIp: "10.1.0.7",
    destinationIp: "10.1.0.8",
    destinationPort: 8080,
    sni: undefined,
    ...overrides,
  };
}

export interface ShortRequest extends Partial<Omit<RequestAttributes, "headerLines">> {
  /** A field's lines, by its name in lower case. */
  readonly headers?: Readonly<Record<string, readonly string[]>>;
}

export function requestOf({ headers = {}, ...overrides }: ShortRequest = {}): RequestAttributes {
  return {
    method: "GET",
    authority: "web.foo:8080",
    path: "/",
    token: undefined,
    headerLines: (name) => headers[name] ?? [],
    ...overrides,
  };
}

export function tokenOf(
  issuer: string,
  subject: string,
  claims: Readonly<Record<string, unknown>> = {},
): TokenAttributes {
  return { issuer, subject, claims: { iss: issuer, sub: subject, ...claims } };
}
