/** Istio's behaviour as a table, in the numbers of its vectors. For tests only. */
import { describe, expect, it } from "vitest";
import type { AuthorizationPolicyRules, ConnectionAttributes, PathNormalization } from "./authorization.ts";
import {
  connectionOf,
  peerOf,
  policyOf,
  requestOf,
  type ShortRequest,
  type ShortRule,
  tokenOf,
} from "./authorization-fixture.ts";
import { compileAuthorization, decideAuthorization } from "./decide-authorization.ts";
import { normalizePath } from "./normalize-path.ts";

/** A request, or (`tcp`) a stream. */
type Attempt = RequestAttempt | { readonly tcp: Partial<ConnectionAttributes> };

interface RequestAttempt extends ShortRequest {
  readonly connection?: Partial<ConnectionAttributes>;
  readonly mode?: PathNormalization;
}

interface Vector {
  readonly vector: string;
  readonly claim: string;
  readonly policies: readonly AuthorizationPolicyRules[];
  readonly allows?: readonly Attempt[];
  readonly denies?: readonly Attempt[];
  /** The rule that denies, without the namespace of its policy, or `400`. @default "none" */
  readonly by?: string;
}

export const ALLOW = (...rules: readonly ShortRule[]): AuthorizationPolicyRules => policyOf("ALLOW", rules);
export const DENY = (...rules: readonly ShortRule[]): AuthorizationPolicyRules => policyOf("DENY", rules);

export const ALL: ShortRule = {};
export const BY_DENY = "deny 0";
export const CURL_NAME = "cluster.local/ns/foo/sa/curl";

export const TCP: Attempt = { tcp: {} };
export const PLAINTEXT: RequestAttempt = { connection: { peer: undefined } };

export function peer(id: string, more: Partial<ConnectionAttributes> = {}): RequestAttempt {
  return { connection: { peer: peerOf(id), ...more } };
}

export function path(text: string, mode: PathNormalization = "BASE"): RequestAttempt {
  return { path: text, mode };
}

export function port(destinationPort: number): Attempt {
  return { tcp: { destinationPort } };
}

export function host(authority: string): RequestAttempt {
  return { authority };
}

export function roles(...lines: readonly string[]): RequestAttempt {
  return { headers: { "x-role": lines } };
}

export function token(issuer: string, subject: string, claims: Readonly<Record<string, unknown>> = {}): RequestAttempt {
  return { token: tokenOf(issuer, subject, claims) };
}

export function scopes(...scope: readonly string[]): RequestAttempt {
  return token("https://i", "u", { scope });
}

function judge(policies: readonly AuthorizationPolicyRules[], attempt: Attempt): string {
  const compiled = compileAuthorization({ policies });
  if ("tcp" in attempt) {
    return shorten(decideAuthorization(compiled, { connection: connectionOf(attempt.tcp), request: undefined }));
  }
  const { connection, mode = "BASE", path: given = "/", ...request } = attempt;
  const normalized = normalizePath(given, mode);
  if (normalized === undefined) return "400";
  const attributes = { connection: connectionOf(connection), request: requestOf({ ...request, path: normalized }) };
  return shorten(decideAuthorization(compiled, attributes));
}

function shorten({ kind, ruleId }: { readonly kind: string; readonly ruleId: string }): string {
  return kind === "allowed" ? "OK" : ruleId.replace(/ns\[foo\]-policy\[(\w+)\]-rule\[(\d+)\]/, "$1 $2");
}

/** A test for each attempt of each vector. */
export function describeVectors(title: string, vectors: readonly Vector[]): void {
  const cases = vectors.flatMap(({ vector, claim, policies, allows = [], denies = [], by = "none" }) => [
    ...allows.map((attempt) => ({ vector, claim, policies, attempt, expected: "OK" })),
    ...denies.map((attempt) => ({ vector, claim, policies, attempt, expected: by })),
  ]);
  describe(`Istio's verdicts on ${title}`, () => {
    it.each(cases.map((row) => ({ ...row, shown: JSON.stringify(row.attempt) })))(
      "$vector: $claim: $shown → $expected",
      ({ policies, attempt, expected }) => {
        expect(judge(policies, attempt)).toBe(expected);
      },
    );
  });
}
